/* The one HTTP client: libcurl's multi interface on our loop. Names are looked up by our
 * resolver and given to libcurl (CURLOPT_RESOLVE); no redirects are followed; bodies are
 * bounded; TLS 1.2 at least, verified. */
#ifndef BASE_NET_HTTP_CLIENT_H
#define BASE_NET_HTTP_CLIENT_H

#include "base/core/buffer.h"
#include "base/net/loop.h"
#include "base/net/resolve.h"

struct http_client;
struct http_transfer;

/* Copied, but for the resolver. */
struct http_client_options {
    struct resolver *resolver; /* borrowed */
    const char *ca_file;       /* PEM bundle; NULL: the system's */
    const char *user_agent;
    bool http1; /* never HTTP/2 */
    bool
        ignore_dates; /* of the server's certificates; chain and name are verified all the same */
    const char *
        proxy; /* "http://host:port": a tunnel by CONNECT, and the proxy looks the names up;
                          NULL: straight */
    unsigned max_connections; /* in all; requests beyond wait */
    unsigned connect_ms;      /* TCP and TLS */
    unsigned total_ms; /* send to callback, with look-up and waiting for a connection */
};

struct http_request {
    const char *method;       /* "GET", "HEAD", "POST" */
    const char *url;          /* https:// only */
    const char *content_type; /* NULL: none */
    const char *accept;       /* NULL: none */
    struct bytes body;        /* copied */
    size_t max_response_bytes;
};

struct http_header {
    const char *name; /* lower case */
    const char *value;
};

struct http_response {
    int error; /* ERROR_NONE when there is a status; ERROR_TIMEOUT, ERROR_NOT_FOUND
                  (name), ERROR_LIMIT (body), ERROR_SIGNATURE (TLS), ERROR_IO */
    const char *error_text; /* for people, printable; "" when none */
    bool is_date;           /* ERROR_SIGNATURE: only the certificates' dates were wrong */
    bool is_proxy;          /* the proxy failed or refused, not what is behind it */
    int status;
    struct bytes body;
    const struct http_header *headers;
    size_t header_count;
};

/* Called once, never from within http_client_send; RESPONSE is borrowed for the call. */
typedef void http_client_fn(const struct http_response *response, void *arg);

/* ERROR_IO when ca_file can't be read; ERROR_RANGE for a limit of 0. */
int http_client_new(struct loop *loop, const struct http_client_options *options,
                    struct http_client **ret_client) MUST_CHECK;
/* Pending transfers are forgotten. Not from within a callback. */
void http_client_free(struct http_client *client);
/* ERROR_SYNTAX for a URL or header that is malformed, ERROR_UNSUPPORTED for one that is
 * not https and for other methods. *RET_TRANSFER is good until the callback returns. */
int http_client_send(struct http_client *client, const struct http_request *request,
                     http_client_fn *fn, void *arg,
                     struct http_transfer **ret_transfer) MUST_CHECK;
/* Forgets a transfer; its callback is not called any more. No effect from within that
 * callback. */
void http_client_cancel(struct http_transfer *transfer);
/* The INDEXth header of this name (any case), or NULL. */
const char *http_response_header(const struct http_response *response, const char *name,
                                 size_t index);

#endif
