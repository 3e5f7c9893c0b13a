#include "base/net/rate_limiter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct rate_limiter *make(unsigned per_second, unsigned burst)
{
    struct rate_limiter *limiter = NULL;
    const struct rate_limit limit = {.per_second = per_second, .burst = burst};
    assert_int_equal(rate_limiter_new(&limit, &limiter), 0);
    return limiter;
}

static unsigned taken(struct rate_limiter *limiter, uint64_t who, int64_t now_mono_ms,
                      unsigned tries)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++) {
        count += rate_limiter_take(limiter, who, now_mono_ms) == 0 ? 1 : 0;
    }
    return count;
}

static void test_burst_and_refill(void **state)
{
    struct rate_limiter *limiter = make(10, 30);
    (void)state;
    assert_int_equal(taken(limiter, 7, 1000, 100), 30);
    assert_int_equal(rate_limiter_take(limiter, 7, 1000), 100);
    assert_int_equal(rate_limiter_take(limiter, 7, 1099), 1);
    assert_int_equal(rate_limiter_take(limiter, 7, 1100), 0);
    assert_int_equal(taken(limiter, 7, 2100, 100), 10);
    assert_int_equal(taken(limiter, 7, 1000000, 100), 30); /* never more than the burst */
    rate_limiter_free(limiter);
}

static void test_each_for_itself(void **state)
{
    struct rate_limiter *limiter = make(1, 5);
    (void)state;
    assert_int_equal(taken(limiter, 1, 50, 100), 5);
    assert_int_equal(taken(limiter, 2, 50, 100), 5);
    assert_int_equal(taken(limiter, 0, 50, 100), 5);
    rate_limiter_free(limiter);
}

static void test_look_takes_nothing(void **state)
{
    struct rate_limiter *limiter = make(1, 2);
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rate_limiter_look(limiter, 3, 0), 0);
    }
    assert_int_equal(taken(limiter, 3, 0, 10), 2);
    assert_int_equal(rate_limiter_look(limiter, 3, 0), 1000);
    rate_limiter_free(limiter);
}

/* A million others that come once each don't make room for the one who floods. */
static void test_flood_is_remembered(void **state)
{
    struct rate_limiter *limiter = make(1, 100);
    (void)state;
    assert_int_equal(taken(limiter, 42, 0, 1000), 100);
    for (uint64_t other = 1000; other < 1001000; other++) {
        assert_int_equal(rate_limiter_take(limiter, other, 0), 0);
    }
    assert_int_equal(taken(limiter, 42, 0, 1000), 0);
    rate_limiter_free(limiter);
}

/* Finer than the clock: 4000 in a second of ticks of 4 ms. */
static void test_rate_beyond_the_clock(void **state)
{
    struct rate_limiter *limiter = make(4000, 16);
    unsigned count = 0;
    (void)state;
    for (int64_t now_mono_ms = 0; now_mono_ms < 1000; now_mono_ms += 4) {
        count += taken(limiter, 9, now_mono_ms, 100);
    }
    assert_int_equal(count, 4000);
    rate_limiter_free(limiter);
}

static void test_bad_limits(void **state)
{
    static const struct rate_limit bad[] = {{0, 1}, {1, 0}, {1000001, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rate_limiter *limiter = NULL;
        assert_int_equal(rate_limiter_new(&bad[i], &limiter), ERROR_RANGE);
    }
    rate_limiter_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_and_refill),
        cmocka_unit_test(test_each_for_itself),
        cmocka_unit_test(test_look_takes_nothing),
        cmocka_unit_test(test_flood_is_remembered),
        cmocka_unit_test(test_rate_beyond_the_clock),
        cmocka_unit_test(test_bad_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
