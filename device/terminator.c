#include "device/terminator.h"

#include "base/core/text.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_CONNECTIONS = 256,
    HANDSHAKE_S = 10,
    REQUEST_S = 15,
    IDLE_S = 60,
    RESPONSE_S = 30,
    HEADER_BYTES = 8 << 10,
    BODY_BYTES = 4 << 10,
    HTTPS_PORT = 443,
};

struct terminator {
    struct tls_server *tls;
    struct http_server *http;
    uint16_t port;
    struct address self;
};

int terminator_new(struct loop *loop, http_server_fn *fn, void *arg,
                   struct terminator **ret_terminator)
{
    struct terminator *terminator = calloc(1, sizeof(*terminator));
    if (terminator == NULL) {
        return ERROR_MEMORY;
    }
    int error = tls_server_new(&terminator->tls);
    if (error == 0) {
        tls_server_serve_apps(terminator->tls);
        struct http_server_options options = {
            .tls = terminator->tls,
            .max_connections = MAX_CONNECTIONS,
            .handshake_s = HANDSHAKE_S,
            .request_s = REQUEST_S,
            .idle_s = IDLE_S,
            .response_s = RESPONSE_S,
            .max_header_bytes = HEADER_BYTES,
            .max_body_bytes = BODY_BYTES,
        };
        error = http_server_new(loop, &options, fn, arg, &terminator->http);
    }
    if (error < 0) {
        terminator_free(terminator);
        return error;
    }
    *ret_terminator = terminator;
    return 0;
}

/* An address that listens on everything is reached by loopback. */
static struct address self_address(const struct address *listen, uint16_t port)
{
    struct address self = *listen;
    if (self.storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &self.storage, sizeof(in));
        if (in.sin_addr.s_addr == htonl(INADDR_ANY)) {
            in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        }
        in.sin_port = htons(port);
        memcpy(&self.storage, &in, sizeof(in));
    } else if (self.storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &self.storage, sizeof(in6));
        if (IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr)) {
            /* [::] takes IPv4 too, and there are machines without any IPv6 address. */
            struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
            in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            self = (struct address){.size = sizeof(in)};
            memcpy(&self.storage, &in, sizeof(in));
            return self;
        }
        in6.sin6_port = htons(port);
        memcpy(&self.storage, &in6, sizeof(in6));
    }
    return self;
}

/* ":443" where the kernel has no IPv6. */
static bool to_ipv4(const char *port, struct address *ret_address)
{
    char text[32];
    return text_format(text, sizeof(text), "0.0.0.0%s", port) &&
           address_parse(text, HTTPS_PORT, ret_address) == 0;
}

int terminator_listen(struct terminator *terminator, const struct conf_texts *listen,
                      char *reason, size_t reason_capacity)
{
    for (size_t i = 0; i < listen->count; i++) {
        struct address address;
        uint16_t port = 0;
        int error = address_parse(listen->at[i], HTTPS_PORT, &address);
        if (error == 0) {
            error = http_server_listen(terminator->http, &address, &port);
        }
        if (error == ERROR_IO && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) &&
            listen->at[i][0] == ':' && to_ipv4(listen->at[i], &address)) {
            error = http_server_listen(terminator->http, &address, &port);
        }
        if (error < 0) {
            text_format(reason, reason_capacity, "serve = '%s': %s", listen->at[i],
                        error == ERROR_IO ? strerror(errno) : error_text(error));
            return error;
        }
        if (i == 0) {
            terminator->port = port;
            terminator->self = self_address(&address, port);
        }
    }
    return 0;
}

int terminator_set(struct terminator *terminator, enum tls_slot slot,
                   const struct bundle *bundle)
{
    return tls_server_set(terminator->tls, slot, bundle->cert, bundle->key);
}

void terminator_clear(struct terminator *terminator, enum tls_slot slot)
{
    tls_server_clear(terminator->tls, slot);
}

uint16_t terminator_port(const struct terminator *terminator)
{
    return terminator->port;
}

void terminator_self_text(const struct terminator *terminator,
                          char ret_text[static ADDRESS_TEXT_CAPACITY])
{
    address_text(&terminator->self, ret_text);
}

void terminator_free(struct terminator *terminator)
{
    if (terminator == NULL) {
        return;
    }
    if (terminator->http != NULL) {
        http_server_free(terminator->http);
    }
    if (terminator->tls != NULL) {
        tls_server_free(terminator->tls);
    }
    free(terminator);
}
