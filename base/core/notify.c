/* A few lines instead of libsystemd, which would bring seven more libraries into processes that
 * talk to the internet. The socket is connected at the start, while that is still allowed; systemd
 * keeps its end for as long as it runs, across daemon-reexec too. */
#include "base/core/notify.h"

#include "base/core/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_CAPACITY = 512 };

static struct {
    int fd;
    int64_t watchdog_ms;
} state = {.fd = -1};

static int open_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || size < 2 ||
        size >= sizeof(address.sun_path)) {
        return ERROR_SYNTAX;
    }
    memcpy(address.sun_path, path, size);
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* abstract: unix(7) */
    } else {
        address_size++;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, address_size) == 0) {
        state.fd = fd;
        return 0;
    }
    int errno_kept = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = errno_kept;
    return ERROR_IO;
}

/* sd_watchdog_enabled(3): WATCHDOG_PID, when it is given, must be ours. */
static int read_watchdog(const char *usec, const char *pid)
{
    uint64_t time_us = 0;
    uint64_t number = 0;
    int error = 0;
    if (pid != NULL) {
        error = text_u64(pid, INT32_MAX, &number);
        if (error != 0 || (pid_t)number != getpid()) {
            return error == 0 ? 0 : ERROR_SYNTAX;
        }
    }
    error = text_u64(usec, INT64_MAX, &time_us);
    if (error != 0 || time_us == 0) {
        return ERROR_SYNTAX;
    }
    state.watchdog_ms = time_us < 1000 ? 1 : (int64_t)(time_us / 1000);
    return 0;
}

int notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    const char *usec = getenv("WATCHDOG_USEC");
    int error = path != NULL ? open_socket(path) : 0;
    int errno_kept = errno;
    if (error == 0 && path != NULL && usec != NULL) {
        error = read_watchdog(usec, getenv("WATCHDOG_PID"));
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    errno = errno_kept;
    return error;
}

static void tell(const char *message, size_t size)
{
    int errno_kept = errno;
    if (state.fd >= 0) {
        ssize_t sent = send(state.fd, message, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent; /* a manager that is gone is no reason to stop serving */
    }
    errno = errno_kept;
}

/* LINES and STATUS=; a line feed in the status would begin an assignment of its own. */
static void tell_status(const char *lines, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
static void tell_status(const char *lines, const char *format, va_list arguments)
{
    char message[MESSAGE_CAPACITY];
    int start = snprintf(message, sizeof(message), "%sSTATUS=", lines);
    vsnprintf(message + start, sizeof(message) - (size_t)start, format, arguments);
    size_t size = strlen(message);
    for (size_t i = (size_t)start; i < size; i++) {
        message[i] = (unsigned char)message[i] < 0x20 ? ' ' : message[i];
    }
    tell(message, size);
}

void notify_ready(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell_status("READY=1\n", format, arguments);
    va_end(arguments);
}

void notify_status(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell_status("", format, arguments);
    va_end(arguments);
}

void notify_reloading(void)
{
    char message[MESSAGE_CAPACITY];
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now); /* the manager's clock: not clock_mono_ms() */
    int size = snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                        (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell(message, (size_t)size);
}

void notify_stopping(void)
{
    static const char message[] = "STOPPING=1";
    tell(message, sizeof(message) - 1);
}

void notify_alive(void)
{
    static const char message[] = "WATCHDOG=1";
    tell(message, sizeof(message) - 1);
}

int64_t notify_watchdog_ms(void)
{
    return state.watchdog_ms;
}

void notify_close(void)
{
    if (state.fd >= 0) {
        close(state.fd);
    }
    state.fd = -1;
    state.watchdog_ms = 0;
}
