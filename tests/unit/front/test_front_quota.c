/* Quotas: a burst, then a steady rate, per id and kind. */
#include "relay/front/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_burst_and_refill(void **state)
{
    struct quota *quota = NULL;
    int64_t now_mono_ms = 1000;
    int taken = 0;
    int64_t wait_s = 0;

    (void)state;
    assert_int_equal(quota_new(&quota), 0);
    while ((wait_s = quota_take(quota, QUOTA_ORDER, "aaaa", now_mono_ms)) == 0) {
        taken++;
        assert_true(taken < 10000);
    }
    assert_true(taken >= 10);
    assert_true(wait_s > 0);
    /* Another kind and another id have their own. */
    assert_int_equal(quota_take(quota, QUOTA_PROBE, "aaaa", now_mono_ms), 0);
    assert_int_equal(quota_take(quota, QUOTA_ORDER, "aaab", now_mono_ms), 0);
    /* The wait is honest: not before, but then; and one unit, not two. */
    now_mono_ms += wait_s * 1000 - 1001;
    assert_true(quota_take(quota, QUOTA_ORDER, "aaaa", now_mono_ms) > 0);
    now_mono_ms += 1001;
    assert_int_equal(quota_take(quota, QUOTA_ORDER, "aaaa", now_mono_ms), 0);
    assert_true(quota_take(quota, QUOTA_ORDER, "aaaa", now_mono_ms) > 0);
    /* After a long rest the burst is back, and no more than it. */
    now_mono_ms += INT64_C(1000) * 3600 * 24;
    for (int i = 0; i < taken; i++) {
        assert_int_equal(quota_take(quota, QUOTA_ORDER, "aaaa", now_mono_ms), 0);
    }
    assert_true(quota_take(quota, QUOTA_ORDER, "aaaa", now_mono_ms) > 0);
    quota_free(quota);
}

/* The operator's own figure: so many at once, then spread over the hour. */
static void test_hourly(void **state)
{
    struct quota *quota = NULL;
    int64_t now_mono_ms = 5000;

    (void)state;
    assert_int_equal(quota_new(&quota), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(quota_take_hourly(quota, QUOTA_PREFIX_ACCOUNT, "192.0.2.0/24",
                                           100, now_mono_ms),
                         0);
    }
    assert_int_equal(
        quota_take_hourly(quota, QUOTA_PREFIX_ACCOUNT, "192.0.2.0/24", 100, now_mono_ms),
        36);
    assert_int_equal(
        quota_take_hourly(quota, QUOTA_PREFIX_ACCOUNT, "192.0.3.0/24", 100, now_mono_ms),
        0);
    assert_int_equal(
        quota_take_hourly(quota, QUOTA_PREFIX_ORDER, "192.0.2.0/24", 100, now_mono_ms),
        0);
    now_mono_ms += 36000;
    assert_int_equal(
        quota_take_hourly(quota, QUOTA_PREFIX_ACCOUNT, "192.0.2.0/24", 100, now_mono_ms),
        0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(quota_take_hourly(quota, QUOTA_PREFIX_ACCOUNT, "192.0.2.0/24", 0,
                                           now_mono_ms),
                         0);
    }
    quota_free(quota);
}

/* Many who ask for little don't make one forgotten who has asked for much. */
static void test_crowd(void **state)
{
    enum { CROWD = 50000, FEW = 20 };
    struct quota *quota = NULL;
    const int64_t now_mono_ms = 1000;
    char id[24];

    (void)state;
    assert_int_equal(quota_new(&quota), 0);
    for (int i = 0; i < FEW; i++) {
        snprintf(id, sizeof(id), "much-%d", i);
        while (quota_take(quota, QUOTA_PROBE, id, now_mono_ms) == 0) {
        }
    }
    for (int i = 0; i < CROWD; i++) {
        snprintf(id, sizeof(id), "little-%d", i);
        assert_int_equal(quota_take(quota, QUOTA_PROBE, id, now_mono_ms), 0);
    }
    for (int i = 0; i < FEW; i++) {
        snprintf(id, sizeof(id), "much-%d", i);
        assert_true(quota_take(quota, QUOTA_PROBE, id, now_mono_ms) > 0);
    }
    quota_free(quota);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_burst_and_refill),
                                       cmocka_unit_test(test_hourly),
                                       cmocka_unit_test(test_crowd)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
