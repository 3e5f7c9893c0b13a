#include "relay/admin/admin_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Let's Encrypt's limits without an override. */
static struct admin_plan plan_of(uint64_t devices_per_day, uint64_t fleet)
{
    struct admin_plan_wish wish = {.devices_per_day = devices_per_day,
                                   .fleet = fleet,
                                   .days = 45,
                                   .certificates_week = 50,
                                   .orders_3h = 300};
    struct admin_plan plan;
    admin_plan_make(&wish, &plan);
    return plan;
}

static void test_seven_a_day_fit(void **state)
{
    struct admin_plan plan = plan_of(7, 0);
    (void)state;
    assert_true(plan.fits);
    assert_int_equal(plan.week, 49);
    assert_int_equal(plan.per_day, 7);
    assert_int_equal(plan.override_week, 0);
    assert_int_equal(plan.cas, 1);
    assert_int_equal(plan.waiting_days, 0);
    assert_int_equal(plan.fleet_in_a_year, 2555);
    assert_int_equal(plan.renewals_per_day, 95); /* each after 27 days */
}

static void test_eight_a_day_do_not(void **state)
{
    struct admin_plan plan = plan_of(8, 0);
    (void)state;
    assert_false(plan.fits);
    assert_true(plan.orders_fit);
    assert_int_equal(plan.override_week, 70);
    assert_int_equal(plan.cas, 2);
    /* 6 too many a week are 312 in a year: six weeks and two days of 50. */
    assert_int_equal(plan.waiting_days, 44);
}

static void test_a_vendor(void **state)
{
    struct admin_plan plan = plan_of(1000, 50000);
    (void)state;
    assert_false(plan.fits);
    assert_false(plan.orders_fit);
    assert_int_equal(plan.override_week, 8800);
    assert_int_equal(plan.cas, 140);
    assert_int_equal(plan.orders_3h, 375);
    assert_int_equal(plan.accounts, 2);
    assert_int_equal(plan.fleet_in_a_year, 415000);
}

static void test_nothing(void **state)
{
    struct admin_plan plan = plan_of(0, 0);
    (void)state;
    assert_true(plan.fits);
    assert_int_equal(plan.cas, 1);
    assert_int_equal(plan.accounts, 1);
    assert_int_equal(plan.renewals_per_day, 0);
}

/* The largest that the options let in: no overflow. */
static void test_the_largest(void **state)
{
    struct admin_plan_wish wish = {.devices_per_day = 100000000,
                                   .fleet = 100000000,
                                   .days = 1,
                                   .certificates_week = 1,
                                   .orders_3h = 1};
    struct admin_plan plan;
    (void)state;
    admin_plan_make(&wish, &plan);
    assert_int_equal(plan.cas, 700000000);
    assert_int_equal(plan.override_week, 880000000);
    assert_true(plan.waiting_days > plan.cas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seven_a_day_fit), cmocka_unit_test(test_eight_a_day_do_not),
        cmocka_unit_test(test_a_vendor),        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
