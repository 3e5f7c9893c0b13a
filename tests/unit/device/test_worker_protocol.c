#include "device/worker_protocol.h"

#include "base/core/writer.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

static void add_frame(struct buffer *buffer, const char *text)
{
    uint8_t head[4];
    struct writer writer = writer_init(head, sizeof(head));
    writer_u32(&writer, (uint32_t)strlen(text));
    buffer_append(buffer, head, sizeof(head));
    assert_int_equal(buffer_append_text(buffer, text), 0);
}

static int take(const char *text)
{
    struct buffer input = buffer_init(LIMIT_WORKER_MESSAGE_BYTES * 2);
    struct worker_message message = {.body = NULL};
    add_frame(&input, text);
    int error = worker_message_take(&input, &message);
    worker_message_free(&message);
    buffer_free(&input);
    return error;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct buffer wire = buffer_init(4096);
    struct worker_message message = {.body = NULL};
    struct worker_message back = {.body = NULL};
    assert_int_equal(worker_message_new(WORKER_SAVE, &message), 0);
    assert_int_equal(json_set_text(message.body, "account_url", "https://relay/acct/1"),
                     0);
    assert_int_equal(worker_message_write(&message, &wire), 0);
    assert_int_equal(worker_message_write(&message, &wire), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(worker_message_take(&wire, &back), 0);
        assert_int_equal(back.type, WORKER_SAVE);
        assert_string_equal(json_get_text(back.body, "account_url"),
                            "https://relay/acct/1");
        worker_message_free(&back);
    }
    assert_int_equal(worker_message_take(&wire, &back), ERROR_BUSY);
    worker_message_free(&message);
    buffer_free(&wire);
}

static void test_a_frame_comes_in_pieces(void **state)
{
    (void)state;
    struct buffer whole = buffer_init(4096);
    struct buffer input = buffer_init(4096);
    struct worker_message message = {.body = NULL};
    add_frame(&whole, "{\"type\":\"saved\"}");
    for (size_t i = 0; i < whole.size; i++) {
        assert_int_equal(worker_message_take(&input, &message), ERROR_BUSY);
        assert_int_equal(buffer_append(&input, whole.data + i, 1), 0);
    }
    assert_int_equal(worker_message_take(&input, &message), 0);
    assert_int_equal(message.type, WORKER_SAVED);
    assert_int_equal(input.size, 0);
    worker_message_free(&message);
    buffer_free(&whole);
    buffer_free(&input);
}

static void test_rules(void **state)
{
    (void)state;
    assert_int_equal(take("{\"type\":\"done\"}"), 0);
    assert_int_equal(take("{\"type\":\"window\",\"retry_after_s\":5}"), 0);
    assert_int_equal(
        take("{\"type\":\"task\",\"task\":\"x\",\"directory\":\"y\",\"key\":{}}"), 0);
    /* unknown type, none, no object */
    assert_int_equal(take("{\"type\":\"sign\"}"), ERROR_RANGE);
    assert_int_equal(take("{}"), ERROR_RANGE);
    assert_int_equal(take("[]"), ERROR_RANGE);
    assert_int_equal(take("7"), ERROR_RANGE);
    /* unknown, missing and wrong members */
    assert_int_equal(take("{\"type\":\"done\",\"key\":\"x\"}"), ERROR_RANGE);
    assert_int_equal(take("{\"type\":\"sign_jws\"}"), ERROR_RANGE);
    assert_int_equal(take("{\"type\":\"sign_jws\",\"input\":1}"), ERROR_RANGE);
    assert_int_equal(take("{\"type\":\"window\",\"retry_after_s\":\"5\"}"), ERROR_RANGE);
    assert_int_equal(
        take("{\"type\":\"failed\",\"code\":\"a\",\"text\":\"b\",\"permanent\":1}"),
        ERROR_RANGE);
    /* broken JSON */
    assert_int_equal(take("{\"type\":\"done\""), ERROR_SYNTAX);
    assert_int_equal(take("{\"type\":\"done\",\"type\":\"saved\"}"), ERROR_SYNTAX);
    assert_int_equal(take(""), ERROR_SYNTAX);
}

static void test_lengths(void **state)
{
    (void)state;
    struct buffer input = buffer_init(64);
    struct worker_message message = {.body = NULL};
    static const uint8_t huge[4] = {0xff, 0xff, 0xff, 0xff};
    assert_int_equal(buffer_append(&input, huge, sizeof(huge)), 0);
    assert_int_equal(worker_message_take(&input, &message), ERROR_LIMIT);
    buffer_free(&input);
    /* A text beyond its member's maximum is refused by the writer too. */
    char code[40];
    memset(code, 'c', sizeof(code) - 1);
    code[sizeof(code) - 1] = '\0';
    struct buffer wire = buffer_init(4096);
    assert_int_equal(worker_message_new(WORKER_FAILED, &message), 0);
    assert_int_equal(json_set_text(message.body, "text", "t"), 0);
    assert_int_equal(json_set_text(message.body, "code", code), 0);
    assert_int_equal(worker_message_write(&message, &wire), ERROR_RANGE);
    assert_int_equal(wire.size, 0);
    code[32] = '\0';
    assert_int_equal(json_set_text(message.body, "code", code), 0);
    assert_int_equal(worker_message_write(&message, &wire), 0);
    worker_message_free(&message);
    buffer_free(&wire);
}

static void test_too_many_texts(void **state)
{
    (void)state;
    struct buffer text = buffer_init(4096);
    buffer_append_text(&text,
                       "{\"type\":\"task\",\"task\":\"x\",\"directory\":\"y\",\"key\":{},"
                       "\"addresses\":[");
    for (int i = 0; i < 17; i++) {
        buffer_append_text(&text, i == 0 ? "\"a\"" : ",\"a\"");
    }
    buffer_append_text(&text, "]}");
    assert_int_equal(take(buffer_text(&text)), ERROR_RANGE);
    buffer_free(&text);
}

static void test_type_texts_differ(void **state)
{
    (void)state;
    for (int i = 0; i < WORKER_MESSAGE_COUNT; i++) {
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(
                worker_message_type_text((enum worker_message_type)i),
                worker_message_type_text((enum worker_message_type)j));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_a_frame_comes_in_pieces),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_too_many_texts),
        cmocka_unit_test(test_type_texts_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
