/* The one HTTP client: libcurl's multi interface on our loop. Names are looked up by our resolver and given to libcurl
 * (CURLOPT_RESOLVE); no redirects are followed; bodies are bounded; TLS 1.2 at least, verified. */
#ifndef BASE_NET_HTTP_CLIENT_H
#define BASE_NET_HTTP_CLIENT_H

#include "base/core/buffer.h"
#include "base/net/loop.h"
#include "base/net/resolve.h"

struct http_client;
struct http_transfer;

struct http_client_options {
    struct resolver *resolver; /* borrowed */
    const char *ca_file;       /* PEM bundle; NULL: the system's */
    const char *user_agent;
    unsigned max_connections;  /* in all; requests beyond wait */
    unsigned connect_ms;
    unsigned total_ms;
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
    int error;              /* ERROR_NONE when there is a status; ERROR_TIMEOUT, ERROR_NOT_FOUND (name), ERROR_LIMIT (body), ERROR_SIGNATURE (TLS), ERROR_IO */
    const char *error_text; /* for people; "" when none */
    int status;
    struct bytes body;
    const struct http_header *headers;
    size_t header_count;
};

/* Called once, never from within http_client_send; RESPONSE is borrowed for the call. */
typedef void http_client_fn(const struct http_response *response, void *arg);

int http_client_new(struct loop *loop, const struct http_client_options *options,
                    struct http_client **ret_client) MUST_CHECK;
void http_client_free(struct http_client *client); /* pending transfers are forgotten */
int http_client_send(struct http_client *client, const struct http_request *request, http_client_fn *fn,
                     void *arg, struct http_transfer **ret_transfer) MUST_CHECK;
/* Forgets a transfer; its callback is not called any more. */
void http_client_cancel(struct http_transfer *transfer);
/* The INDEXth header of this name (any case), or NULL. */
const char *http_response_header(const struct http_response *response, const char *name, size_t index);

#endif
