/* One request and its response: what a handler sees.
 *
 * The response is rendered into one buffer, so that a small one leaves as one TLS record.
 * Headers that a handler adds are checked, not trusted: a CR, LF or NUL in one would let
 * whoever supplied the value write the rest of the response; such a response becomes a
 * 500. */
#include "base/net/http_exchange.h"

#include "base/core/clock.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_MAX_BYTES = 32 << 10 };

int http_exchange_new(const struct http_server_options *options, struct stream *stream,
                      const struct address *peer, struct http_exchange **ret_exchange)
{
    struct http_exchange *exchange = calloc(1, sizeof(*exchange));
    if (exchange == NULL) {
        return ERROR_MEMORY;
    }
    int error = http_parser_new(options->max_header_bytes, options->max_body_bytes,
                                &exchange->parser);
    if (error != ERROR_NONE) {
        free(exchange);
        return error;
    }
    exchange->stream = stream;
    exchange->peer = *peer;
    exchange->headers = buffer_init(HEAD_MAX_BYTES / 2);
    *ret_exchange = exchange;
    return ERROR_NONE;
}

void http_exchange_free(struct http_exchange *exchange)
{
    if (exchange == NULL) {
        return;
    }
    http_parser_free(exchange->parser);
    buffer_free(&exchange->headers);
    buffer_free(&exchange->output);
    free(exchange);
}

size_t http_exchange_held_bytes(const struct http_exchange *exchange)
{
    size_t parser =
        exchange->parser != NULL ? http_parser_held_bytes(exchange->parser) : 0;
    return sizeof(*exchange) + parser + exchange->headers.capacity +
           exchange->output.capacity;
}

void http_exchange_abandon(struct http_exchange *exchange)
{
    exchange->stream = NULL;
    exchange->responded = NULL;
    if (exchange->gone == NULL) {
        return;
    }
    exchange->is_dead = true;
    exchange->gone(exchange, exchange->gone_arg);
    http_exchange_free(exchange);
}

const char *http_exchange_method(const struct http_exchange *exchange)
{
    return http_parser_method(exchange->parser);
}

const char *http_exchange_path(const struct http_exchange *exchange)
{
    return http_parser_path(exchange->parser);
}

const char *http_exchange_query(const struct http_exchange *exchange)
{
    return http_parser_query(exchange->parser);
}

const char *http_exchange_header(const struct http_exchange *exchange, const char *name)
{
    return http_parser_header(exchange->parser, name);
}

struct bytes http_exchange_body(const struct http_exchange *exchange)
{
    return http_parser_body(exchange->parser);
}

void http_exchange_release_body(struct http_exchange *exchange)
{
    http_parser_release_body(exchange->parser);
}

void http_exchange_peer(const struct http_exchange *exchange, struct address *ret_peer)
{
    *ret_peer = exchange->peer;
}

const char *http_exchange_server_name(const struct http_exchange *exchange)
{
    return exchange->stream != NULL ? stream_server_name(exchange->stream) : "";
}

int http_exchange_leaf(const struct http_exchange *exchange, uint8_t ret_hash[static 32])
{
    return exchange->stream != NULL ? stream_leaf_hash(exchange->stream, ret_hash)
                                    : ERROR_STATE;
}

bool http_exchange_is_trusted(const struct http_exchange *exchange)
{
    return exchange->stream != NULL && stream_is_trusted(exchange->stream);
}

bool http_exchange_is_app(const struct http_exchange *exchange)
{
    return exchange->stream != NULL && stream_is_app(exchange->stream);
}

int http_exchange_peer_key(const struct http_exchange *exchange, struct key **ret_key)
{
    return exchange->stream != NULL ? stream_peer_key(exchange->stream, ret_key)
                                    : ERROR_NOT_FOUND;
}

unsigned http_exchange_wait_s(const struct http_exchange *exchange)
{
    return exchange->wait_s;
}

void http_exchange_set_known(struct http_exchange *exchange)
{
    exchange->is_known = true;
}

void http_exchange_on_gone(struct http_exchange *exchange, http_gone_fn *fn, void *arg)
{
    exchange->gone = fn;
    exchange->gone_arg = arg;
}

static bool is_header_text(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c != '\t' && (c < 0x20 || c == 0x7f)) {
            return false;
        }
    }
    return true;
}

void http_exchange_add_header(struct http_exchange *exchange, const char *name,
                              const char *value)
{
    if (name[0] == '\0' || strpbrk(name, ": \t") != NULL || !is_header_text(name) ||
        !is_header_text(value)) {
        exchange->has_bad_header = true;
        return;
    }
    buffer_printf(&exchange->headers, "%s: %s\r\n", name, value);
}

struct status_text {
    int status;
    const char *text;
};

static const char *status_text(int status)
{
    static const struct status_text table[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].status == status) {
            return table[i].text;
        }
    }
    return "";
}

/* METHOD is NULL when the request was never understood. */
static void render(struct http_exchange *exchange, const char *method, int status,
                   const char *content_type, struct bytes body)
{
    struct buffer *output = &exchange->output;
    char date[TEXT_TIME_CAPACITY];
    /* RFC 9110 8.6, 15.3.5, 15.4.5: these have neither body nor length. */
    bool has_no_body = status == 204 || status == 304;
    bool is_head = method != NULL && strcmp(method, "HEAD") == 0;
    *output = buffer_init(HEAD_MAX_BYTES + body.size);
    buffer_printf(output, "HTTP/1.1 %d %s\r\n", status, status_text(status));
    text_http_date(clock_wall_at(), date);
    buffer_printf(output, "Date: %s\r\n", date);
    if (!has_no_body) {
        buffer_printf(output, "Content-Length: %zu\r\n", body.size);
    }
    if (content_type != NULL) {
        buffer_printf(output, "Content-Type: %s\r\n", content_type);
    }
    buffer_append(output, exchange->headers.data, exchange->headers.size);
    if (exchange->must_close) {
        buffer_append_text(output, "Connection: close\r\n");
    }
    buffer_append_text(output, "\r\n");
    if (!has_no_body && !is_head) {
        buffer_append(output, body.data, body.size);
    }
}

/* A peer that does not take its response keeps that alone, and not its request. */
static void end_request(struct http_exchange *exchange)
{
    http_parser_free(exchange->parser);
    exchange->parser = NULL;
    buffer_free(&exchange->headers);
}

void http_exchange_refuse(struct http_exchange *exchange)
{
    struct buffer text = buffer_init(256);
    buffer_printf(&text, "%s\n", http_parser_reason(exchange->parser));
    exchange->must_close = true;
    render(exchange, NULL, http_parser_status(exchange->parser),
           "text/plain; charset=utf-8", buffer_bytes(&text));
    buffer_free(&text);
    end_request(exchange);
}

void http_exchange_respond(struct http_exchange *exchange, int status,
                           const char *content_type, const void *body, size_t size)
{
    static const char broken[] = "The response could not be made.\n";
    struct bytes content = {.data = body, .size = size};
    if (exchange->is_dead) {
        return;
    }
    if (exchange->responded == NULL) {
        http_exchange_free(exchange);
        return;
    }
    exchange->must_close =
        exchange->must_close || !http_parser_keep_alive(exchange->parser);
    if (exchange->has_bad_header || exchange->headers.error != ERROR_NONE ||
        (content_type != NULL && !is_header_text(content_type))) {
        buffer_free(&exchange->headers);
        status = 500;
        content_type = "text/plain; charset=utf-8";
        content =
            (struct bytes){.data = (const uint8_t *)broken, .size = sizeof(broken) - 1};
    }
    render(exchange, http_parser_method(exchange->parser), status, content_type, content);
    end_request(exchange);
    exchange->responded(exchange, exchange->responded_arg);
}
