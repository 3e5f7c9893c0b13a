#include "device/backoff.h"

int64_t backoff_wait_ms(const struct backoff_range *range, unsigned failures,
                        backoff_random_fn *random)
{
    int64_t wait_s = range->first_s > 0 ? range->first_s : 1;
    for (unsigned i = 1; i < failures && wait_s < range->longest_s; i++) {
        wait_s *= 2;
    }
    if (wait_s > range->longest_s) {
        wait_s = range->longest_s > 0 ? range->longest_s : 1;
    }
    int64_t wait_ms = wait_s * 1000;
    return wait_ms * 3 / 4 + (int64_t)random((uint64_t)wait_ms / 2 + 1);
}
