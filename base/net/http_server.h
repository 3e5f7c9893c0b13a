/* The one HTTPS server: HTTP/1.1 over TLS (or plain, for tests and reverse proxies) on
 * libevent, with what evhttp lacks: deadlines for the handshake, the whole request and
 * idleness, a connection cap, TCP_NODELAY. */
#ifndef BASE_NET_HTTP_SERVER_H
#define BASE_NET_HTTP_SERVER_H

#include "base/core/buffer.h"
#include "base/net/address.h"
#include "base/net/loop.h"
#include "base/net/prefix.h"
#include "base/net/rate_limiter.h"
#include "base/net/tls.h"

struct http_server;
struct http_exchange; /* one request and its response */

/* What one network (prefix_site) may cost a server before anything is known of who is
 * there, and what all of them together may. All zero: no limits, as on a LAN. This machine
 * itself has none but the last two. */
struct http_server_limits {
    unsigned connections;              /* at once; more are closed at once */
    struct rate_limit connection_rate; /* before any TLS; per_second 0: no limit */
    struct rate_limit
        request_rate; /* on connections that are not http_exchange_set_known */
    const struct prefix *unlimited; /* whom they don't bind; borrowed for life */
    size_t unlimited_count;
    /* Of all together; beyond either, who has been at it longest has to go. */
    unsigned handshakes; /* at once: each may cost 130 KB (a ClientHello's announced size) */
    size_t held_bytes;   /* of requests that are coming, and of responses */
};

/* All but the limits must be given: 0 is ERROR_RANGE. */
struct http_server_options {
    struct tls_server *tls;   /* borrowed; NULL: plain HTTP */
    unsigned max_connections; /* when all are taken, see crowd.h for who has to go */
    unsigned handshake_s;     /* accept to handshake done */
    unsigned request_s;       /* first byte of a request to its last (headers and body) */
    unsigned idle_s;          /* between requests */
    unsigned response_s;      /* for the peer to take the response once it is given */
    size_t max_header_bytes;
    size_t max_body_bytes; /* a larger body is answered 413 by the server itself */
    struct http_server_limits limits;
};

/* Called once per whole request. The handler owns EXCHANGE until it responds; it may do
 * so later. */
typedef void http_server_fn(struct http_exchange *exchange, void *arg);
/* Called when the peer went away (or the server is freed) before the response was given:
 * the exchange is dead after it returns. Without one, an exchange whose peer went away
 * lives on until it is responded to. */
typedef void http_gone_fn(struct http_exchange *exchange, void *arg);

/* Listens nowhere yet. FN is called with ARG for each request. */
int http_server_new(struct loop *loop, const struct http_server_options *options,
                    http_server_fn *fn, void *arg,
                    struct http_server **ret_server) MUST_CHECK;
/* Listens on one more address; several are fine. *RET_PORT (may be NULL) is the port
 * bound. */
int http_server_listen(struct http_server *server, const struct address *address,
                       uint16_t *ret_port) MUST_CHECK;
/* Takes over a listening descriptor (on success): it becomes non-blocking and CLOEXEC. */
int http_server_listen_fd(struct http_server *server, int fd) MUST_CHECK;
/* Takes a connected socket (non-blocking, CLOEXEC) as if it had been accepted. */
void http_server_take(struct http_server *server, int fd, const struct address *peer);
/* Connections closed, and requests found, beyond the limits so far; those that had to go for
 * others are among them. */
uint64_t http_server_limited_connections(const struct http_server *server);
uint64_t http_server_limited_requests(const struct http_server *server);
unsigned http_server_connection_count(const struct http_server *server);
/* Closes the listeners and every connection; pending exchanges end with their gone
 * callback. Not from within a handler. */
void http_server_free(struct http_server *server);

/* The request; texts are borrowed until the response. */
const char *http_exchange_method(const struct http_exchange *exchange);
const char *
http_exchange_path(const struct http_exchange *exchange); /* as sent, without the query */
const char *http_exchange_query(const struct http_exchange *exchange); /* "" when none */
/* NULL when absent. A header that is given twice makes the server answer 400 for Host,
 * Content-Type, Content-Length and Transfer-Encoding; else the first counts. */
const char *http_exchange_header(const struct http_exchange *exchange, const char *name);
struct bytes http_exchange_body(const struct http_exchange *exchange);
/* Frees the body, which nobody reads again: for an exchange that is kept for long. */
void http_exchange_release_body(struct http_exchange *exchange);
void http_exchange_peer(const struct http_exchange *exchange, struct address *ret_peer);
/* The dNSName of SNI, or "". */
const char *http_exchange_server_name(const struct http_exchange *exchange);
/* SHA-256 of the leaf certificate that the peer was shown; ERROR_STATE on plain HTTP. */
int http_exchange_leaf(const struct http_exchange *exchange,
                       uint8_t ret_hash[static 32]) MUST_CHECK;
/* Whether the peer was shown the certificate of TLS_TRUSTED. */
bool http_exchange_is_trusted(const struct http_exchange *exchange);
/* Whether the peer is an app (TLS_APP_PROTOCOL), and the key of its certificate:
 * ERROR_NOT_FOUND when it showed none or is gone; free with key_free. */
bool http_exchange_is_app(const struct http_exchange *exchange);
int http_exchange_peer_key(const struct http_exchange *exchange,
                           struct key **ret_key) MUST_CHECK;

/* 0, or in how many seconds this peer's network may ask again: the handler should then do no
 * work, and the connection ends with its response. */
unsigned http_exchange_wait_s(const struct http_exchange *exchange);
/* The peer has proved to be somebody we know: further requests on its connection are not
 * counted for its network. */
void http_exchange_set_known(struct http_exchange *exchange);

/* FN is called with ARG if the peer goes away before the response. */
void http_exchange_on_gone(struct http_exchange *exchange, http_gone_fn *fn, void *arg);
/* Adds a header to the response to come; CR, LF or NUL in VALUE make the response a 500.
 */
void http_exchange_add_header(struct http_exchange *exchange, const char *name,
                              const char *value);
/* Sends the response (Content-Length always set) and gives EXCHANGE back to the server.
 * For HEAD the body is not sent. */
void http_exchange_respond(struct http_exchange *exchange, int status,
                           const char *content_type, const void *body, size_t size);

#endif
