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
    const struct timespec pause = {.tv_nsec = 20000000};
    int64_t before_ms = clock_mono_ms();
    nanosleep(&pause, NULL);
    int64_t passed_ms = clock_mono_ms() - before_ms;
    assert_true(passed_ms >= 19);
    assert_true(passed_ms < 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_is_the_systems_time),
        cmocka_unit_test(mono_advances_in_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
