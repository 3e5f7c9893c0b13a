#include "base/net/http_parser.h"

#include "tests/unit/vector.h"

enum { HEADER_MAX_BYTES = 512, BODY_MAX_BYTES = 64 };

/* What is to be known of a request, as the vectors' `expect` says it. */
static void describe(struct http_parser *parser, enum http_parser_result result,
                     const char *rest, struct buffer *text)
{
    switch (result) {
    case HTTP_PARSER_MORE:
        buffer_append_text(text, "more\n");
        return;
    case HTTP_PARSER_BAD:
        assert_true(http_parser_reason(parser)[0] != '\0');
        buffer_printf(text, "bad %d\n", http_parser_status(parser));
        return;
    case HTTP_PARSER_DONE:
        break;
    }
    const char *query = http_parser_query(parser);
    struct bytes body = http_parser_body(parser);
    buffer_printf(text, "done %s %s %s %s ", http_parser_method(parser),
                  http_parser_path(parser), query[0] != '\0' ? query : "-",
                  http_parser_keep_alive(parser) ? "keep" : "close");
    if (body.size > 0) {
        buffer_append(text, body.data, body.size);
    } else {
        buffer_append_text(text, "-");
    }
    buffer_append_text(text, "\n");
    if (rest[0] != '\0') {
        buffer_printf(text, "rest %.*s\n", (int)strcspn(rest, "\r"), rest);
    }
}

/* Feeds INPUT in pieces of at most PIECE bytes, each an exact-size heap copy. */
static void check_in_pieces(const struct buffer *input, size_t piece, const char *expect)
{
    struct http_parser *parser = NULL;
    struct buffer text = buffer_init(4096);
    enum http_parser_result result = HTTP_PARSER_MORE;
    size_t at = 0;
    assert_int_equal(http_parser_new(HEADER_MAX_BYTES, BODY_MAX_BYTES, &parser), 0);
    while (at < input->size && result == HTTP_PARSER_MORE) {
        size_t size = input->size - at < piece ? input->size - at : piece;
        size_t used = 0;
        uint8_t *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, input->data + at, size);
        result = http_parser_feed(parser, copy, size, &used);
        free(copy);
        assert_true(used <= size);
        assert_true(result != HTTP_PARSER_MORE || used == size);
        at += used;
    }
    describe(parser, result, (const char *)input->data + at, &text);
    assert_string_equal(buffer_text(&text), expect);
    buffer_free(&text);
    http_parser_free(parser);
}

static void check_case(const char *suite, const char *name)
{
    struct buffer input = vector_file(suite, name, "input");
    struct buffer expect = vector_file(suite, name, "expect");
    check_in_pieces(&input, input.size, buffer_text(&expect));
    check_in_pieces(&input, 1, buffer_text(&expect));
    check_in_pieces(&input, 3, buffer_text(&expect));
    check_in_pieces(&input, 7, buffer_text(&expect));
    buffer_free(&input);
    buffer_free(&expect);
}

static void test_vectors(void **state)
{
    (void)state;
    vector_each("http-request", 90, check_case);
}

static enum http_parser_result feed(struct http_parser *parser, const char *text)
{
    size_t used = 0;
    return http_parser_feed(parser, text, strlen(text), &used);
}

static void test_headers(void **state)
{
    (void)state;
    struct http_parser *parser = NULL;
    assert_int_equal(http_parser_new(HEADER_MAX_BYTES, BODY_MAX_BYTES, &parser), 0);
    assert_int_equal(feed(parser, "GET / HTTP/1.1\r\nHOST: a.test\r\nX-One: first \r\n"
                                  "x-one: second\r\nEmpty:\r\n\r\n"),
                     HTTP_PARSER_DONE);
    assert_string_equal(http_parser_header(parser, "Host"), "a.test");
    assert_string_equal(http_parser_header(parser, "X-ONE"), "first");
    assert_string_equal(http_parser_header(parser, "empty"), "");
    assert_null(http_parser_header(parser, "x-on"));
    assert_null(http_parser_header(parser, ""));
    http_parser_free(parser);
    http_parser_free(NULL);
}

static void test_continue(void **state)
{
    (void)state;
    struct http_parser *parser = NULL;
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                               "Content-Length: 2\r\n\r\n";
    assert_int_equal(http_parser_new(HEADER_MAX_BYTES, BODY_MAX_BYTES, &parser), 0);
    assert_int_equal(feed(parser, "POST / HTTP/1.1\r\n"), HTTP_PARSER_MORE);
    assert_false(http_parser_take_continue(parser));
    assert_int_equal(feed(parser, head + strlen("POST / HTTP/1.1\r\n")),
                     HTTP_PARSER_MORE);
    assert_true(http_parser_take_continue(parser));
    assert_false(http_parser_take_continue(parser));
    assert_int_equal(feed(parser, "x"), HTTP_PARSER_MORE);
    http_parser_free(parser);
    /* A client that did not wait is not told to go on. */
    assert_int_equal(http_parser_new(HEADER_MAX_BYTES, BODY_MAX_BYTES, &parser), 0);
    assert_int_equal(feed(parser, head), HTTP_PARSER_MORE);
    assert_int_equal(feed(parser, "x"), HTTP_PARSER_MORE);
    assert_false(http_parser_take_continue(parser));
    http_parser_free(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_continue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
