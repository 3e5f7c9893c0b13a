#include "device/control_client.h"

#include "base/core/text.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { RESPONSE_BYTES = 64 << 10, TIMEOUT_S = 10 };

static int connect_to(const char *folder, unsigned wait_s, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = wait_s};
    if (!text_format(address.sun_path, sizeof(address.sun_path), "%s/control.sock",
                     folder)) {
        return ERROR_LIMIT;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return ERROR_IO;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        int reason = errno;
        close(fd);
        return reason == EACCES || reason == EPERM ? ERROR_DENIED : ERROR_NOT_FOUND;
    }
    *ret_fd = fd;
    return 0;
}

static int send_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return ERROR_IO;
        }
        at += sent;
        size -= (size_t)sent;
    }
    return 0;
}

static int exchange(int fd, const char *method, const char *path, struct bytes body,
                    struct buffer *response)
{
    char request[512];
    if (!text_format(request, sizeof(request),
                     "%s %s HTTP/1.1\r\nHost: latchkey\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     method, path, body.size)) {
        return ERROR_LIMIT;
    }
    if (send_all(fd, request, strlen(request)) < 0 ||
        send_all(fd, body.data, body.size) < 0) {
        return ERROR_IO;
    }
    for (;;) {
        char chunk[4096];
        ssize_t size = recv(fd, chunk, sizeof(chunk), 0);
        if (size == 0) {
            return 0;
        }
        if (size < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? ERROR_TIMEOUT : ERROR_IO;
        }
        int error = buffer_append(response, chunk, (size_t)size);
        if (error < 0) {
            return error;
        }
    }
}

static int call(const char *folder, const char *method, const char *path, struct bytes body,
                unsigned wait_s, json_t **ret_object)
{
    int fd = -1;
    struct buffer response = buffer_init(RESPONSE_BYTES);
    int error = connect_to(folder, wait_s, &fd);
    if (error < 0) {
        return error;
    }
    error = exchange(fd, method, path, body, &response);
    close(fd);
    if (error == 0) {
        const char *text = buffer_text(&response);
        const char *content = strstr(text, "\r\n\r\n");
        error = ERROR_SYNTAX;
        if (content != NULL && text_starts_with(text, "HTTP/1.1 200 ")) {
            error = json_parse(content + 4, strlen(content + 4), RESPONSE_BYTES, ret_object);
        }
    }
    buffer_free(&response);
    return error;
}

int control_client_call(const char *folder, const char *method, const char *path,
                        json_t **ret_object)
{
    return control_client_wait(folder, method, path, TIMEOUT_S, ret_object);
}

int control_client_wait(const char *folder, const char *method, const char *path,
                        unsigned wait_s, json_t **ret_object)
{
    struct bytes none = {.data = NULL};
    return call(folder, method, path, none, wait_s, ret_object);
}

int control_client_send(const char *folder, const char *path, struct bytes body,
                        json_t **ret_object)
{
    return call(folder, "POST", path, body, TIMEOUT_S, ret_object);
}
