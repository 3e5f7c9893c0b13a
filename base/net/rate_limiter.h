/* How often each of many may do something: token buckets under numbers (prefix_site, say), in
 * a table of fixed size. No allocation but at creation, no clock, no lock. */
#ifndef BASE_NET_RATE_LIMITER_H
#define BASE_NET_RATE_LIMITER_H

#include "base/core/error.h"

#include <stdint.h>

struct rate_limiter;

struct rate_limit {
    unsigned per_second; /* 1 to 1,000,000 */
    unsigned burst;      /* what a bucket holds, at least 1: it is full at first */
};

/* ERROR_RANGE, ERROR_MEMORY, ERROR_IO (no random key). */
int rate_limiter_new(const struct rate_limit *limit,
                     struct rate_limiter **ret_limiter) MUST_CHECK;
/* Accepts NULL. */
void rate_limiter_free(struct rate_limiter *limiter);
/* Takes one unit of WHO's: 0, or, when there is none, in how many milliseconds there will be
 * one. NOW_MONO_MS need not be exact: one that stands still for a while fills no bucket. */
int64_t rate_limiter_take(struct rate_limiter *limiter, uint64_t who,
                          int64_t now_mono_ms);
/* The same, and takes nothing. */
int64_t rate_limiter_look(struct rate_limiter *limiter, uint64_t who,
                          int64_t now_mono_ms);

#endif
