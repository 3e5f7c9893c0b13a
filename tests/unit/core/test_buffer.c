#include "base/core/buffer.h"

#include "tests/unit/vector.h"

static void content_is_always_a_string(void **state)
{
    (void)state;
    struct buffer buffer = buffer_init(1000);
    assert_string_equal(buffer_text(&buffer), "");
    assert_null(buffer.data);
    assert_int_equal(buffer_append_text(&buffer, "one"), 0);
    assert_int_equal(buffer_append_u8(&buffer, ' '), 0);
    assert_int_equal(buffer_printf(&buffer, "%s=%d", "two", 2), 0);
    assert_string_equal(buffer_text(&buffer), "one two=2");
    assert_int_equal(buffer_bytes(&buffer).size, 9);
    buffer_consume(&buffer, 4);
    assert_string_equal(buffer_text(&buffer), "two=2");
    buffer_consume(&buffer, 100);
    assert_string_equal(buffer_text(&buffer), "");
    assert_int_equal(buffer.size, 0);
    buffer_free(&buffer);
}

static void growth_keeps_the_content(void **state)
{
    (void)state;
    struct buffer buffer = buffer_init(100000);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(buffer_append_u8(&buffer, (uint8_t)i), 0);
    }
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(buffer.data[i], (uint8_t)i);
    }
    assert_int_equal(buffer.data[10000], 0);
    buffer_free(&buffer);
}

static void the_maximum_is_exact_and_sticky(void **state)
{
    (void)state;
    struct buffer buffer = buffer_init(4);
    assert_int_equal(buffer_append(&buffer, "1234", 4), 0);
    assert_int_equal(buffer_append(&buffer, "5", 1), ERROR_LIMIT);
    assert_string_equal(buffer_text(&buffer), "1234");
    buffer_consume(&buffer, 4);
    assert_int_equal(buffer_append(&buffer, "6", 1), ERROR_LIMIT);
    assert_int_equal(buffer_printf(&buffer, "7"), ERROR_LIMIT);
    assert_null(buffer_take(&buffer));
    assert_int_equal(buffer_append(&buffer, "8", 1), 0); /* take has emptied it */
    buffer_reset(&buffer);
    assert_int_equal(buffer_printf(&buffer, "%s", "12345"), ERROR_LIMIT);
    assert_string_equal(buffer_text(&buffer), "");
    buffer_free(&buffer);
    buffer = buffer_init(SIZE_MAX);
    assert_int_equal(buffer_append(&buffer, "x", 1), 0);
    assert_int_equal(buffer_append(&buffer, "x", SIZE_MAX - 1), ERROR_LIMIT);
    buffer_free(&buffer);
}

static void a_reset_buffer_starts_again(void **state)
{
    (void)state;
    struct buffer buffer = buffer_init_secret(2);
    assert_int_equal(buffer_append(&buffer, "123", 3), ERROR_LIMIT);
    buffer_reset(&buffer);
    assert_int_equal(buffer_append(&buffer, "12", 2), 0);
    uint8_t *data = buffer.data;
    buffer_reset(&buffer);
    assert_ptr_equal(buffer.data, data);
    assert_int_equal(data[0] | data[1], 0); /* wiped */
    buffer_free(&buffer);
}

static void consumed_secrets_are_wiped(void **state)
{
    (void)state;
    struct buffer buffer = buffer_init_secret(10);
    assert_int_equal(buffer_append(&buffer, "secretX", 7), 0);
    buffer_consume(&buffer, 6);
    assert_string_equal(buffer_text(&buffer), "X");
    for (size_t i = 1; i < 7; i++) {
        assert_int_equal(buffer.data[i], 0);
    }
    buffer_free(&buffer);
}

static void taking_hands_over_the_memory(void **state)
{
    (void)state;
    struct buffer buffer = buffer_init(100);
    char *text = buffer_take(&buffer);
    assert_non_null(text);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(buffer_append_text(&buffer, "abc"), 0);
    text = buffer_take(&buffer);
    assert_string_equal(text, "abc");
    free(text);
    assert_null(buffer.data);
    assert_int_equal(buffer.size, 0);
    buffer_free(&buffer);
    struct buffer zero = {0};
    buffer_free(&zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_always_a_string),
        cmocka_unit_test(growth_keeps_the_content),
        cmocka_unit_test(the_maximum_is_exact_and_sticky),
        cmocka_unit_test(a_reset_buffer_starts_again),
        cmocka_unit_test(consumed_secrets_are_wiped),
        cmocka_unit_test(taking_hands_over_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
