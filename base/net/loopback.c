#include "base/net/loopback.h"

#include "base/core/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static bool is_loopback(const struct address *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    switch (address->storage.ss_family) {
    case AF_INET:
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    default:
        return address->storage.ss_family == AF_UNIX;
    }
}

int loopback_parse(const char *text, struct address *ret_address)
{
    struct address address;
    int error = address_parse(text, 0, &address);
    if (error != 0) {
        return error;
    }
    if (!is_loopback(&address)) {
        return ERROR_DENIED;
    }
    *ret_address = address;
    return 0;
}

bool loopback_is_host(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; host != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        size_t size = strlen(names[i]);
        uint64_t port = 0;
        if (strncasecmp(host, names[i], size) == 0 &&
            (host[size] == '\0' ||
             (host[size] == ':' && text_u64(host + size + 1, UINT16_MAX, &port) == 0))) {
            return true;
        }
    }
    return false;
}
