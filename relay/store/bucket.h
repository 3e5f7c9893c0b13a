/* A token bucket as CAs keep it (GCRA): all that is stored of it is when it will be full. Pure
 * arithmetic in microseconds since 1970. */
#ifndef RELAY_STORE_BUCKET_H
#define RELAY_STORE_BUCKET_H

#include <stdint.h>

struct bucket_limit {
    int64_t size;     /* tokens of a full bucket: at least 1, at most COUNT */
    int64_t count;    /* tokens that come back ... */
    int64_t window_s; /* ... in this time, evenly */
};

/* COUNT in WINDOW_S, of which BURST at once; 0: all. Values of the configuration. */
struct bucket_limit bucket_limit_of(uint64_t burst, uint64_t count, int64_t window_s);
/* How long one token takes, rounded up: rather late than refused. */
int64_t bucket_interval_us(const struct bucket_limit *limit);
/* FULL_AT_US as a bucket can be at NOW_US: more than one bucketful of debt means that the
 * clock was ahead when it was written, and the bucket then counts as empty. */
int64_t bucket_judge(const struct bucket_limit *limit, int64_t full_at_us,
                     int64_t now_us);
/* Whole tokens in it, at most size; negative: debt. */
int64_t bucket_tokens(const struct bucket_limit *limit, int64_t full_at_us,
                      int64_t now_us);
/* When it is full after UNITS were taken at NOW_US. */
int64_t bucket_spend(const struct bucket_limit *limit, int64_t full_at_us, int64_t now_us,
                     int64_t units);
/* When TOKENS (which may be more than its size: those that others take are counted) have
 * come, if it refills from NOW_US on without a pause. */
int64_t bucket_reach_us(const struct bucket_limit *limit, int64_t full_at_us,
                        int64_t now_us, int64_t tokens);

#endif
