#include "relay/store/bucket.h"

enum { US_PER_S = 1000000 };

struct bucket_limit bucket_limit_of(uint64_t burst, uint64_t count, int64_t window_s)
{
    return (struct bucket_limit){
        .size = (int64_t)(burst == 0 || burst > count ? count : burst),
        .count = (int64_t)count,
        .window_s = window_s,
    };
}

int64_t bucket_interval_us(const struct bucket_limit *limit)
{
    return (limit->window_s * US_PER_S + limit->count - 1) / limit->count;
}

int64_t bucket_judge(const struct bucket_limit *limit, int64_t full_at_us, int64_t now_us)
{
    int64_t capacity_us = limit->size * bucket_interval_us(limit);

    return full_at_us > now_us + 2 * capacity_us ? now_us + capacity_us : full_at_us;
}

int64_t bucket_tokens(const struct bucket_limit *limit, int64_t full_at_us,
                      int64_t now_us)
{
    int64_t interval_us = bucket_interval_us(limit);
    int64_t missing_us = full_at_us - now_us;

    return missing_us <= 0 ? limit->size
                           : limit->size - (missing_us + interval_us - 1) / interval_us;
}

int64_t bucket_spend(const struct bucket_limit *limit, int64_t full_at_us, int64_t now_us,
                     int64_t units)
{
    return (full_at_us > now_us ? full_at_us : now_us) +
           units * bucket_interval_us(limit);
}

int64_t bucket_reach_us(const struct bucket_limit *limit, int64_t full_at_us,
                        int64_t now_us, int64_t tokens)
{
    return (full_at_us > now_us ? full_at_us : now_us) +
           (tokens - limit->size) * bucket_interval_us(limit);
}
