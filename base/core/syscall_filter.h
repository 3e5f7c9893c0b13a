/* The system calls that a process keeps (seccomp, by libseccomp). All others fail with EPERM;
 * nothing is killed: a call that somebody's libc makes unexpectedly must not take the service
 * down. A library of its own, lk_syscall_filter: what ships on devices doesn't link it. */
#ifndef BASE_CORE_SYSCALL_FILTER_H
#define BASE_CORE_SYSCALL_FILTER_H

#include "base/core/error.h"

/* What is allowed beside files, time, memory and the sockets that are there already. */
enum syscall_filter_allow {
    SYSCALL_FILTER_UDP = 1, /* new UDP sockets, and connect(2) */
    SYSCALL_FILTER_TCP = 2, /* new TCP sockets, and connect(2) */
};

/* For all threads, and for good. Also sets no_new_privs. Denied among others: programs and
 * processes, ptrace, new executable memory, bind and listen, sockets of other families, mounts,
 * other ids, limits, and signals to others. ERROR_UNSUPPORTED on a kernel without seccomp;
 * ERROR_MEMORY; ERROR_IO with errno. */
int syscall_filter_enter(unsigned allow) MUST_CHECK;

#endif
