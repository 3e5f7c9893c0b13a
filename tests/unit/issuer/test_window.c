#include "relay/issuer/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { START_AT = 1000000000, HOUR_S = 3600, DAY_S = 86400 };

static void test_window(void **state)
{
    static const int64_t lives_s[] = {60, 160 * HOUR_S, 45 * (int64_t)DAY_S,
                                      90 * (int64_t)DAY_S};

    (void)state;
    for (size_t i = 0; i < sizeof(lives_s) / sizeof(lives_s[0]); i++) {
        int64_t life_s = lives_s[i];
        struct window window = window_compute(START_AT, START_AT + life_s);
        struct window narrow = window_narrow(window);
        struct issuer_store_certificate certificate = {.not_before_at = START_AT,
                                                       .not_after_at = START_AT + life_s};
        int64_t middle_s = life_s < 10 * DAY_S ? life_s / 2 : life_s / 3 * 2;

        assert_true(window.start_at < window.end_at);
        assert_true(window.start_at <= START_AT + middle_s);
        assert_true(window.end_at > START_AT + middle_s);
        assert_int_equal(narrow.start_at, window.start_at);
        assert_true(narrow.end_at > narrow.start_at);
        assert_true(narrow.end_at - narrow.start_at <=
                    (window.end_at - window.start_at) * 6 / 10 + 1);
        /* The same from a row without a window, and from one with it. */
        assert_false(window_reached(&certificate, window.start_at - 1));
        assert_true(window_reached(&certificate, window.start_at));
        assert_true(window_inside(&certificate, window.start_at));
        assert_false(window_inside(&certificate, window.start_at - 1));
        certificate.ari_start_at = narrow.start_at;
        certificate.ari_end_at = narrow.end_at;
        assert_true(window_reached(&certificate, window.start_at));
        assert_false(window_inside(&certificate, window.end_at + 1));
        certificate.revoked_at = START_AT + 1;
        assert_true(window_reached(&certificate, START_AT + 2));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
