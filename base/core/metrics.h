/* What a program counts and measures, as Prometheus reads it (text format 0.0.4). A table
 * of rows says what there is; a row has at most two labels, whose values are fixed tables
 * too, so nothing here grows by what a peer sends. One thread: other threads count for
 * themselves, and are added up before the text is made. */
#ifndef BASE_CORE_METRICS_H
#define BASE_CORE_METRICS_H

#include "base/core/buffer.h"

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

enum {
    METRICS_LABELS_MAX = 2, /* a histogram has one at most */
    METRICS_BOUNDS_MAX = 16,
    METRICS_SERIES_MAX = 4096, /* of one row */
    METRICS_TEXT_BYTES = 512 << 10,
};

struct metrics_label {
    const char *name;          /* NULL: no label */
    const char *const *values; /* NULL-terminated */
};

/* Everything is borrowed for the life of the metrics. */
struct metrics_row {
    enum metrics_type type;
    const char *name; /* "latchkey_dns_queries_total" */
    const char *help; /* one line */
    struct metrics_label labels[METRICS_LABELS_MAX];
    const double *bounds; /* a histogram's upper bounds, rising; +Inf is added */
    size_t bound_count;
};

/* One series of a row: the row's index in the table, and those of its labels' values. */
struct metrics_at {
    unsigned row;
    unsigned values[METRICS_LABELS_MAX];
};

struct metrics;

/* ERROR_RANGE for a table that breaks what is said above: a bug of ours. */
int metrics_new(const struct metrics_row *rows, size_t row_count,
                struct metrics **ret_metrics) MUST_CHECK;
void metrics_free(struct metrics *metrics);

/* METRICS may be NULL: nothing is counted then. A series that the table does not have is not
 * counted. None of them allocates. */
void metrics_add(struct metrics *metrics, struct metrics_at at, double amount);
/* A gauge's value, or a counter's that is kept elsewhere. A gauge that was never set is not shown,
 * nor one that was cleared. */
void metrics_set(struct metrics *metrics, struct metrics_at at, double value);
void metrics_clear(struct metrics *metrics, struct metrics_at at);
void metrics_observe(struct metrics *metrics, struct metrics_at at, double value);

/* The index of TEXT in the NULL-terminated VALUES; when it is not there, of the last one
 * ("other"). */
unsigned metrics_index(const char *const *values, const char *text);

/* Appends the text of all rows. Of rows with two labels only what was counted is shown. */
int metrics_render(const struct metrics *metrics, struct buffer *text) MUST_CHECK;

#endif
