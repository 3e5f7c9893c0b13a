/* The list is what the relay's roles do once they serve, on glibc from Debian 12's on, with some
 * room for other libcs: a name that this machine's architecture does not have is left out. */
#include "base/core/syscall_filter.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const allowed[] = {
    /* descriptors and files; which files is Landlock's and the modes' business */
    "read",
    "readv",
    "pread64",
    "preadv",
    "preadv2",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "close",
    "lseek",
    "_llseek",
    "open",
    "openat",
    "fcntl",
    "fcntl64",
    "flock",
    "fsync",
    "fdatasync",
    "ftruncate",
    "ftruncate64",
    "fallocate",
    "dup",
    "dup2",
    "dup3",
    "access",
    "faccessat",
    "faccessat2",
    "stat",
    "stat64",
    "lstat",
    "lstat64",
    "fstat",
    "fstat64",
    "fstatat64",
    "newfstatat",
    "statx",
    "statfs",
    "statfs64",
    "fstatfs",
    "fstatfs64",
    "readlink",
    "readlinkat",
    "getdents",
    "getdents64",
    "getcwd",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
    "rmdir",
    "fchmod",
    "fchown",
    "umask",
    "utimensat",
    "ioctl",
    "pipe",
    "pipe2",
    /* memory, without what makes code of data */
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "msync",
    /* threads that are there already */
    "futex",
    "futex_time64",
    "set_robust_list",
    "rseq",
    "sched_yield",
    "sched_getaffinity",
    "exit",
    "exit_group",
    "restart_syscall",
    /* who and where we are */
    "getpid",
    "gettid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getuid32",
    "geteuid32",
    "getgid32",
    "getegid32",
    "getrusage",
    "getrlimit",
    "ugetrlimit",
    "sysinfo",
    "uname",
    "getrandom",
    /* time */
    "clock_gettime",
    "clock_gettime64",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_settime64",
    /* signals of our own */
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigreturn",
    "sigaltstack",
    /* waiting */
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "ppoll_time64",
    "select",
    "_newselect",
    "pselect6",
    "pselect6_time64",
    "eventfd2",
    /* sockets that are there already, and what their listeners accept */
    "accept",
    "accept4",
    "recv",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "recvmmsg_time64",
    "send",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "shutdown",
#ifdef __SANITIZE_ADDRESS__
    /* LeakSanitizer looks at its own process through a helper that traces it. */
    "clone",
    "ptrace",
    "prctl",
    "wait4",
    "kill",
    "tgkill",
    "mmap",
    "mprotect",
    "prlimit64",
#endif
};

static const char *const sockets[] = {"connect"};

/* Allows NAME with CONDITIONS; a name without a number here is no error. */
static int allow(scmp_filter_ctx filter, const char *name, unsigned count,
                 const struct scmp_arg_cmp *conditions)
{
    int number = seccomp_syscall_resolve_name(name);
    int result =
        number == __NR_SCMP_ERROR
            ? 0
            : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, count, conditions);
    /* -EDOM, -EINVAL: not for this architecture */
    return result == -ENOMEM ? ERROR_MEMORY : 0;
}

static int allow_all(scmp_filter_ctx filter, const char *const *names, size_t count)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        error = allow(filter, names[i], 0, NULL);
    }
    return error;
}

/* The condition that argument NUMBER of a call is VALUE. (libseccomp's own macro for it leaves a
 * member out, which clang warns of.) */
static struct scmp_arg_cmp equal(unsigned number, uint64_t value)
{
    return (struct scmp_arg_cmp){.arg = number, .op = SCMP_CMP_EQ, .datum_a = value};
}

/* Memory that is not executable, limits that are only read, signals to ourselves (abort). */
static int allow_harmless(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp reads_own[] = {equal(0, 0), equal(2, 0)};
    const struct scmp_arg_cmp self = equal(0, (uint64_t)getpid());
    const struct scmp_arg_cmp pair = equal(0, AF_UNIX);
    int error = allow(filter, "mmap", 1, &no_code);
    error = error == 0 ? allow(filter, "mmap2", 1, &no_code) : error;
    error = error == 0 ? allow(filter, "mprotect", 1, &no_code) : error;
    error = error == 0 ? allow(filter, "prlimit64", 2, reads_own) : error;
    error = error == 0 ? allow(filter, "tgkill", 1, &self) : error;
    /* libevent and curl wake themselves by one. */
    return error == 0 ? allow(filter, "socketpair", 1, &pair) : error;
}

static int allow_sockets(scmp_filter_ctx filter, int type)
{
    static const int families[] = {AF_INET, AF_INET6};
    const uint64_t type_mask = ~(uint64_t)(SOCK_CLOEXEC | SOCK_NONBLOCK);
    int error = allow_all(filter, sockets, sizeof(sockets) / sizeof(sockets[0]));
    for (size_t i = 0; error == 0 && i < sizeof(families) / sizeof(families[0]); i++) {
        const struct scmp_arg_cmp conditions[] = {
            equal(0, (uint64_t)families[i]),
            SCMP_A1(SCMP_CMP_MASKED_EQ, type_mask & UINT32_MAX, (uint64_t)type),
        };
        error = allow(filter, "socket", 2, conditions);
    }
    return error;
}

static int make_rules(scmp_filter_ctx filter, unsigned allow_mask)
{
    int error = allow_all(filter, allowed, sizeof(allowed) / sizeof(allowed[0]));
    if (error == 0) {
        error = allow_harmless(filter);
    }
    if (error == 0 && (allow_mask & SYSCALL_FILTER_UDP) != 0) {
        error = allow_sockets(filter, SOCK_DGRAM);
    }
    if (error == 0 && (allow_mask & SYSCALL_FILTER_TCP) != 0) {
        error = allow_sockets(filter, SOCK_STREAM);
    }
    return error;
}

int syscall_filter_enter(unsigned allow_mask)
{
    const uint32_t denied = SCMP_ACT_ERRNO(EPERM);
    scmp_filter_ctx filter = seccomp_init(denied);
    if (filter == NULL) {
        return ERROR_MEMORY;
    }
    /* TSYNC: the threads that run already, too. A tree of comparisons where the kernel has no
     * cache of calls that are always allowed (before 5.11). */
    int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, denied);
    result = result == 0 ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) : result;
    result = result == 0 ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) : result;
    int error = result == 0 ? make_rules(filter, allow_mask) : ERROR_UNSUPPORTED;
    if (error == 0) {
        result = seccomp_load(filter);
        errno = -result;
        error = result == 0                              ? 0
                : result == -EINVAL || result == -ENOSYS ? ERROR_UNSUPPORTED
                                                         : ERROR_IO;
    }
    int errno_kept = errno;
    seccomp_release(filter);
    errno = errno_kept;
    return error;
}
