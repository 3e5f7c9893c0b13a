/* Text to socket address and back, and listening sockets.
 *
 * Only literals: a look-up would block. A text with two colons or more and no brackets is
 * an IPv6 address without a port, as no port can be told from its last group. ":port"
 * means every address of the machine, by one IPv6 socket that takes IPv4 too; on a kernel
 * without IPv6 it falls back to 0.0.0.0. */
#include "base/net/address.h"

#include "base/core/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_in *as_v4(struct address *address)
{
    return (struct sockaddr_in *)&address->storage;
}

static struct sockaddr_in6 *as_v6(struct address *address)
{
    return (struct sockaddr_in6 *)&address->storage;
}

static struct sockaddr_un *as_unix(struct address *address)
{
    return (struct sockaddr_un *)&address->storage;
}

static int parse_unix(const char *text, struct address *ret_address)
{
    struct address address = {.size = sizeof(struct sockaddr_un)};
    struct sockaddr_un *name = as_unix(&address);
    name->sun_family = AF_UNIX;
    if (!text_copy(name->sun_path, sizeof(name->sun_path), text)) {
        return ERROR_RANGE;
    }
    *ret_address = address;
    return ERROR_NONE;
}

static int parse_ip(const char *host, uint16_t port, struct address *ret_address)
{
    struct address address = {.size = 0};
    if (inet_pton(AF_INET, host, &as_v4(&address)->sin_addr) == 1) {
        as_v4(&address)->sin_family = AF_INET;
        as_v4(&address)->sin_port = htons(port);
        address.size = sizeof(struct sockaddr_in);
    } else if (inet_pton(AF_INET6, host, &as_v6(&address)->sin6_addr) == 1) {
        as_v6(&address)->sin6_family = AF_INET6;
        as_v6(&address)->sin6_port = htons(port);
        address.size = sizeof(struct sockaddr_in6);
    } else {
        return ERROR_SYNTAX;
    }
    *ret_address = address;
    return ERROR_NONE;
}

/* Splits TEXT into host (without brackets) and port text; *RET_PORT is NULL when there is
 * none. */
static int split(const char *text, char *ret_host, size_t capacity, const char **ret_port)
{
    const char *host = text;
    const char *end = NULL;
    const char *port = NULL;
    if (text[0] == '[') {
        host = text + 1;
        end = strchr(host, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':') ||
            memchr(host, ':', (size_t)(end - host)) == NULL) {
            return ERROR_SYNTAX;
        }
        port = end[1] == ':' ? end + 2 : NULL;
    } else {
        const char *colon = strchr(text, ':');
        bool single = colon != NULL && strchr(colon + 1, ':') == NULL;
        end = single ? colon : text + strlen(text);
        port = single ? colon + 1 : NULL;
    }
    size_t size = (size_t)(end - host);
    if (size >= capacity) {
        return ERROR_SYNTAX;
    }
    memcpy(ret_host, host, size);
    ret_host[size] = '\0';
    *ret_port = port;
    return ERROR_NONE;
}

int address_parse(const char *text, uint16_t default_port, struct address *ret_address)
{
    if (text[0] == '/') {
        return parse_unix(text, ret_address);
    }
    char host[INET6_ADDRSTRLEN];
    const char *port_text = NULL;
    int error = split(text, host, sizeof(host), &port_text);
    if (error != ERROR_NONE) {
        return error;
    }
    uint64_t port = default_port;
    if (port_text != NULL) {
        error = text_u64(port_text, UINT16_MAX, &port);
        if (error != ERROR_NONE) {
            return error;
        }
    } else if (default_port == 0) {
        return ERROR_SYNTAX;
    }
    if (host[0] == '\0') {
        return port_text == NULL ? ERROR_SYNTAX
                                 : parse_ip("::", (uint16_t)port, ret_address);
    }
    return parse_ip(host, (uint16_t)port, ret_address);
}

void address_host_text(const struct address *address,
                       char ret_text[static ADDRESS_TEXT_CAPACITY])
{
    ret_text[0] = '\0';
    if (address->storage.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
        inet_ntop(AF_INET, &v4->sin_addr, ret_text, ADDRESS_TEXT_CAPACITY);
    } else if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
        inet_ntop(AF_INET6, &v6->sin6_addr, ret_text, ADDRESS_TEXT_CAPACITY);
    }
}

void address_text(const struct address *address,
                  char ret_text[static ADDRESS_TEXT_CAPACITY])
{
    char host[ADDRESS_TEXT_CAPACITY];
    address_host_text(address, host);
    if (address->storage.ss_family == AF_INET) {
        snprintf(ret_text, ADDRESS_TEXT_CAPACITY, "%.64s:%u", host,
                 address_port(address));
    } else if (address->storage.ss_family == AF_INET6) {
        snprintf(ret_text, ADDRESS_TEXT_CAPACITY, "[%.64s]:%u", host,
                 address_port(address));
    } else {
        /* The peer of a unix socket has no name: its size ends before the path. */
        const struct sockaddr_un *name = (const struct sockaddr_un *)&address->storage;
        bool named = address->storage.ss_family == AF_UNIX && name->sun_path[0] == '/';
        snprintf(ret_text, ADDRESS_TEXT_CAPACITY, "%.108s",
                 named ? name->sun_path : "local");
    }
}

uint16_t address_port(const struct address *address)
{
    if (address->storage.ss_family == AF_INET) {
        return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
    }
    if (address->storage.ss_family == AF_INET6) {
        return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
    }
    return 0;
}

void address_set_port(struct address *address, uint16_t port)
{
    if (address->storage.ss_family == AF_INET) {
        as_v4(address)->sin_port = htons(port);
    } else if (address->storage.ss_family == AF_INET6) {
        as_v6(address)->sin6_port = htons(port);
    }
}

void address_unmap(struct address *address)
{
    const struct sockaddr_in6 mapped = *as_v6(address);
    if (mapped.sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&mapped.sin6_addr)) {
        return;
    }
    struct sockaddr_in plain = {.sin_family = AF_INET, .sin_port = mapped.sin6_port};
    memcpy(&plain.sin_addr, mapped.sin6_addr.s6_addr + 12, sizeof(plain.sin_addr));
    *address = (struct address){.size = sizeof(plain)};
    *as_v4(address) = plain;
}

/* Removes the socket of a process that has ended. One that still answers, and a file of
 * another kind, stay: bind(2) then says EADDRINUSE. */
static void remove_stale(const struct sockaddr_un *name)
{
    struct stat info;
    if (lstat(name->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return;
    }
    if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) != 0 &&
        errno == ECONNREFUSED) {
        unlink(name->sun_path);
    }
    close(fd);
}

static bool is_any_v6(const struct address *address)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    return address->storage.ss_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static int set_options(int fd, const struct address *address)
{
    int on = 1;
    int off = 0;
    if (address->storage.ss_family == AF_UNIX) {
        return 0;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
        return -1;
    }
    if (address->storage.ss_family == AF_INET6) {
        const int *only = is_any_v6(address) ? &off : &on;
        return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, only, sizeof(*only));
    }
    return 0;
}

int address_listen(const struct address *address, int backlog, int *ret_fd)
{
    int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(address->storage.ss_family, type, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && is_any_v6(address)) {
        struct address any = {.size = 0};
        int error = parse_ip("0.0.0.0", address_port(address), &any);
        return error != ERROR_NONE ? error : address_listen(&any, backlog, ret_fd);
    }
    if (fd < 0) {
        return ERROR_IO;
    }
    if (address->storage.ss_family == AF_UNIX) {
        remove_stale((const struct sockaddr_un *)&address->storage);
    }
    if (set_options(fd, address) != 0 ||
        bind(fd, (const struct sockaddr *)&address->storage, address->size) != 0 ||
        listen(fd, backlog) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return ERROR_IO;
    }
    *ret_fd = fd;
    return ERROR_NONE;
}
