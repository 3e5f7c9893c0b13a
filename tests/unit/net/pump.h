/* Runs a loop until something has happened, and no longer than a test may wait. */
#ifndef TESTS_UNIT_NET_PUMP_H
#define TESTS_UNIT_NET_PUMP_H

#include "base/core/clock.h"
#include "base/net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
/* After the standard headers it needs. */
#include <cmocka.h>

enum { PUMP_MAX_MS = 20000 };

static inline void pump_stop(void *arg)
{
    loop_stop(arg);
}

/* Runs LOOP for MS. */
static inline void pump_for(struct loop *loop, int64_t ms)
{
    struct loop_timer *timer = NULL;
    assert_int_equal(loop_timer_new(loop, pump_stop, loop, &timer), 0);
    loop_timer_set(timer, ms);
    assert_int_equal(loop_run(loop), 0);
    loop_timer_free(timer);
}

/* Runs LOOP in short turns until IS_DONE says so; false when that takes too long. */
static inline bool pump_until(struct loop *loop, bool (*is_done)(void *arg), void *arg)
{
    int64_t end_mono_ms = clock_mono_ms() + PUMP_MAX_MS;
    while (!is_done(arg)) {
        if (clock_mono_ms() > end_mono_ms) {
            return false;
        }
        pump_for(loop, 2);
    }
    return true;
}

#endif
