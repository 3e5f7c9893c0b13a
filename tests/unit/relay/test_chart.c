/* The coordinates and texts of charts, whatever the values are. */
#include "relay/admin/chart.h"

#include "relay/admin/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect(struct buffer *html, const char *want)
{
    assert_int_equal(html->error, 0);
    if (strstr(buffer_text(html), want) == NULL) {
        fail_msg("no '%s' in '%s'", want, buffer_text(html));
    }
}

static void test_bars(void **state)
{
    static const struct chart_bar bars[] = {
        {"<a", 0, ""}, {"b", 1, "bad"}, {"c", 50, "warn"}, {"d", 200, ""}};
    struct buffer html = buffer_init(16384);
    (void)state;
    chart_bars(&html, "Some & more", bars, 4);
    expect(&html, "viewBox=\"0 0 616 144\"><title>Some &amp; more</title>");
    expect(&html, "<rect class=\"bar \" x=\"54\" y=\"122\" width=\"46\" height=\"0\"");
    expect(&html, ">&lt;a</text>");
    /* What is there is seen. */
    expect(&html,
           "<rect class=\"bar bad\" x=\"208\" y=\"120\" width=\"46\" height=\"2\"");
    expect(&html,
           "<rect class=\"bar warn\" x=\"362\" y=\"97\" width=\"46\" height=\"25\"");
    expect(&html, "y=\"22\" width=\"46\" height=\"100\"");
    expect(&html, ">200</text>");
    assert_null(strstr(buffer_text(&html), "style"));
    buffer_free(&html);
}

static void test_no_bars(void **state)
{
    struct buffer html = buffer_init(16384);
    const struct chart_bar one = {"x", EXPOSITION_MAX, ""};
    (void)state;
    chart_bars(&html, "None", NULL, 0);
    expect(&html, "<title>None</title><line ");
    chart_bars(&html, "One", &one, 1);
    expect(&html, "height=\"100\"");
    expect(&html, ">9007199254740992</text>");
    buffer_free(&html);
}

static void test_lines(void **state)
{
    static const struct {
        double values[5];
        size_t count;
        const char *path;
    } rows[] = {
        {{0}, 0, "d=\"\""},
        {{7}, 1, "d=\"M0 8h1\""},
        {{0, 10}, 2, "d=\"M0 112h1L719 8\""},
        {{-1, -1}, 2, "d=\"\""},
        /* Gaps, and a value that stands alone. */
        {{-1, 4, -1, 2, 4}, 5, "d=\"M179 8h1M539 60h1L719 8\""},
        /* Nothing grows into the sky: below one it is a flat line. */
        {{0, 0.001}, 2, "d=\"M0 112h1L719 112\""},
        {{EXPOSITION_MAX * 1e6, 0}, 2, "d=\"M0 8h1L719 112\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer html = buffer_init(16384);
        chart_line(&html, "Rate", rows[i].values, rows[i].count);
        expect(&html, rows[i].path);
        buffer_free(&html);
    }
}

static void test_gauges(void **state)
{
    static const struct {
        double left;
        double size;
        const char *bar;
    } rows[] = {
        {50, 50, "bar \" width=\"300\""},    {60, 50, "bar \" width=\"300\""},
        {15, 50, "bar \" width=\"90\""},     {14.9, 50, "bar warn\" width=\"89\""},
        {5, 50, "bar warn\" width=\"30\""},  {4.9, 50, "bar bad\" width=\"29\""},
        {0, 50, "bar bad\" width=\"0\""},    {-3, 50, "bar bad\" width=\"0\""},
        {3, 0, "bar bad\" width=\"0\""},     {3, -1, "bar bad\" width=\"0\""},
        {1, 1e-300, "bar \" width=\"300\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer html = buffer_init(4096);
        chart_gauge(&html, "Left", rows[i].left, rows[i].size);
        expect(&html, rows[i].bar);
        buffer_free(&html);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_no_bars),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_gauges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
