/* The reference implementation's values: key 00..0f, message 00..(n-1). */
#include "base/core/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
static uint8_t message[16];

static int fill(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < sizeof(message); i++) {
        message[i] = i;
    }
    return 0;
}

static void test_13(void **state)
{
    static const uint64_t want[] = {
        0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d,
        0x8bf80ab8e7ddf7fb, 0xcf75576088d38328, 0xdef9d52f49533b67,
        0xc50d2b50c59f22a7, 0xd3927d989bb11140, 0x369095118d299a8e};
    (void)state;
    for (size_t size = 0; size < sizeof(want) / sizeof(want[0]); size++) {
        assert_true(siphash_13(key, message, size) == want[size]);
    }
}

/* The paper's own example (appendix A) is the one of 15 octets. */
static void test_24(void **state)
{
    (void)state;
    assert_true(siphash_24(key, message, 0) == 0x726fdb47dd0e0e31);
    assert_true(siphash_24(key, message, 1) == 0x74f839c593dc67fd);
    assert_true(siphash_24(key, message, 8) == 0x93f5f5799a932462);
    assert_true(siphash_24(key, message, 15) == 0xa129ca6149be45e5);
}

static void test_key(void **state)
{
    uint64_t first[2] = {0};
    uint64_t second[2] = {0};
    (void)state;
    assert_int_equal(siphash_key(first), 0);
    assert_int_equal(siphash_key(second), 0);
    assert_false(first[0] == second[0] && first[1] == second[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_13),
        cmocka_unit_test(test_24),
        cmocka_unit_test(test_key),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
