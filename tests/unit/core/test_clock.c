#include "base/core/clock.h"

#include "tests/unit/vector.h"

#include <time.h>

static void wall_is_the_systems_time(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL);
    int64_t at = clock_wall_at();
    int64_t after = (int64_t)time(NULL);
    assert_true(before - 1 <= at && at <= after + 1);
}

static void mono_advances_in_milliseconds(void **state)
{
    (void)state;
    struct timespec before = {0};
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &before);
    int64_t before_ms = clock_mono_ms();
    int64_t last_ms = before_ms;
    int64_t passed_ms = 0;
    while (passed_ms < 20) {
        assert_true(clock_mono_ms() >= last_ms);
        last_ms = clock_mono_ms();
        clock_gettime(CLOCK_MONOTONIC, &now);
        passed_ms = (now.tv_sec - before.tv_sec) * 1000 +
                    (now.tv_nsec - before.tv_nsec) / 1000000;
    }
    assert_true(clock_mono_ms() - before_ms >= 19);
    assert_true(clock_mono_ms() - before_ms < 60000);
}

static void corrected_time_goes_on_by_itself(void **state)
{
    (void)state;
    assert_false(clock_is_corrected());
    clock_correct(4000000000);
    assert_true(clock_is_corrected());
    int64_t at = clock_wall_at();
    assert_true(at >= 4000000000 && at <= 4000000002);
    int64_t start_ms = clock_mono_ms();
    while (clock_mono_ms() - start_ms < 1100) {
    }
    at = clock_wall_at();
    assert_true(at >= 4000000001 && at <= 4000000010);
    assert_true(clock_system_at() < 4000000000);
    clock_correct(0);
    assert_true(clock_wall_at() <= 1);
    clock_trust_system();
    assert_false(clock_is_corrected());
    wall_is_the_systems_time(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_is_the_systems_time),
        cmocka_unit_test(mono_advances_in_milliseconds),
        cmocka_unit_test(corrected_time_goes_on_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
