#include "base/core/clock.h"

#include <stdatomic.h>
#include <time.h>

/* What to add to the monotonic clock; correct_not while the system is trusted. */
static const int64_t correct_not = INT64_MIN;
static _Atomic int64_t offset_ms = INT64_MIN;

int64_t clock_system_at(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

int64_t clock_wall_at(void)
{
    int64_t offset = atomic_load(&offset_ms);
    return offset == correct_not ? clock_system_at() : (clock_mono_ms() + offset) / 1000;
}

void clock_correct(int64_t at)
{
    atomic_store(&offset_ms, at * 1000 - clock_mono_ms());
}

void clock_trust_system(void)
{
    atomic_store(&offset_ms, correct_not);
}

bool clock_is_corrected(void)
{
    return atomic_load(&offset_ms) != correct_not;
}

int64_t clock_mono_ms(void)
{
    /* BOOTTIME goes on while a laptop or a device sleeps; MONOTONIC stands still, and a
     * timer of days would come days late. */
    struct timespec now = {0};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
