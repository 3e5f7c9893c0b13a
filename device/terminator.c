#include "device/terminator.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "base/net/tunnel.h"
#include "device/port_owner.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    MAX_CONNECTIONS = 256, /* of the pages */
    HANDSHAKE_S = 10,
    REQUEST_S = 15,
    IDLE_S = 60,
    RESPONSE_S = 30,
    HEADER_BYTES = 8 << 10,
    BODY_BYTES = 96 << 10, /* an owner's certificate chain */
    CONNECT_S = 5,
    ENDING_S = 30,
    OTHER_DESCRIPTORS = 400, /* the pages' connections, files, the worker's pipes */
    HTTPS_PORT = 443,
};

struct terminator {
    const struct device_config *config;
    struct tls_server *tls;
    struct http_server *http;
    struct tunnel *tunnel; /* NULL: no backend */
    bool has_self;
    uint16_t port;
    struct address self;
};

static int open_pages(struct terminator *terminator, struct loop *loop,
                      http_server_fn *fn, void *arg)
{
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
    return http_server_new(loop, &options, fn, arg, &terminator->http);
}

static void on_backend_state(bool is_reachable, int reason, void *arg)
{
    const struct terminator *terminator = arg;
    if (is_reachable) {
        log_info("backend '%s': it answers again", terminator->config->backend);
    } else {
        log_warning(
            "backend '%s': can't be reached: %s; closing connections until it can",
            terminator->config->backend, strerror(reason));
    }
}

/* Two descriptors for each connection; the default of 1024 is for programs of another
 * kind. */
static void raise_descriptor_limit(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : (rlim_t)wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void on_app(int fd, const struct address *peer, void *arg)
{
    struct terminator *terminator = arg;
    http_server_take(terminator->http, fd, peer);
}

static int open_tunnel(struct terminator *terminator, struct loop *loop)
{
    const struct device_config *config = terminator->config;
    struct tunnel_options options = {
        .tls = terminator->tls,
        .has_proxy_header = config->proxy_protocol == DEVICE_PROXY_PROTOCOL_V2,
        .max_connections = (unsigned)config->max_connections,
        .handshake_s = HANDSHAKE_S,
        .connect_s = CONNECT_S,
        .idle_s = (unsigned)config->backend_idle_s,
        .ending_s = ENDING_S,
        .state_fn = on_backend_state,
        .app_fn = on_app,
        .arg = terminator,
    };
    int error = address_parse(config->backend, 0, &options.backend);
    if (error == 0) {
        raise_descriptor_limit(2 * config->max_connections + OTHER_DESCRIPTORS);
        error = tunnel_new(loop, &options, &terminator->tunnel);
    }
    return error;
}

int terminator_new(struct loop *loop, const struct device_config *config,
                   http_server_fn *fn, void *arg, struct terminator **ret_terminator)
{
    struct terminator *terminator = calloc(1, sizeof(*terminator));
    if (terminator == NULL) {
        return ERROR_MEMORY;
    }
    terminator->config = config;
    int error = tls_server_new(&terminator->tls);
    if (error == 0) {
        tls_server_serve_apps(terminator->tls);
        error = open_pages(terminator, loop, fn, arg);
    }
    if (error == 0 && config->backend[0] != '\0') {
        error = open_tunnel(terminator, loop);
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

static int listen_at(struct terminator *terminator, bool is_tunnel,
                     const struct address *address, uint16_t *ret_port)
{
    return is_tunnel ? tunnel_listen(terminator->tunnel, address, ret_port)
                     : http_server_listen(terminator->http, address, ret_port);
}

/* Who has the port, or errno's word. */
static void explain(const struct address *address, int error, char *ret_text,
                    size_t capacity)
{
    char owner[PORT_OWNER_CAPACITY];
    int saved = errno;
    if (error == ERROR_IO && saved == EADDRINUSE && port_owner_find(address, owner)) {
        text_format(ret_text, capacity, "taken by %s", owner);
    } else {
        text_format(ret_text, capacity, "%s",
                    error == ERROR_IO ? strerror(saved) : error_text(error));
    }
}

static int listen_on(struct terminator *terminator, const char *key, const char *text,
                     bool is_tunnel, char *reason, size_t reason_capacity)
{
    struct address address = {.size = 0};
    char what[PORT_OWNER_CAPACITY + 32];
    uint16_t port = 0;
    int error = address_parse(text, HTTPS_PORT, &address);
    if (error == 0) {
        error = listen_at(terminator, is_tunnel, &address, &port);
    }
    if (error == ERROR_IO && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) &&
        text[0] == ':' && to_ipv4(text, &address)) {
        error = listen_at(terminator, is_tunnel, &address, &port);
    }
    if (error < 0) {
        explain(&address, error, what, sizeof(what));
        text_format(reason, reason_capacity, "%s = '%s': %s", key, text, what);
        return error;
    }
    if (!terminator->has_self) {
        terminator->has_self = true;
        terminator->port = port;
        terminator->self = self_address(&address, port);
    }
    return 0;
}

int terminator_listen(struct terminator *terminator, char *reason, size_t reason_capacity)
{
    const struct device_config *config = terminator->config;
    int error = 0;
    for (size_t i = 0; i < config->serve.count && error == 0; i++) {
        error = listen_on(terminator, "serve", config->serve.at[i],
                          terminator->tunnel != NULL, reason, reason_capacity);
    }
    for (size_t i = 0; i < config->pages.count && error == 0; i++) {
        error = listen_on(terminator, "pages", config->pages.at[i], false, reason,
                          reason_capacity);
    }
    return error;
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
    tunnel_free(terminator->tunnel);
    http_server_free(terminator->http);
    if (terminator->tls != NULL) {
        tls_server_free(terminator->tls);
    }
    free(terminator);
}
