/* The event loop: timers, descriptors, signals. One thread. A thin door over libevent;
 * callbacks get the argument they were made with, and may free their own handle. */
#ifndef BASE_NET_LOOP_H
#define BASE_NET_LOOP_H

#include "base/core/error.h"

#include <stdint.h>

struct loop;
struct loop_timer;
struct loop_watch;
struct loop_signal;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void loop_timer_fn(void *arg);
typedef void loop_watch_fn(int fd, unsigned events, void *arg);
typedef void loop_signal_fn(int signal, void *arg);

/* Also ignores SIGPIPE in this process: a peer that went away is an error of write(2),
 * not our end. */
int loop_new(struct loop **ret_loop) MUST_CHECK;
/* Blocks until loop_stop. */
int loop_run(struct loop *loop) MUST_CHECK;
void loop_stop(struct loop *loop);
void loop_free(struct loop *loop);

/* A one-shot timer, unarmed at first. Setting it again moves it. When memory runs out it fires
 * at once. */
int loop_timer_new(struct loop *loop, loop_timer_fn *fn, void *arg,
                   struct loop_timer **ret_timer) MUST_CHECK;
void loop_timer_set(struct loop_timer *timer, int64_t delay_ms);
/* Unarms; fine when it is not armed. */
void loop_timer_cancel(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

/* Watches FD (borrowed) for EVENTS, level-triggered and persistent, until changed or
 * freed. */
int loop_watch_new(struct loop *loop, int fd, unsigned events, loop_watch_fn *fn,
                   void *arg, struct loop_watch **ret_watch) MUST_CHECK;
int loop_watch_set(struct loop_watch *watch, unsigned events) MUST_CHECK;
void loop_watch_free(struct loop_watch *watch);

/* Watches SIGNAL, which then no longer ends the process, until freed. */
int loop_signal_new(struct loop *loop, int signal, loop_signal_fn *fn, void *arg,
                    struct loop_signal **ret_signal) MUST_CHECK;
/* Accepts NULL, as the other destructors here. */
void loop_signal_free(struct loop_signal *signal);

#endif
