#include "relay/admin/admin_output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { HOUR_S = 3600, DAY_S = 86400 };

static void test_spans(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {0, "0 seconds"},
        {1, "1 second"},
        {59, "59 seconds"},
        {60, "1 minute"},
        {HOUR_S - 1, "59 minutes"},
        {HOUR_S, "1 hour"},
        {2 * DAY_S - 1, "47 hours"},
        {2 * DAY_S, "2 days"},
        {31 * DAY_S + HOUR_S, "31 days"},
        {INT64_MAX, "106751991167300 days"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[ADMIN_OUTPUT_SPAN_CAPACITY];
        admin_output_span(rows[i].seconds, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_dates(void **state)
{
    char text[TEXT_TIME_CAPACITY];
    (void)state;
    admin_output_date(1800000000, text);
    assert_string_equal(text, "2027-01-15");
    admin_output_date(0, text);
    assert_string_equal(text, "1970-01-01");
    admin_output_date(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31");
}

static void expect(json_t *object, const char *want)
{
    struct buffer text = buffer_init(4096);
    assert_int_equal(json_dump(object, &text), 0);
    assert_string_equal(buffer_text(&text), want);
    buffer_free(&text);
    json_decref(object);
}

static void test_times(void **state)
{
    json_t *object = json_object();
    (void)state;
    assert_int_equal(admin_output_time(object, "at", 1800000000), 0);
    assert_int_equal(admin_output_time(object, "never", 0), 0);
    expect(object, "{\"at\":\"2027-01-15T08:00:00Z\"}");
}

static void test_words(void **state)
{
    static const struct {
        const char *text;
        const char *json;
    } rows[] = {
        {"", "{\"w\":[]}"},
        {"one", "{\"w\":[\"one\"]}"},
        {"*.a.b a.b", "{\"w\":[\"*.a.b\",\"a.b\"]}"},
        {"one ", "{\"w\":[\"one\"]}"},
        {"a  b", "{\"w\":[\"a\",\"\",\"b\"]}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *object = json_object();
        assert_int_equal(admin_output_words(object, "w", rows[i].text), 0);
        expect(object, rows[i].json);
    }
    /* No UTF-8: an error, not a part. */
    json_t *object = json_object();
    assert_int_not_equal(admin_output_words(object, "w", "good \xff"), 0);
    expect(object, "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
