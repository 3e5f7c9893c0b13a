#include "base/core/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const colours[] = {"red", "a\"b\\c\nd", "other", NULL};
static const char *const sizes[] = {"small", "large", NULL};
static const double bounds[] = {0.5, 2, 10};

enum { ROW_PLAIN, ROW_TWO, ROW_GAUGE, ROW_TIME, ROW_COUNT };

static const struct metrics_row rows[ROW_COUNT] = {
    [ROW_PLAIN] = {.type = METRICS_COUNTER,
                   .name = "x_total",
                   .help = "Things.",
                   .labels = {{"colour", colours}}},
    [ROW_TWO] = {.type = METRICS_COUNTER,
                 .name = "y_total",
                 .help = "Pairs.",
                 .labels = {{"colour", colours}, {"size", sizes}}},
    [ROW_GAUGE] = {.type = METRICS_GAUGE, .name = "z", .help = "A level."},
    [ROW_TIME] = {.type = METRICS_HISTOGRAM,
                  .name = "t_seconds",
                  .help = "A time.",
                  .labels = {{"size", sizes}},
                  .bounds = bounds,
                  .bound_count = 3},
};

static void expect(const struct metrics *metrics, const char *want)
{
    struct buffer text = buffer_init(METRICS_TEXT_BYTES);
    assert_int_equal(metrics_render(metrics, &text), 0);
    assert_string_equal(buffer_text(&text), want);
    buffer_free(&text);
}

static void test_text(void **state)
{
    struct metrics *metrics = NULL;
    (void)state;
    assert_int_equal(metrics_new(rows, ROW_COUNT, &metrics), 0);
    metrics_add(metrics, (struct metrics_at){ROW_PLAIN, {1}}, 3);
    metrics_add(metrics, (struct metrics_at){ROW_TWO, {2, 1}}, 1);
    metrics_set(metrics, (struct metrics_at){.row = ROW_GAUGE}, -0.25);
    metrics_observe(metrics, (struct metrics_at){ROW_TIME, {1}}, 0.5);
    metrics_observe(metrics, (struct metrics_at){ROW_TIME, {1}}, 3);
    metrics_observe(metrics, (struct metrics_at){ROW_TIME, {1}}, 99);
    expect(metrics, "# HELP x_total Things.\n# TYPE x_total counter\n"
                    "x_total{colour=\"red\"} 0\n"
                    "x_total{colour=\"a\\\"b\\\\c\\nd\"} 3\n"
                    "x_total{colour=\"other\"} 0\n"
                    "# HELP y_total Pairs.\n# TYPE y_total counter\n"
                    "y_total{colour=\"other\",size=\"large\"} 1\n"
                    "# HELP z A level.\n# TYPE z gauge\nz -0.25\n"
                    "# HELP t_seconds A time.\n# TYPE t_seconds histogram\n"
                    "t_seconds_bucket{size=\"small\",le=\"0.5\"} 0\n"
                    "t_seconds_bucket{size=\"small\",le=\"2\"} 0\n"
                    "t_seconds_bucket{size=\"small\",le=\"10\"} 0\n"
                    "t_seconds_bucket{size=\"small\",le=\"+Inf\"} 0\n"
                    "t_seconds_sum{size=\"small\"} 0\n"
                    "t_seconds_count{size=\"small\"} 0\n"
                    "t_seconds_bucket{size=\"large\",le=\"0.5\"} 1\n"
                    "t_seconds_bucket{size=\"large\",le=\"2\"} 1\n"
                    "t_seconds_bucket{size=\"large\",le=\"10\"} 2\n"
                    "t_seconds_bucket{size=\"large\",le=\"+Inf\"} 3\n"
                    "t_seconds_sum{size=\"large\"} 102.5\n"
                    "t_seconds_count{size=\"large\"} 3\n");
    metrics_free(metrics);
}

/* What the table does not have is not counted, and nothing breaks. */
static void test_strangers(void **state)
{
    struct metrics *metrics = NULL;
    (void)state;
    metrics_add(NULL, (struct metrics_at){ROW_PLAIN, {0}}, 1);
    assert_int_equal(metrics_new(&rows[ROW_GAUGE], 1, &metrics), 0);
    metrics_add(metrics, (struct metrics_at){.row = 1}, 1);
    metrics_add(metrics, (struct metrics_at){0, {1, 0}}, 1);
    metrics_set(metrics, (struct metrics_at){0, {0, 1}}, 1);
    metrics_observe(metrics, (struct metrics_at){.row = 0}, 1);
    expect(metrics, "# HELP z A level.\n# TYPE z gauge\n");
    metrics_set(metrics, (struct metrics_at){.row = 0}, 7);
    expect(metrics, "# HELP z A level.\n# TYPE z gauge\nz 7\n");
    metrics_clear(metrics, (struct metrics_at){.row = 0});
    expect(metrics, "# HELP z A level.\n# TYPE z gauge\n");
    metrics_free(metrics);
    metrics_free(NULL);
}

static void test_index(void **state)
{
    (void)state;
    assert_int_equal(metrics_index(colours, "red"), 0);
    assert_int_equal(metrics_index(colours, "other"), 2);
    assert_int_equal(metrics_index(colours, "blue"), 2);
}

static void test_large_numbers(void **state)
{
    struct metrics *metrics = NULL;
    (void)state;
    assert_int_equal(metrics_new(&rows[ROW_GAUGE], 1, &metrics), 0);
    metrics_set(metrics, (struct metrics_at){.row = 0}, 1e15 + 1);
    expect(metrics, "# HELP z A level.\n# TYPE z gauge\nz 1000000000000001\n");
    metrics_set(metrics, (struct metrics_at){.row = 0}, 1e18);
    expect(metrics, "# HELP z A level.\n# TYPE z gauge\nz 1e+18\n");
    metrics_free(metrics);
}

static void test_bad_tables(void **state)
{
    static const double falling[] = {2, 1};
    static const char *const none[] = {NULL};
    static const struct metrics_row bad[] = {
        {.type = METRICS_HISTOGRAM, .name = "a", .help = ""},
        {.type = METRICS_COUNTER,
         .name = "a",
         .help = "",
         .bounds = bounds,
         .bound_count = 1},
        {.type = METRICS_HISTOGRAM,
         .name = "a",
         .help = "",
         .bounds = falling,
         .bound_count = 2},
        {.type = METRICS_COUNTER, .name = "a", .help = "", .labels = {{"b", none}}},
        {.type = METRICS_COUNTER, .name = "a", .help = "", .labels = {{0}, {"b", sizes}}},
    };
    struct metrics *metrics = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(metrics_new(&bad[i], 1, &metrics), ERROR_RANGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),       cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_index),      cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_bad_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
