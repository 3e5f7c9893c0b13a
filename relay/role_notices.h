/* What the roles tell their supervisor by sd_notify(3): an abstract socket, named by the kernel, of
 * which only what a child itself has sent is believed. */
#ifndef RELAY_ROLE_NOTICES_H
#define RELAY_ROLE_NOTICES_H

#include "base/core/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* Opens the socket and puts its name into the environment for the children: NOTIFY_SOCKET.
 * ERROR_IO with errno. */
int role_notices_open(int *ret_fd) MUST_CHECK;
/* The next one that waits in FD: who sent it, and whether it says READY=1. False: there is none. */
bool role_notices_take(int fd, pid_t *ret_sender, bool *ret_ready);

#endif
