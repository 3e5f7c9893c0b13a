/* The HTTP request parser: whatever the bytes, feeding them whole and one by one must
 * agree, and what it hands out must be readable. */
#include "base/net/http_parser.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER_MAX_BYTES = 512, BODY_MAX_BYTES = 64 };

static enum http_parser_result feed(struct http_parser *parser, const uint8_t *data,
                                    size_t size, size_t piece, size_t *ret_used)
{
    enum http_parser_result result = HTTP_PARSER_MORE;
    size_t at = 0;
    while (at < size && result == HTTP_PARSER_MORE) {
        size_t part = size - at < piece ? size - at : piece;
        size_t used = 0;
        result = http_parser_feed(parser, data + at, part, &used);
        if (used > part) {
            abort();
        }
        at += used;
    }
    *ret_used = at;
    return result;
}

static void check_same(const struct http_parser *a, const struct http_parser *b)
{
    struct bytes body_a = http_parser_body(a);
    struct bytes body_b = http_parser_body(b);
    if (strcmp(http_parser_method(a), http_parser_method(b)) != 0 ||
        strcmp(http_parser_path(a), http_parser_path(b)) != 0 ||
        strcmp(http_parser_query(a), http_parser_query(b)) != 0 ||
        http_parser_keep_alive(a) != http_parser_keep_alive(b) ||
        body_a.size != body_b.size || body_a.size > BODY_MAX_BYTES ||
        (body_a.size > 0 && memcmp(body_a.data, body_b.data, body_a.size) != 0)) {
        abort();
    }
    const char *host = http_parser_header(a, "host");
    if (host != NULL && (host[0] == '\0' || strpbrk(host, "\r\n /") != NULL)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_parser *whole = NULL;
    struct http_parser *slow = NULL;
    if (http_parser_new(HEADER_MAX_BYTES, BODY_MAX_BYTES, &whole) == 0 &&
        http_parser_new(HEADER_MAX_BYTES, BODY_MAX_BYTES, &slow) == 0) {
        size_t used_whole = 0;
        size_t used_slow = 0;
        enum http_parser_result result = feed(whole, data, size, size, &used_whole);
        if (feed(slow, data, size, 1, &used_slow) != result) {
            abort();
        }
        if (result == HTTP_PARSER_DONE) {
            if (used_whole != used_slow) {
                abort();
            }
            check_same(whole, slow);
        }
        if (result == HTTP_PARSER_BAD &&
            http_parser_status(whole) != http_parser_status(slow)) {
            abort();
        }
    }
    http_parser_free(whole);
    http_parser_free(slow);
    return 0;
}
