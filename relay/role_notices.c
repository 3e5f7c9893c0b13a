#include "relay/role_notices.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_CAPACITY = 1024 };

/* Bound to nothing but its family, a socket gets an abstract name of the kernel's (unix(7)). */
static int bind_socket(int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(sa_family_t);
    int yes = 1;
    char name[sizeof(address.sun_path) + 1];
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) != 0 ||
        bind(fd, (struct sockaddr *)&address, size) != 0) {
        return ERROR_IO;
    }
    size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        return ERROR_IO;
    }
    int length = (int)(size - offsetof(struct sockaddr_un, sun_path));
    (void)snprintf(name, sizeof(name), "@%.*s", length - 1, address.sun_path + 1);
    return setenv("NOTIFY_SOCKET", name, 1) == 0 ? 0 : ERROR_MEMORY;
}

int role_notices_open(int *ret_fd)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = fd >= 0 ? bind_socket(fd) : ERROR_IO;
    if (error != 0) {
        int errno_kept = errno;
        if (fd >= 0) {
            close(fd);
        }
        errno = errno_kept;
        return error;
    }
    *ret_fd = fd;
    return 0;
}

static pid_t sender_of(struct msghdr *message)
{
    struct ucred sender = {0};
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&sender, CMSG_DATA(part), sizeof(sender));
        }
    }
    return sender.pid;
}

static bool has_line(const char *text, const char *wanted)
{
    size_t size = strlen(wanted);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        if (strncmp(line, wanted, size) == 0 &&
            (line[size] == '\n' || line[size] == '\0')) {
            return true;
        }
    }
    return false;
}

bool role_notices_take(int fd, pid_t *ret_sender, bool *ret_ready)
{
    char text[MESSAGE_CAPACITY];
    char control[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec part = {.iov_base = text, .iov_len = sizeof(text) - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
        return false;
    }
    text[size] = '\0';
    *ret_sender = sender_of(&message);
    *ret_ready = has_line(text, "READY=1");
    return true;
}
