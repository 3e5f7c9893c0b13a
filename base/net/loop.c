/* A thin door over libevent: everything here is one event with our own callback type
 * around it.
 *
 * Callbacks may free their own handle. libevent allows event_free() from within the
 * event's callback, also for a persistent one, as it copies what it needs before the
 * call; our trampolines therefore read the function and its argument first and touch the
 * handle no more after the call. */
#include "base/net/loop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

struct loop {
    struct event_base *base;
};

struct loop_timer {
    struct event *event;
    loop_timer_fn *fn;
    void *arg;
};

struct loop_watch {
    struct event *event;
    struct event_base *base;
    int fd;
    unsigned events;
    loop_watch_fn *fn;
    void *arg;
};

struct loop_signal {
    struct event *event;
    loop_signal_fn *fn;
    void *arg;
};

int loop_new(struct loop **ret_loop)
{
    int error = ERROR_MEMORY;
    struct event_config *config = NULL;
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        goto out;
    }
    config = event_config_new();
    if (config == NULL) {
        goto out;
    }
    /* Neither EVENT_* variables in the environment nor locks have a place in a one-thread
     * daemon. */
    if (event_config_set_flag(config,
                              EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) != 0) {
        goto out;
    }
    loop->base = event_base_new_with_config(config);
    if (loop->base == NULL) {
        goto out;
    }
    signal(SIGPIPE, SIG_IGN);
    *ret_loop = loop;
    loop = NULL;
    error = ERROR_NONE;
out:
    if (config != NULL) {
        event_config_free(config);
    }
    loop_free(loop);
    return error;
}

int loop_run(struct loop *loop)
{
    int result = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return result < 0 ? ERROR_IO : ERROR_NONE;
}

void loop_stop(struct loop *loop)
{
    event_base_loopbreak(loop->base);
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    free(loop);
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    struct loop_timer *timer = arg;
    timer->fn(timer->arg);
}

int loop_timer_new(struct loop *loop, loop_timer_fn *fn, void *arg,
                   struct loop_timer **ret_timer)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));
    if (timer == NULL) {
        return ERROR_MEMORY;
    }
    timer->fn = fn;
    timer->arg = arg;
    timer->event = event_new(loop->base, -1, 0, on_timer, timer);
    if (timer->event == NULL) {
        free(timer);
        return ERROR_MEMORY;
    }
    *ret_timer = timer;
    return ERROR_NONE;
}

void loop_timer_set(struct loop_timer *timer, int64_t delay_ms)
{
    int64_t ms = delay_ms < 0 ? 0 : delay_ms;
    struct timeval delay = {.tv_sec = (time_t)(ms / 1000),
                            .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    if (event_add(timer->event, &delay) != 0) {
        /* Without memory a timer comes too early rather than never: most are deadlines.
         */
        event_active(timer->event, EV_TIMEOUT, 0);
    }
}

void loop_timer_cancel(struct loop_timer *timer)
{
    event_del(timer->event);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    event_free(timer->event);
    free(timer);
}

static void on_watch(evutil_socket_t fd, short events, void *arg)
{
    struct loop_watch *watch = arg;
    unsigned ready = 0;
    if ((events & EV_READ) != 0) {
        ready |= LOOP_READ;
    }
    if ((events & EV_WRITE) != 0) {
        ready |= LOOP_WRITE;
    }
    watch->fn((int)fd, ready, watch->arg);
}

static short event_flags(unsigned events)
{
    short flags = EV_PERSIST;
    if ((events & LOOP_READ) != 0) {
        flags |= EV_READ;
    }
    if ((events & LOOP_WRITE) != 0) {
        flags |= EV_WRITE;
    }
    return flags;
}

int loop_watch_new(struct loop *loop, int fd, unsigned events, loop_watch_fn *fn,
                   void *arg, struct loop_watch **ret_watch)
{
    struct loop_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return ERROR_MEMORY;
    }
    watch->base = loop->base;
    watch->fd = fd;
    watch->events = events;
    watch->fn = fn;
    watch->arg = arg;
    watch->event = event_new(loop->base, fd, event_flags(events), on_watch, watch);
    if (watch->event == NULL || (events != 0 && event_add(watch->event, NULL) != 0)) {
        loop_watch_free(watch);
        return ERROR_MEMORY;
    }
    *ret_watch = watch;
    return ERROR_NONE;
}

int loop_watch_set(struct loop_watch *watch, unsigned events)
{
    if (events == watch->events) {
        return ERROR_NONE;
    }
    event_del(watch->event);
    watch->events = 0;
    if (events == 0) {
        return ERROR_NONE;
    }
    if (event_assign(watch->event, watch->base, watch->fd, event_flags(events), on_watch,
                     watch) != 0 ||
        event_add(watch->event, NULL) != 0) {
        return ERROR_MEMORY;
    }
    watch->events = events;
    return ERROR_NONE;
}

void loop_watch_free(struct loop_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    if (watch->event != NULL) {
        event_free(watch->event);
    }
    free(watch);
}

static void on_signal(evutil_socket_t number, short events, void *arg)
{
    (void)events;
    struct loop_signal *handle = arg;
    handle->fn((int)number, handle->arg);
}

int loop_signal_new(struct loop *loop, int signal, loop_signal_fn *fn, void *arg,
                    struct loop_signal **ret_signal)
{
    struct loop_signal *handle = calloc(1, sizeof(*handle));
    if (handle == NULL) {
        return ERROR_MEMORY;
    }
    handle->fn = fn;
    handle->arg = arg;
    handle->event =
        event_new(loop->base, signal, EV_SIGNAL | EV_PERSIST, on_signal, handle);
    if (handle->event == NULL || event_add(handle->event, NULL) != 0) {
        loop_signal_free(handle);
        return ERROR_MEMORY;
    }
    *ret_signal = handle;
    return ERROR_NONE;
}

void loop_signal_free(struct loop_signal *signal)
{
    if (signal == NULL) {
        return;
    }
    if (signal->event != NULL) {
        event_free(signal->event);
    }
    free(signal);
}
