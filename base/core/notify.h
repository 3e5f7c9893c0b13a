/* What a role tells its service manager, by the protocol of sd_notify(3): datagrams to the socket
 * that NOTIFY_SOCKET names. Where there is none, every call does nothing. One for the process. A
 * message that the manager does not take at once is dropped: none of these calls waits. */
#ifndef BASE_CORE_NOTIFY_H
#define BASE_CORE_NOTIFY_H

#include "base/core/error.h"

#include <stdint.h>

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that no
 * child has them, and opens the socket: what comes later needs neither socket(2) nor
 * connect(2). ERROR_SYNTAX: no path and no abstract name ("@..."), or no number; ERROR_IO
 * with errno. Before the first thread. */
int notify_open(void) MUST_CHECK;
/* READY=1, at the end of the start and of a reload, with STATUS=: one line for people. */
void notify_ready(const char *format, ...) PRINTF_LIKE(1, 2);
/* STATUS= alone. */
void notify_status(const char *format, ...) PRINTF_LIKE(1, 2);
/* RELOADING=1 with MONOTONIC_USEC=, as Type=notify-reload asks. notify_ready() ends it. */
void notify_reloading(void);
/* STOPPING=1. */
void notify_stopping(void);
/* WATCHDOG=1: still alive. Due more often than every notify_watchdog_ms(). */
void notify_alive(void);
/* After how many ms of silence the manager gives us up; 0: it does not watch. */
int64_t notify_watchdog_ms(void);
void notify_close(void);

#endif
