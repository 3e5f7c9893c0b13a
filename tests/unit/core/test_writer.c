#include "base/core/writer.h"

#include "tests/unit/vector.h"

static void integers_are_big_endian(void **state)
{
    (void)state;
    static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t data[15];
    struct writer writer = writer_init(data, sizeof(data));
    writer_u8(&writer, 0x01);
    writer_u16(&writer, 0x0203);
    writer_u32(&writer, 0x04050607);
    writer_u64(&writer, 0x08090a0b0c0d0e0f);
    assert_false(writer.failed);
    assert_int_equal(writer_size(&writer), 15);
    assert_memory_equal(data, expected, sizeof(expected));
}

static void what_does_not_fit_is_not_written(void **state)
{
    (void)state;
    uint8_t data[4] = {0xee, 0xee, 0xee, 0xee};
    static const uint8_t expected[4] = {7, 0xee, 0xee, 0xee};
    struct writer writer = writer_init(data, 3);
    writer_u8(&writer, 7);
    writer_u32(&writer, 0);
    assert_true(writer.failed);
    assert_memory_equal(data, expected, sizeof(expected));
    writer_u8(&writer, 9); /* would fit, but a hole lies before it */
    assert_int_equal(writer_size(&writer), 1);
    assert_memory_equal(data, expected, sizeof(expected));
}

static void empty_bytes_are_fine(void **state)
{
    (void)state;
    struct writer writer = writer_init(NULL, 10);
    writer_bytes(&writer, NULL, 0);
    assert_false(writer.failed);
    writer_u8(&writer, 1);
    assert_true(writer.failed);
    assert_int_equal(writer_size(&writer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(what_does_not_fit_is_not_written),
        cmocka_unit_test(empty_bytes_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
