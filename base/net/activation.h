/* Sockets that the service manager has bound for us: sd_listen_fds(3). So a role listens on
 * ports below 1024 without any privilege, and the sockets outlive a restart of it. */
#ifndef BASE_NET_ACTIVATION_H
#define BASE_NET_ACTIVATION_H

#include "base/core/buffer.h"
#include "base/net/address.h"

#include <stdbool.h>

enum { ACTIVATION_MAX = 32 };

struct activation_socket {
    int fd;
    bool datagram; /* UDP; else TCP, listening */
    struct address address;
};

struct activation {
    struct activation_socket at[ACTIVATION_MAX];
    size_t count; /* 0: not started by a socket */
};

/* Takes the descriptors and LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES out of the environment.
 * Each must be named NAME (FileDescriptorName= in systemd.socket(5)) and be a bound UDP or
 * listening TCP socket of IPv4 or IPv6; they become CLOEXEC and are the caller's. Variables
 * that are for another process count as none. ERROR_RANGE, ERROR_SYNTAX or ERROR_LIMIT with
 * one line in REPORT. Before the first descriptor is closed. */
int activation_take(const char *name, struct activation *ret_activation,
                    struct buffer *report) MUST_CHECK;

#endif
