#include "relay/store/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { WEEK_S = 7 * 86400, US = 1000000 };

#define NOW_US (INT64_C(1800000000) * US)

/* Let's Encrypt's: 50 at once, one in 202 minutes. */
static const struct bucket_limit week = {50, 50, WEEK_S};

static void test_refill(void **state)
{
    int64_t full_at_us = 0;

    (void)state;
    assert_int_equal(bucket_interval_us(&week), INT64_C(12096) * US);
    assert_int_equal(bucket_tokens(&week, full_at_us, NOW_US), 50);
    full_at_us = bucket_spend(&week, full_at_us, NOW_US, 50);
    assert_int_equal(bucket_tokens(&week, full_at_us, NOW_US), 0);
    assert_int_equal(bucket_tokens(&week, full_at_us, NOW_US + INT64_C(12095) * US), 0);
    assert_int_equal(bucket_tokens(&week, full_at_us, NOW_US + INT64_C(12096) * US), 1);
    assert_int_equal(bucket_reach_us(&week, full_at_us, NOW_US, 1),
                     NOW_US + INT64_C(12096) * US);
    assert_int_equal(bucket_reach_us(&week, full_at_us, NOW_US, 51),
                     NOW_US + INT64_C(12096) * 51 * US);
    full_at_us = bucket_spend(&week, full_at_us, NOW_US, 3);
    assert_int_equal(bucket_tokens(&week, full_at_us, NOW_US), -3);
}

static void test_clock(void **state)
{
    int64_t far_us = bucket_spend(&week, 0, NOW_US + INT64_C(315360000) * US, 1);

    (void)state;
    assert_int_equal(bucket_tokens(&week, bucket_judge(&week, far_us, NOW_US), NOW_US),
                     0);
    assert_int_equal(bucket_judge(&week, NOW_US + 5, NOW_US), NOW_US + 5);
}

/* The largest limits that the configuration takes do not overflow. */
static void test_large(void **state)
{
    static const struct bucket_limit large = {10000000, 10000000, WEEK_S};
    int64_t full_at_us = bucket_spend(&large, 0, NOW_US, 10000000);

    (void)state;
    assert_int_equal(bucket_tokens(&large, full_at_us, NOW_US), 0);
    assert_true(bucket_reach_us(&week, NOW_US, NOW_US, 100000000) > NOW_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refill),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
