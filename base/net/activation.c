#include "base/net/activation.h"

#include "base/core/text.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3 }; /* SD_LISTEN_FDS_START */

/* The count of descriptors that are ours; 0 also when they are another process's. */
static int read_count(const char *fds, const char *pid, size_t *ret_count,
                      struct buffer *report)
{
    uint64_t number = 0;
    uint64_t count = 0;
    *ret_count = 0;
    if (fds == NULL || pid == NULL) {
        return 0;
    }
    if (text_u64(pid, INT32_MAX, &number) != 0 || text_u64(fds, INT32_MAX, &count) != 0) {
        buffer_printf(report, "LISTEN_PID = '%s', LISTEN_FDS = '%s': must be numbers",
                      pid, fds);
        return ERROR_SYNTAX;
    }
    if ((pid_t)number != getpid()) {
        return 0;
    }
    if (count > ACTIVATION_MAX) {
        buffer_printf(report, "LISTEN_FDS = %s: at most %d sockets", fds, ACTIVATION_MAX);
        return ERROR_LIMIT;
    }
    *ret_count = (size_t)count;
    return 0;
}

/* Cuts the first name off *NAMES and compares it. */
static int check_name(const char **names, int fd, const char *name, struct buffer *report)
{
    const char *text = *names != NULL ? *names : "";
    size_t size = strcspn(text, ":");
    if (size != strlen(name) || strncmp(text, name, size) != 0) {
        buffer_printf(report,
                      "descriptor %d is named '%.*s': the socket unit must say "
                      "FileDescriptorName=%s",
                      fd, (int)size, text, name);
        return ERROR_RANGE;
    }
    *names = text[size] == ':' ? text + size + 1 : NULL;
    return 0;
}

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/* What is wrong with the descriptor; NULL: nothing. */
static const char *check_socket(int fd, struct activation_socket *ret_socket)
{
    struct activation_socket got = {.fd = fd};
    int type = option_of(fd, SO_TYPE);
    int protocol = option_of(fd, SO_PROTOCOL);
    got.address.size = sizeof(got.address.storage);
    if (type < 0) {
        return "is no socket";
    }
    if (getsockname(fd, (struct sockaddr *)&got.address.storage, &got.address.size) !=
            0 ||
        (got.address.storage.ss_family != AF_INET &&
         got.address.storage.ss_family != AF_INET6)) {
        return "is no socket of IPv4 or IPv6";
    }
    got.datagram = type == SOCK_DGRAM && protocol == IPPROTO_UDP;
    if (!got.datagram && (type != SOCK_STREAM || protocol != IPPROTO_TCP)) {
        return "is neither UDP nor TCP";
    }
    if (address_port(&got.address) == 0) {
        return "is not bound to a port";
    }
    if (!got.datagram && option_of(fd, SO_ACCEPTCONN) != 1) {
        return "does not listen (Accept=yes is not for us)";
    }
    *ret_socket = got;
    return NULL;
}

static int take_all(const char *name, const char *names, size_t count,
                    struct activation *activation, struct buffer *report)
{
    for (size_t i = 0; i < count; i++) {
        int fd = FIRST_FD + (int)i;
        int error = check_name(&names, fd, name, report);
        const char *fault = error == 0 ? check_socket(fd, &activation->at[i]) : NULL;
        if (fault != NULL) {
            buffer_printf(report, "descriptor %d (%s) %s", fd, name, fault);
            error = ERROR_RANGE;
        }
        if (error != 0) {
            return error;
        }
        activation->count = i + 1;
    }
    return 0;
}

int activation_take(const char *name, struct activation *ret_activation,
                    struct buffer *report)
{
    struct activation activation = {.count = 0};
    size_t count = 0;
    int error = read_count(getenv("LISTEN_FDS"), getenv("LISTEN_PID"), &count, report);
    for (size_t i = 0; i < count; i++) {
        (void)fcntl(FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC);
    }
    if (error == 0) {
        error = take_all(name, getenv("LISTEN_FDNAMES"), count, &activation, report);
    }
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDNAMES");
    if (error == 0) {
        *ret_activation = activation;
    }
    return error;
}
