/* One HTTP/1.1 request from bytes (RFC 9112), strictly, without I/O. Feed it what
 * arrives; it takes the bytes of one request and no more. */
#ifndef BASE_NET_HTTP_PARSER_H
#define BASE_NET_HTTP_PARSER_H

#include "base/core/buffer.h"

struct http_parser;

enum http_parser_result {
    HTTP_PARSER_MORE, /* the request is not whole yet; all bytes were taken */
    HTTP_PARSER_DONE, /* the request is whole */
    HTTP_PARSER_BAD,  /* refused: http_parser_status() is the answer, the connection must
                         end */
};

/* Headers beyond MAX_HEADER_BYTES are refused with 431 (414 within the request line),
 * bodies beyond MAX_BODY_BYTES with 413. Memory grows with what arrives, not with what is
 * announced. */
int http_parser_new(size_t max_header_bytes, size_t max_body_bytes,
                    struct http_parser **ret_parser) MUST_CHECK;
void http_parser_free(struct http_parser *parser); /* accepts NULL */
/* What it takes in memory now. */
size_t http_parser_held_bytes(const struct http_parser *parser);
/* *RET_USED bytes were taken. After DONE or BAD it must not be called again. */
enum http_parser_result http_parser_feed(struct http_parser *parser, const void *data,
                                         size_t size, size_t *ret_used);
/* The status to refuse with, and why, for people; after BAD. */
int http_parser_status(const struct http_parser *parser);
const char *http_parser_reason(const struct http_parser *parser);
/* True once: the head asks for "100 Continue" and no byte of the body has come yet. */
bool http_parser_take_continue(struct http_parser *parser);

/* Of a whole request; all borrowed from the parser. */
const char *http_parser_method(const struct http_parser *parser);
/* The absolute path as sent, without query; "*" for OPTIONS *. */
const char *http_parser_path(const struct http_parser *parser);
const char *http_parser_query(const struct http_parser *parser); /* "" when none */
/* The first field of this name (any case), or NULL. */
const char *http_parser_header(const struct http_parser *parser, const char *name);
struct bytes http_parser_body(const struct http_parser *parser);
void http_parser_release_body(struct http_parser *parser);
/* Whether the connection may carry a further request after this one. */
bool http_parser_keep_alive(const struct http_parser *parser);

#endif
