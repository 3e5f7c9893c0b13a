/* A program of ours that the agent starts and talks to over a socket pair. */
#ifndef DEVICE_CHILD_H
#define DEVICE_CHILD_H

#include "base/core/error.h"

#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid; /* 0: none runs */
    int fd;    /* our end, non-blocking; -1: none */
};

/* The path of PROGRAM ("latchkey-worker") in the folder of this one. ERROR_IO with errno,
 * ERROR_LIMIT. */
int child_find(const char *program, char *ret_path, size_t capacity) MUST_CHECK;

/* Starts PATH as "NAME --socket 3", 3 being its end of a socket pair of TYPE (SOCK_STREAM,
 * SOCK_SEQPACKET). All other descriptors of ours are close-on-exec. ENVIRONMENT is all
 * that it gets of that, NULL-terminated. ERROR_IO with errno. */
int child_start(const char *path, const char *name, int type, char *const environment[],
                struct child *ret_child) MUST_CHECK;

/* Closes our end, ends the program at once if it still runs, and waits for that
 * (microseconds after SIGKILL). Returns its wait status; 0 when none ran. */
int child_end(struct child *child);

#endif
