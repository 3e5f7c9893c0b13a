#include "relay/admin/dashboard_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_AT = 1800000000, HOUR_S = 3600, DAY_S = 86400 };

static char zone_name[] = "lan.example.com";
static char other_name[] = "other.example.com";
static char markup[] = "<b>&\"'";

static void expect(struct buffer *html, const char *want)
{
    assert_int_equal(html->error, 0);
    assert_string_equal(buffer_text(html), want);
    buffer_free(html);
}

static void test_spans(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {0, "0 s"},          {119, "119 s"},
        {120, "2 min"},      {2 * HOUR_S - 1, "119 min"},
        {2 * HOUR_S, "2 h"}, {2 * DAY_S - 1, "47 h"},
        {2 * DAY_S, "2 d"},  {45 * DAY_S, "45 d"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer html = buffer_init(64);
        dashboard_parts_span(&html, rows[i].seconds);
        expect(&html, rows[i].text);
    }
}

/* Whoever wrote the store, also a role that was captured: any number is a moment. */
static void test_times(void **state)
{
    static const struct {
        int64_t at;
        const char *html;
    } rows[] = {
        {NOW_AT, "<time datetime=\"2027-01-15T08:00:00Z\">2027-01-15 08:00 UTC</time>"
                 " <small>(0 s ago)</small>"},
        {NOW_AT + 3 * DAY_S, "<time datetime=\"2027-01-18T08:00:00Z\">2027-01-18 08:00 "
                             "UTC</time> <small>(in 3 d)</small>"},
        {INT64_MAX, "<time datetime=\"9999-12-31T23:59:59Z\">9999-12-31 23:59 UTC</time>"
                    " <small>(in 104249970540 d)</small>"},
        {INT64_MIN, "<time datetime=\"0000-01-01T00:00:00Z\">0000-01-01 00:00 UTC</time>"
                    " <small>(104250012207 d ago)</small>"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer html = buffer_init(256);
        dashboard_parts_time(&html, rows[i].at, NOW_AT);
        expect(&html, rows[i].html);
    }
}

static void test_escapes(void **state)
{
    static const char escaped[] = "&lt;b&gt;&amp;&quot;&#39;";
    struct relay_config other = {.zone = markup};
    struct relay_config config = {.zone = zone_name, .next = &other};
    struct dashboard_view view = {.config = &config, .zone = &other};
    struct buffer html = buffer_init(16384);
    (void)state;
    dashboard_parts_row(&html, markup, "bad", markup);
    dashboard_parts_badge(&html, "warn", markup);
    dashboard_parts_device(&view, &html, markup);
    dashboard_parts_start(&view, markup, &html);
    assert_int_equal(html.error, 0);
    assert_null(strstr(buffer_text(&html), markup));
    assert_null(strstr(buffer_text(&html), "<b>&"));
    assert_non_null(strstr(buffer_text(&html), escaped));
    buffer_free(&html);
}

/* The main zone's devices need no zone in their link. */
static void test_links(void **state)
{
    struct relay_config other = {.zone = other_name};
    struct relay_config config = {.zone = zone_name, .next = &other};
    struct dashboard_view view = {.config = &config, .zone = &config};
    struct buffer html = buffer_init(1024);
    (void)state;
    dashboard_parts_device(&view, &html, "abc");
    view.zone = &other;
    dashboard_parts_device(&view, &html, "abc");
    expect(&html, "<a class=\"id\" href=\"/device/abc\">abc</a><a class=\"id\" "
                  "href=\"/device/abc?zone=other.example.com\">abc</a>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
