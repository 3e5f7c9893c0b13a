#include "base/core/reader.h"

#include "tests/unit/vector.h"

static void integers_are_big_endian(void **state)
{
    (void)state;
    static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct reader reader = reader_init(data, sizeof(data));
    assert_int_equal(reader_left(&reader), 15);
    assert_int_equal(reader_u8(&reader), 0x01);
    assert_int_equal(reader_u16(&reader), 0x0203);
    assert_int_equal(reader_u32(&reader), 0x04050607);
    assert_int_equal(reader_u64(&reader), 0x08090a0b0c0d0e0f);
    assert_int_equal(reader_left(&reader), 0);
    assert_false(reader.failed);
}

static void failure_is_sticky(void **state)
{
    (void)state;
    static const uint8_t data[] = {1, 2, 3};
    struct reader reader = reader_init(data, sizeof(data));
    assert_int_equal(reader_u32(&reader), 0);
    assert_true(reader.failed);
    /* There are three octets, but nothing may be read after a hole. */
    assert_int_equal(reader_u8(&reader), 0);
    assert_int_equal(reader_left(&reader), 0);
    struct bytes bytes = reader_bytes(&reader, 0);
    assert_null(bytes.data);
    assert_int_equal(bytes.size, 0);
}

static void bytes_are_borrowed(void **state)
{
    (void)state;
    static const uint8_t data[] = {1, 2, 3};
    struct reader reader = reader_init(data, sizeof(data));
    struct bytes bytes = reader_bytes(&reader, 2);
    assert_ptr_equal(bytes.data, data);
    assert_int_equal(bytes.size, 2);
    bytes = reader_bytes(&reader, SIZE_MAX);
    assert_null(bytes.data);
    assert_true(reader.failed);
}

static void nothing_can_be_read_from_nothing(void **state)
{
    (void)state;
    struct reader reader = reader_init(NULL, 0);
    assert_int_equal(reader_left(&reader), 0);
    assert_int_equal(reader_bytes(&reader, 0).size, 0);
    assert_false(reader.failed);
    assert_int_equal(reader_u8(&reader), 0);
    assert_true(reader.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(failure_is_sticky),
        cmocka_unit_test(bytes_are_borrowed),
        cmocka_unit_test(nothing_can_be_read_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
