/* How long to wait after a failure: doubling, with jitter, between a first wait and a
 * longest one. Pure. */
#ifndef DEVICE_BACKOFF_H
#define DEVICE_BACKOFF_H

#include <stdint.h>

/* Uniform in 0..below-1; random_below() in the program, a table in tests. */
typedef uint64_t backoff_random_fn(uint64_t below);

struct backoff_range {
    int64_t first_s;   /* the wait after the first failure */
    int64_t longest_s; /* no wait is longer (before jitter) */
};

/* The wait after FAILURES failures in a row (1 or more), in milliseconds: first *
 * 2^(failures-1), at most the longest, then 75..125 % of it, so that a fleet that failed
 * together does not come back together. */
int64_t backoff_wait_ms(const struct backoff_range *range, unsigned failures,
                        backoff_random_fn *random);

#endif
