#include "base/core/clock.h"

#include <time.h>

int64_t clock_wall_at(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

int64_t clock_mono_ms(void)
{
    /* BOOTTIME goes on while a laptop or a device sleeps; MONOTONIC stands still, and a
     * timer of days would come days late. */
    struct timespec now = {0};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
