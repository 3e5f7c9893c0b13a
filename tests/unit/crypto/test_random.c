#include "base/crypto/random.h"

#include "tests/unit/vector.h"

static void bytes_differ_and_fill(void **state)
{
    (void)state;
    uint8_t a[64] = {0};
    uint8_t b[64] = {0};
    assert_int_equal(random_bytes(a, sizeof(a)), 0);
    assert_int_equal(random_bytes(b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, a + 32, 32);
    assert_int_equal(random_bytes(a, 0), 0);
}

static void below_stays_below_and_reaches_all(void **state)
{
    (void)state;
    unsigned seen[5] = {0};
    for (int i = 0; i < 5000; i++) {
        uint64_t value = random_below(5);
        assert_true(value < 5);
        seen[value]++;
    }
    /* 1000 expected each; 700 is ten standard deviations away. */
    for (int i = 0; i < 5; i++) {
        assert_true(seen[i] > 700);
    }
    assert_int_equal(random_below(1), 0);
    assert_true(random_below(UINT64_MAX) < UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_differ_and_fill),
        cmocka_unit_test(below_stays_below_and_reaches_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
