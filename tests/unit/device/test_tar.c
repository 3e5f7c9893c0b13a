#include "device/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_files(void **state)
{
    struct buffer archive = buffer_init(64 << 10);
    struct bytes one = {.data = (const uint8_t *)"hello\n", .size = 6};
    uint8_t block[TAR_BLOCK_BYTES];
    struct bytes two = {.data = block, .size = sizeof(block)};
    (void)state;
    memset(block, 'x', sizeof(block));
    assert_int_equal(tar_add(&archive, "a.txt", one, 1795000000), 0);
    assert_int_equal(archive.size, 2 * TAR_BLOCK_BYTES);
    assert_string_equal((const char *)archive.data, "a.txt");
    assert_memory_equal(archive.data + 100, "0000600", 8);
    assert_memory_equal(archive.data + 124, "00000000006", 12);
    assert_memory_equal(archive.data + 257, "ustar\00000", 8);
    assert_memory_equal(archive.data + TAR_BLOCK_BYTES, "hello\n", 7);
    /* The sum counts its own field as blanks. */
    unsigned sum = 8 * ' ';
    for (int i = 0; i < TAR_BLOCK_BYTES; i++) {
        sum += i < 148 || i >= 156 ? archive.data[i] : 0;
    }
    char expected[8];
    snprintf(expected, sizeof(expected), "%06o", sum);
    assert_memory_equal(archive.data + 148, expected, 7);
    assert_int_equal(tar_add(&archive, "b.txt", two, 0), 0);
    assert_int_equal(archive.size,
                     4 * TAR_BLOCK_BYTES); /* no padding behind a full block */
    assert_int_equal(tar_add(&archive, "empty", (struct bytes){.size = 0}, 0), 0);
    assert_int_equal(tar_end(&archive), 0);
    assert_int_equal(archive.size, 7 * TAR_BLOCK_BYTES);
    buffer_free(&archive);
}

static void test_limits(void **state)
{
    struct buffer archive = buffer_init(TAR_BLOCK_BYTES + 100);
    struct bytes one = {.data = (const uint8_t *)"hello\n", .size = 6};
    char name[TAR_NAME_BYTES + 1];
    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(tar_add(&archive, name, one, 0), ERROR_LIMIT);
    assert_int_equal(tar_add(&archive, "n", one, -1), ERROR_RANGE);
    assert_int_equal(tar_add(&archive, "n", one, 0), ERROR_LIMIT);
    buffer_free(&archive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
