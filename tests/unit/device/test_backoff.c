#include "device/backoff.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static uint64_t none(uint64_t below)
{
    (void)below;
    return 0;
}

static uint64_t most(uint64_t below)
{
    return below - 1;
}

static void test_doubles_within_its_range(void **state)
{
    (void)state;
    static const struct backoff_range range = {.first_s = 4, .longest_s = 60};
    static const int64_t expected_s[] = {4, 8, 16, 32, 60, 60, 60};
    for (unsigned i = 0; i < sizeof(expected_s) / sizeof(expected_s[0]); i++) {
        assert_int_equal(backoff_wait_ms(&range, i + 1, none), expected_s[i] * 750);
        assert_int_equal(backoff_wait_ms(&range, i + 1, most), expected_s[i] * 1250);
    }
    assert_int_equal(backoff_wait_ms(&range, 4000000000U, none), 45000);
}

static void test_odd_ranges_still_wait(void **state)
{
    (void)state;
    static const struct backoff_range empty = {.first_s = 0, .longest_s = 0};
    static const struct backoff_range inverted = {.first_s = 100, .longest_s = 10};
    assert_int_equal(backoff_wait_ms(&empty, 1, none), 750);
    assert_int_equal(backoff_wait_ms(&inverted, 3, none), 7500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_within_its_range),
        cmocka_unit_test(test_odd_ranges_still_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
