/* Each row has a dense array of series, found by arithmetic; a histogram's series is its
 * buckets (not cumulated; that is done in the text), then the sum. */
#include "base/core/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_TEXT_BYTES = 512, DIGITS_EXACT = 17 };

struct family {
    const struct metrics_row *row;
    size_t counts[METRICS_LABELS_MAX]; /* values of each label; 1 without it */
    size_t series_count;
    size_t cells; /* of one series */
    double *values;
    bool *seen; /* a value was given */
};

struct metrics {
    size_t count;
    struct family families[];
};

static bool is_sound(const struct metrics_row *row)
{
    bool histogram = row->type == METRICS_HISTOGRAM;
    if (row->bound_count > METRICS_BOUNDS_MAX || histogram != (row->bound_count > 0) ||
        (histogram && row->labels[1].name != NULL) ||
        (row->labels[0].name == NULL && row->labels[1].name != NULL)) {
        return false;
    }
    for (size_t i = 1; i < row->bound_count; i++) {
        if (row->bounds[i] <= row->bounds[i - 1]) {
            return false;
        }
    }
    return true;
}

static int family_open(struct family *family, const struct metrics_row *row)
{
    if (!is_sound(row)) {
        return ERROR_RANGE;
    }
    family->row = row;
    family->series_count = 1;
    for (size_t i = 0; i < METRICS_LABELS_MAX; i++) {
        family->counts[i] = row->labels[i].name == NULL ? 1 : 0;
        while (row->labels[i].name != NULL &&
               row->labels[i].values[family->counts[i]] != NULL) {
            family->counts[i]++;
        }
        family->series_count *= family->counts[i];
        if (family->series_count > METRICS_SERIES_MAX || family->series_count == 0) {
            return ERROR_RANGE;
        }
    }
    family->cells = row->type == METRICS_HISTOGRAM ? row->bound_count + 2 : 1;
    family->values = calloc(family->series_count * family->cells, sizeof(double));
    family->seen = calloc(family->series_count, sizeof(bool));
    return family->values == NULL || family->seen == NULL ? ERROR_MEMORY : 0;
}

int metrics_new(const struct metrics_row *rows, size_t row_count,
                struct metrics **ret_metrics)
{
    struct metrics *metrics =
        calloc(1, sizeof(*metrics) + row_count * sizeof(metrics->families[0]));
    int error = 0;
    if (metrics == NULL) {
        return ERROR_MEMORY;
    }
    metrics->count = row_count;
    for (size_t i = 0; error == 0 && i < row_count; i++) {
        error = family_open(&metrics->families[i], &rows[i]);
    }
    if (error != 0) {
        metrics_free(metrics);
        return error;
    }
    *ret_metrics = metrics;
    return 0;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    for (size_t i = 0; i < metrics->count; i++) {
        free(metrics->families[i].values);
        free(metrics->families[i].seen);
    }
    free(metrics);
}

/* The series' family and its index in it; NULL when there is none. */
static struct family *find(struct metrics *metrics, const struct metrics_at *at,
                           size_t *ret_series)
{
    if (metrics == NULL || at->row >= metrics->count) {
        return NULL;
    }
    struct family *family = &metrics->families[at->row];
    if (at->values[0] >= family->counts[0] || at->values[1] >= family->counts[1]) {
        return NULL;
    }
    *ret_series = at->values[0] * family->counts[1] + at->values[1];
    return family;
}

void metrics_add(struct metrics *metrics, struct metrics_at at, double amount)
{
    size_t series = 0;
    struct family *family = find(metrics, &at, &series);
    if (family != NULL && family->cells == 1) {
        family->values[series] += amount;
        family->seen[series] = true;
    }
}

void metrics_set(struct metrics *metrics, struct metrics_at at, double value)
{
    size_t series = 0;
    struct family *family = find(metrics, &at, &series);
    if (family != NULL && family->cells == 1) {
        family->values[series] = value;
        family->seen[series] = true;
    }
}

void metrics_clear(struct metrics *metrics, struct metrics_at at)
{
    size_t series = 0;
    struct family *family = find(metrics, &at, &series);
    if (family != NULL && family->cells == 1) {
        family->values[series] = 0;
        family->seen[series] = false;
    }
}

void metrics_observe(struct metrics *metrics, struct metrics_at at, double value)
{
    size_t series = 0;
    struct family *family = find(metrics, &at, &series);
    size_t bucket = 0;
    if (family == NULL || family->cells == 1) {
        return;
    }
    double *cells = family->values + series * family->cells;
    while (bucket < family->row->bound_count && value > family->row->bounds[bucket]) {
        bucket++;
    }
    cells[bucket]++;
    cells[family->cells - 1] += value;
    family->seen[series] = true;
}

unsigned metrics_index(const char *const *values, const char *text)
{
    unsigned index = 0;
    while (values[index + 1] != NULL && strcmp(values[index], text) != 0) {
        index++;
    }
    return index;
}

/* As Prometheus writes them: whole numbers as such, the rest exactly. */
static void write_value(struct buffer *text, double value)
{
    const double exact_max = 9007199254740992.0; /* 2^53 */
    if (value > -exact_max && value < exact_max && (double)(int64_t)value == value) {
        buffer_printf(text, "%" PRId64, (int64_t)value);
    } else {
        buffer_printf(text, "%.*g", DIGITS_EXACT, value);
    }
}

/* A label's value is a text of ours, but a version or zone may hold anything. */
static void write_label(struct buffer *text, const char *name, const char *value)
{
    buffer_printf(text, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            buffer_append_text(text, "\\n");
        } else {
            if (*value == '"' || *value == '\\') {
                buffer_append_u8(text, '\\');
            }
            buffer_append_u8(text, (uint8_t)*value);
        }
    }
    buffer_append_u8(text, '"');
}

/* NAME, SUFFIX and the labels of SERIES; BOUND (NULL: none) is the label `le`. */
static void write_series(struct buffer *text, const struct family *family, size_t series,
                         const char *suffix, const char *bound)
{
    const struct metrics_row *row = family->row;
    const size_t indexes[METRICS_LABELS_MAX] = {series / family->counts[1],
                                                series % family->counts[1]};
    const char *separator = "{";
    buffer_printf(text, "%s%s", row->name, suffix);
    for (size_t i = 0; i < METRICS_LABELS_MAX && row->labels[i].name != NULL; i++) {
        buffer_append_text(text, separator);
        write_label(text, row->labels[i].name, row->labels[i].values[indexes[i]]);
        separator = ",";
    }
    if (bound != NULL) {
        buffer_append_text(text, separator);
        write_label(text, "le", bound);
        separator = ",";
    }
    buffer_append_text(text, *separator == ',' ? "} " : " ");
}

static void write_histogram(struct buffer *text, const struct family *family,
                            size_t series)
{
    const double *cells = family->values + series * family->cells;
    double count = 0;
    for (size_t i = 0; i <= family->row->bound_count; i++) {
        struct buffer bound = buffer_init(SERIES_TEXT_BYTES);
        if (i < family->row->bound_count) {
            buffer_printf(&bound, "%g", family->row->bounds[i]);
        } else {
            buffer_append_text(&bound, "+Inf");
        }
        count += cells[i];
        write_series(text, family, series, "_bucket", buffer_text(&bound));
        buffer_free(&bound);
        write_value(text, count);
        buffer_append_u8(text, '\n');
    }
    write_series(text, family, series, "_sum", NULL);
    write_value(text, cells[family->cells - 1]);
    buffer_append_u8(text, '\n');
    write_series(text, family, series, "_count", NULL);
    write_value(text, count);
    buffer_append_u8(text, '\n');
}

static bool is_shown(const struct family *family, size_t series)
{
    return family->seen[series] ||
           (family->row->type != METRICS_GAUGE && family->row->labels[1].name == NULL);
}

static void write_family(struct buffer *text, const struct family *family)
{
    static const char *const types[] = {
        [METRICS_COUNTER] = "counter",
        [METRICS_GAUGE] = "gauge",
        [METRICS_HISTOGRAM] = "histogram",
    };
    const struct metrics_row *row = family->row;
    buffer_printf(text, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                  types[row->type]);
    for (size_t series = 0; series < family->series_count; series++) {
        if (!is_shown(family, series)) {
            continue;
        }
        if (row->type == METRICS_HISTOGRAM) {
            write_histogram(text, family, series);
        } else {
            write_series(text, family, series, "", NULL);
            write_value(text, family->values[series]);
            buffer_append_u8(text, '\n');
        }
    }
}

int metrics_render(const struct metrics *metrics, struct buffer *text)
{
    for (size_t i = 0; metrics != NULL && i < metrics->count; i++) {
        write_family(text, &metrics->families[i]);
    }
    return text->error;
}
