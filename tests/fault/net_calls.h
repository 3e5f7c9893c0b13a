/* For fault tests of base/net: libevent allocates in its own library, where --wrap does
 * not reach; so its calls fail as allocations do. And a loop that runs for a moment, with
 * what it needs made before anything fails. */
#ifndef TESTS_FAULT_NET_CALLS_H
#define TESTS_FAULT_NET_CALLS_H

#include "base/core/clock.h"
#include "base/net/loop.h"
#include "tests/fault/allocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/time.h>
/* After the standard headers it needs. */
#include <cmocka.h>

void *__real_event_new(void *base, int fd, short events, void *fn, void *arg);
void *__wrap_event_new(void *base, int fd, short events, void *fn, void *arg);
int __real_event_add(void *event, const struct timeval *delay);
int __wrap_event_add(void *event, const struct timeval *delay);

/* Whether the call to come is one that has to fail. */
static inline bool net_is_failing(void)
{
    void *probe = malloc(1);
    bool is_failing = probe == NULL;
    free(probe);
    return is_failing;
}

void *__wrap_event_new(void *base, int fd, short events, void *fn, void *arg)
{
    return net_is_failing() ? NULL : __real_event_new(base, fd, events, fn, arg);
}

int __wrap_event_add(void *event, const struct timeval *delay)
{
    return net_is_failing() ? -1 : __real_event_add(event, delay);
}

static struct loop *net_loop;
static struct loop_timer *net_tick;

static inline void net_on_tick(void *arg)
{
    loop_stop(arg);
}

static inline void net_loop_open(void)
{
    assert_int_equal(loop_new(&net_loop), 0);
    assert_int_equal(loop_timer_new(net_loop, net_on_tick, net_loop, &net_tick), 0);
}

static inline void net_loop_close(void)
{
    loop_timer_free(net_tick);
    loop_free(net_loop);
}

/* Runs the loop until IS_DONE says so or MS have passed; false for the latter. */
static inline bool net_loop_until(bool (*is_done)(void *arg), void *arg, int64_t ms)
{
    int64_t end_mono_ms = clock_mono_ms() + ms;
    while (!is_done(arg)) {
        if (clock_mono_ms() > end_mono_ms) {
            return false;
        }
        loop_timer_set(net_tick, 1);
        assert_int_equal(loop_run(net_loop), 0);
    }
    return true;
}

#endif
