/* For http_server.c only: what an exchange is made of. Its public face is in
 * http_server.h. */
#ifndef BASE_NET_HTTP_EXCHANGE_H
#define BASE_NET_HTTP_EXCHANGE_H

#include "base/net/http_parser.h"
#include "base/net/http_server.h"
#include "base/net/stream.h"

struct http_exchange {
    struct http_parser *parser; /* until the response is rendered */
    struct stream *stream; /* borrowed from the connection; NULL when the peer is gone */
    struct address peer;
    http_gone_fn *gone; /* NULL: none */
    void *gone_arg;
    struct buffer headers; /* of the response, rendered */
    bool has_bad_header;
    bool is_dead; /* its gone callback is running */
    /* How the exchange gives itself back: the server's function and its connection. */
    void (*responded)(struct http_exchange *exchange, void *arg);
    void *responded_arg;
    unsigned wait_s; /* see http_exchange_wait_s */
    bool is_known;   /* see http_exchange_set_known */
    bool must_close; /* the connection ends after this response */
    struct buffer
        output; /* the response, rendered; its `error` set when memory ran out */
};

/* An empty one for the next request on STREAM (borrowed). */
int http_exchange_new(const struct http_server_options *options, struct stream *stream,
                      const struct address *peer,
                      struct http_exchange **ret_exchange) MUST_CHECK;
/* Accepts NULL. */
void http_exchange_free(struct http_exchange *exchange);
/* What it takes in memory now. */
size_t http_exchange_held_bytes(const struct http_exchange *exchange);
/* The peer is gone: calls the gone callback and frees, or leaves EXCHANGE to its owner's
 * response. */
void http_exchange_abandon(struct http_exchange *exchange);
/* Renders the answer to a request that the parser refused. */
void http_exchange_refuse(struct http_exchange *exchange);

#endif
