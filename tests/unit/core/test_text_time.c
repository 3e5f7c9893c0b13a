#include "base/core/clock.h"
#include "base/core/text.h"

#include "tests/unit/vector.h"

#include <time.h>

static void times_round_trip(void **state)
{
    (void)state;
    /* Every 97 days and a bit from year 0 to 9999: all months, leap years and centuries.
     */
    for (int64_t at = -62167219200; at <= 253402300799; at += 97 * 86400 + 3607) {
        char text[TEXT_TIME_CAPACITY];
        int64_t parsed = 0;
        text_time(at, text);
        assert_int_equal(strlen(text), 20);
        assert_int_equal(text_time_parse(text, &parsed), 0);
        assert_int_equal(parsed, at);
    }
}

static void times_agree_with_libc(void **state)
{
    (void)state;
    for (int64_t at = -2208988800; at < 4102444800; at += 12345 * 97) {
        time_t libc_at = (time_t)at;
        if (libc_at != at) {
            continue; /* a libc that ends in 2038; ours goes on */
        }
        struct tm broken = {0};
        char ours[TEXT_TIME_CAPACITY];
        char theirs[64];
        gmtime_r(&libc_at, &broken);
        strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%SZ", &broken);
        text_time(at, ours);
        assert_string_equal(ours, theirs);
        strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &broken);
        text_http_date(at, ours);
        assert_string_equal(ours, theirs);
    }
}

static void times_outside_the_calendar_are_clamped(void **state)
{
    (void)state;
    char text[TEXT_TIME_CAPACITY];
    text_time(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    text_time(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void rfc3339_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t expected_at;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T06:30:00Z", 1795242600},
        {"2026-11-21t06:30:00z", 1795242600},
        {"2026-11-21T06:30:00.123456789Z", 1795242600},
        {"2026-11-21T08:30:00+02:00", 1795242600},
        {"2026-11-20T22:30:00-08:00", 1795242600},
        {"2026-11-21T06:30:00-00:00", 1795242600},
        {"1937-01-01T12:00:27.87+00:20", -1041337173},
        {"2016-12-31T23:59:60Z", 1483228800}, /* a leap second */
        {"2024-02-29T00:00:00Z", 1709164800},
        {"2000-02-29T00:00:00Z", 951782400},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t at = 77;
        assert_int_equal(text_time_parse(good[i].text, &at), 0);
        assert_int_equal(at, good[i].expected_at);
    }
}

static void wrong_rfc3339_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-11-21",
                                      "2026-11-21T06:30:00",
                                      "2026-11-21 06:30:00Z",
                                      "2026-11-21T06:30Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z",
                                      "2026-04-31T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "1900-02-29T00:00:00Z",
                                      "2026-01-00T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:60:00Z",
                                      "2026-01-01T00:00:61Z",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00+0200",
                                      "2026-01-01T00:00:00+24:00",
                                      "2026-01-01T00:00:00+02:60",
                                      "2026-01-01T00:00:00Zx",
                                      "02026-01-01T00:00:00Z",
                                      "-026-01-01T00:00:00Z",
                                      " 2026-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t at = 77;
        assert_int_equal(text_time_parse(bad[i], &at), ERROR_SYNTAX);
        assert_int_equal(at, 77);
    }
}

static void http_dates_have_three_forms(void **state)
{
    (void)state;
    /* RFC 9110 5.6.7 */
    static const char *const forms[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < 3; i++) {
        int64_t at = 0;
        assert_int_equal(text_http_date_parse(forms[i], &at), 0);
        assert_int_equal(at, 784111777);
    }
    int64_t at = 0;
    assert_int_equal(text_http_date_parse("Sat Nov 21 06:30:00 2026", &at), 0);
    assert_int_equal(at, 1795242600);
}

static int year_of(const char *text)
{
    int year = 0;
    for (size_t i = 0; i < 4; i++) {
        year = year * 10 + (text[i] - '0');
    }
    return year;
}

static void two_digit_years_are_near_now(void **state)
{
    (void)state;
    char now[TEXT_TIME_CAPACITY];
    text_time(clock_wall_at(), now);
    for (int two_digits = 0; two_digits < 100; two_digits++) {
        char date[64];
        char text[TEXT_TIME_CAPACITY];
        int64_t at = 0;
        text_format(date, sizeof(date), "Sunday, 06-Nov-%02d 08:49:37 GMT", two_digits);
        assert_int_equal(text_http_date_parse(date, &at), 0);
        text_time(at, text);
        int year = year_of(text);
        int this_year = year_of(now);
        assert_int_equal(year % 100, two_digits);
        assert_true(year <= this_year + 50);
        assert_true(year > this_year - 100);
    }
}

static void wrong_http_dates_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "120",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nov 1994 08:49:37 GMT ",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "sun, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 nov 1994 08:49:37 GMT",
                                      "Sun, 31 Feb 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 94 08:49:37 GMT",
                                      "Sunday, 06-Nov-1994 08:49:37 GMT",
                                      "Sun Nov 6 08:49:37 1994",
                                      "Sun Nov  6 08:49:37 1994 GMT",
                                      "Sun,",
                                      "Sun",
                                      "Sunday"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t at = 77;
        assert_int_equal(text_http_date_parse(bad[i], &at), ERROR_SYNTAX);
        assert_int_equal(at, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_round_trip),
        cmocka_unit_test(times_agree_with_libc),
        cmocka_unit_test(times_outside_the_calendar_are_clamped),
        cmocka_unit_test(rfc3339_is_read),
        cmocka_unit_test(wrong_rfc3339_is_refused),
        cmocka_unit_test(http_dates_have_three_forms),
        cmocka_unit_test(two_digit_years_are_near_now),
        cmocka_unit_test(wrong_http_dates_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
