/* libinih finds sections, keys and comments; this file holds what it found to the rows.
 * inih alone is not enough: it tells only the first wrong line, cuts long lines in
 * silence, and as distributions build it gives no line numbers to the handler. So the
 * text is fed to it line by line from here, and each line is looked at on its way:
 *
 *     text -> next_line (counts, reports odd lines) -> inih -> take_value -> store_...
 *
 * A fault is one line of text in the report, and never ends the reading: a person wants
 * to see all of them at once. */
#include "base/core/conf.h"

#include "base/core/file.h"
#include "base/core/limits.h"
#include "base/core/text.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 190,  /* what inih's buffer of 200 surely holds */
    QUOTE_BYTES = 80,      /* how much of a wrong value is quoted */
    DISTANCE_TEXT_MAX = 48 /* names longer than this are not compared */
};

static const char byte_order_mark[] = "\xef\xbb\xbf";

struct parse {
    const char *name;
    const char *at; /* the next line */
    const struct conf_row *rows;
    size_t row_count;
    void *conf;
    struct buffer *report;
    unsigned *seen_line; /* per row: where its key stood first, or 0 */
    unsigned line;
    bool is_in_section; /* below any [section] line */
    bool is_known_section;
    bool failed; /* at least one fault */
    int error;   /* ERROR_MEMORY */
};

static void *field_of(const struct conf_row *row, void *conf)
{
    return (char *)conf + row->offset;
}

static void quote(char ret_text[static QUOTE_BYTES], const char *value)
{
    text_printable(ret_text, QUOTE_BYTES, value, strlen(value));
}

/* Starts a fault's line: "relay.conf:12: ". The report's own limit may cut the text;
 * `failed` counts. */
static void fault_start(struct parse *parse)
{
    parse->failed = true;
    if (parse->line > 0) {
        buffer_printf(parse->report, "%s:%u: ", parse->name, parse->line);
    } else {
        buffer_printf(parse->report, "%s: ", parse->name);
    }
}

static void fault_line(struct parse *parse, const char *what)
{
    fault_start(parse);
    buffer_printf(parse->report, "%s\n", what);
}

static void fault_value(struct parse *parse, const struct conf_row *row,
                        const char *value, const char *what)
{
    char quoted[QUOTE_BYTES];
    quote(quoted, value);
    fault_start(parse);
    buffer_printf(parse->report, "[%s] %s = '%s': %s\n", row->section, row->key, quoted,
                  what);
}

/* Levenshtein distance, case ignored; more than any word's length when one is too long.
 */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[DISTANCE_TEXT_MAX + 1];
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    if (a_size > DISTANCE_TEXT_MAX || b_size > DISTANCE_TEXT_MAX) {
        return 2 * DISTANCE_TEXT_MAX;
    }
    for (size_t j = 0; j <= b_size; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            char x[2] = {a[i - 1], '\0'};
            char y[2] = {b[j - 1], '\0'};
            unsigned best = diagonal + (text_equal_nocase(x, y) ? 0 : 1);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[b_size];
}

/* The word that the rows allow here: a section, or a key of SECTION. NULL: not this row.
 */
static const char *allowed_word(const struct parse *parse, size_t index,
                                const char *section)
{
    const struct conf_row *row = &parse->rows[index];
    if (section != NULL) {
        return strcmp(row->section, section) == 0 ? row->key : NULL;
    }
    for (size_t i = 0; i < index; i++) {
        if (strcmp(parse->rows[i].section, row->section) == 0) {
            return NULL; /* named already */
        }
    }
    return row->section;
}

/* Ends a fault's line with the nearest allowed words, or with all of them when none is
 * near. */
static void suggest(struct parse *parse, const char *section, const char *word)
{
    unsigned nearest = 2 * DISTANCE_TEXT_MAX;
    for (size_t i = 0; i < parse->row_count; i++) {
        const char *allowed = allowed_word(parse, i, section);
        if (allowed != NULL && distance(allowed, word) < nearest) {
            nearest = distance(allowed, word);
        }
    }
    bool is_near = nearest <= 1 + strlen(word) / 3;
    const char *separator = is_near ? "; did you mean " : "; allowed: ";
    for (size_t i = 0; i < parse->row_count; i++) {
        const char *allowed = allowed_word(parse, i, section);
        if (allowed == NULL || (is_near && distance(allowed, word) != nearest)) {
            continue;
        }
        buffer_printf(parse->report, "%s'%s'", separator, allowed);
        separator = is_near ? " or " : ", ";
    }
    buffer_append_text(parse->report, is_near ? "?\n" : "\n");
}

/* Adds one text to a list within the row's maximum. */
static const char *add_text(struct parse *parse, const struct conf_row *row,
                            const char *text, size_t size)
{
    struct conf_texts *texts = field_of(row, parse->conf);
    if (texts->count >= row->max_count) {
        return "one value too many";
    }
    char **at = realloc(texts->at, (texts->count + 1) * sizeof(*at));
    if (at == NULL) {
        parse->error = ERROR_MEMORY;
        return NULL;
    }
    texts->at = at;
    char *copy = strndup(text, size);
    if (copy == NULL) {
        parse->error = ERROR_MEMORY;
        return NULL;
    }
    const char *wrong = row->check != NULL ? row->check(copy) : NULL;
    if (wrong != NULL) {
        free(copy);
        return wrong;
    }
    at[texts->count++] = copy;
    return NULL;
}

/* Each word of VALUE; the faulty words are reported one by one. */
static void store_texts(struct parse *parse, const struct conf_row *row,
                        const char *value)
{
    const char *blanks = " \t";
    const char *at = value + strspn(value, blanks);
    if (*at == '\0') {
        fault_value(parse, row, value, "must not be empty");
    }
    while (*at != '\0' && parse->error == 0) {
        size_t size = strcspn(at, blanks);
        const char *wrong = add_text(parse, row, at, size);
        if (wrong != NULL) {
            char word[QUOTE_BYTES];
            text_printable(word, sizeof(word), at, size);
            fault_value(parse, row, word, wrong);
        }
        at += size;
        at += strspn(at, blanks);
    }
}

static void store_text(struct parse *parse, const struct conf_row *row, const char *value)
{
    const char *wrong = row->check != NULL ? row->check(value) : NULL;
    if (wrong != NULL) {
        fault_value(parse, row, value, wrong);
        return;
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        parse->error = ERROR_MEMORY;
        return;
    }
    char **field = field_of(row, parse->conf);
    free(*field);
    *field = copy;
}

static void store_number(struct parse *parse, const struct conf_row *row,
                         const char *value)
{
    bool is_duration = row->type == CONF_DURATION;
    uint64_t number = 0;
    uint64_t max = row->max != 0 ? row->max : UINT64_MAX;
    int error =
        is_duration ? text_duration(value, max, &number) : text_u64(value, max, &number);
    const char *wrong = error == 0 && row->check != NULL ? row->check(value) : NULL;
    if (wrong != NULL) {
        fault_value(parse, row, value, wrong);
        return;
    }
    if (error == 0 && number >= row->min) {
        *(uint64_t *)field_of(row, parse->conf) = number;
        return;
    }
    char what[160];
    const char *kind =
        is_duration ? "a duration such as 90s, 15m, 2h or 30d" : "a number";
    const char *unit = is_duration ? "s" : "";
    text_format(what, sizeof(what), "must be %s, from %llu%s to %llu%s", kind,
                (unsigned long long)row->min, unit, (unsigned long long)max, unit);
    fault_value(parse, row, value, what);
}

static void store_bool(struct parse *parse, const struct conf_row *row, const char *value)
{
    static const char *const words[][2] = {
        {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (int truth = 0; truth < 2; truth++) {
            if (text_equal_nocase(value, words[i][truth])) {
                *(bool *)field_of(row, parse->conf) = truth == 1;
                return;
            }
        }
    }
    fault_value(parse, row, value, "must be yes or no");
}

static void store_choice(struct parse *parse, const struct conf_row *row,
                         const char *value)
{
    for (int i = 0; row->choices[i] != NULL; i++) {
        if (strcmp(row->choices[i], value) == 0) {
            *(int *)field_of(row, parse->conf) = i;
            return;
        }
    }
    struct buffer what = buffer_init(1024);
    buffer_append_text(&what, "must be ");
    for (int i = 0; row->choices[i] != NULL; i++) {
        const char *separator = i == 0 ? "" : row->choices[i + 1] == NULL ? " or " : ", ";
        buffer_printf(&what, "%s'%s'", separator, row->choices[i]);
    }
    fault_value(parse, row, value,
                what.error == 0 ? buffer_text(&what) : "no such choice");
    buffer_free(&what);
}

static void store_value(struct parse *parse, const struct conf_row *row,
                        const char *value)
{
    if (*value == '\0' && row->type != CONF_TEXT) {
        fault_value(parse, row, value, "must not be empty");
        return;
    }
    switch (row->type) {
    case CONF_TEXT:
        store_text(parse, row, value);
        break;
    case CONF_TEXTS:
        store_texts(parse, row, value);
        break;
    case CONF_NUMBER:
    case CONF_DURATION:
        store_number(parse, row, value);
        break;
    case CONF_BOOL:
        store_bool(parse, row, value);
        break;
    case CONF_CHOICE:
        store_choice(parse, row, value);
        break;
    }
}

static bool has_section(const struct parse *parse, const char *section)
{
    for (size_t i = 0; i < parse->row_count; i++) {
        if (strcmp(parse->rows[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

/* ini_handler: 1 always, since the faults are counted here. */
static int take_value(void *context, const char *section, const char *key,
                      const char *value)
{
    struct parse *parse = context;
    if (!parse->is_known_section || parse->error != 0) {
        return 1;
    }
    for (size_t i = 0; i < parse->row_count; i++) {
        const struct conf_row *row = &parse->rows[i];
        if (strcmp(row->section, section) != 0 || strcmp(row->key, key) != 0) {
            continue;
        }
        if (parse->seen_line[i] != 0 && row->type != CONF_TEXTS) {
            char what[64];
            text_format(what, sizeof(what), "is given twice, first on line %u",
                        parse->seen_line[i]);
            fault_value(parse, row, value, what);
            return 1;
        }
        if (parse->seen_line[i] == 0) {
            parse->seen_line[i] = parse->line;
        }
        store_value(parse, row, value);
        return 1;
    }
    char quoted[QUOTE_BYTES];
    quote(quoted, key);
    fault_start(parse);
    buffer_printf(parse->report, "[%s] %s: unknown key", section, quoted);
    suggest(parse, section, key);
    return 1;
}

/* Looks at a "[section]" line; END is behind its last character. */
static void check_section(struct parse *parse, const char *line, const char *end)
{
    char section[QUOTE_BYTES];
    const char *bracket = memchr(line, ']', (size_t)(end - line));
    parse->is_known_section = false;
    parse->is_in_section = true;
    if (bracket == NULL) {
        fault_line(parse, "a section must end with ']'");
        return;
    }
    text_printable(section, sizeof(section), line + 1, (size_t)(bracket - line - 1));
    parse->is_known_section = has_section(parse, section);
    if (!parse->is_known_section) {
        fault_start(parse);
        buffer_printf(parse->report, "[%s]: unknown section", section);
        suggest(parse, NULL, section);
    }
}

/* Says what is wrong with a line that inih would skip or misread. */
static void check_line(struct parse *parse, const char *line, size_t size)
{
    const char *end = line + size;
    if (size == 0) {
        return;
    }
    if (*line == '[') {
        check_section(parse, line, end);
        return;
    }
    if (memchr(line, '=', size) == NULL && memchr(line, ':', size) == NULL) {
        fault_line(parse, "must be 'key = value', '[section]' or '# comment'");
    } else if (!parse->is_in_section) {
        fault_line(parse, "a key must stand below a [section]");
    }
}

/* ini_reader: the next line into RET_LINE, or NULL at the end. Blanks before it are
 * dropped: to inih an indented line continues the value above, so an indented "key =
 * value" would be lost in it. A line too long for inih is handed over empty; inih would
 * go on in its middle as if it were a new line. */
static char *next_line(char *ret_line, int capacity, void *context)
{
    struct parse *parse = context;
    if (*parse->at == '\0' || parse->error != 0) {
        return NULL;
    }
    const char *line = parse->at;
    size_t size = strcspn(line, "\n");
    parse->at += size + (line[size] == '\n' ? 1 : 0);
    parse->line++;
    while (size > 0 && (*line == ' ' || *line == '\t' || *line == '\r')) {
        line++;
        size--;
    }
    bool is_comment = size > 0 && (*line == ';' || *line == '#');
    if (is_comment) {
        size = 0;
    } else if (size > LINE_MAX_BYTES || size + 2 > (size_t)capacity) {
        char what[80];
        text_format(what, sizeof(what), "the line is longer than %d bytes",
                    LINE_MAX_BYTES);
        fault_line(parse, what);
        size = 0;
    } else {
        check_line(parse, line, size);
    }
    memcpy(ret_line, line, size);
    ret_line[size] = '\n';
    ret_line[size + 1] = '\0';
    return ret_line;
}

/* Defaults, and keys that must be there. A default that does not hold to its row is a bug
 * of ours. */
static void fill_absent(struct parse *parse)
{
    parse->line = 0;
    for (size_t i = 0; i < parse->row_count && parse->error == 0; i++) {
        const struct conf_row *row = &parse->rows[i];
        if (parse->seen_line[i] != 0) {
            continue;
        }
        if (row->required) {
            fault_start(parse);
            buffer_printf(parse->report,
                          "[%s] %s: is required, and there is no default\n", row->section,
                          row->key);
        } else if (row->fallback != NULL) {
            store_value(parse, row, row->fallback);
        }
    }
}

int conf_parse(const char *name, const char *text, const struct conf_row *rows,
               size_t row_count, void *conf, struct buffer *report)
{
    struct parse parse = {.name = name,
                          .at = text_starts_with(text, byte_order_mark) ? text + 3 : text,
                          .rows = rows,
                          .row_count = row_count,
                          .conf = conf,
                          .report = report};
    parse.seen_line = calloc(row_count > 0 ? row_count : 1, sizeof(*parse.seen_line));
    if (parse.seen_line == NULL) {
        return ERROR_MEMORY;
    }
    int wrong_line = ini_parse_stream(next_line, &parse, take_value, &parse);
    if (wrong_line != 0 && !parse.failed && parse.error == 0) {
        parse.line = wrong_line > 0 ? (unsigned)wrong_line : 0;
        fault_line(&parse, "must be 'key = value', '[section]' or '# comment'");
    }
    fill_absent(&parse);
    free(parse.seen_line);
    if (parse.error != 0) {
        return parse.error;
    }
    return parse.failed ? ERROR_SYNTAX : 0;
}

int conf_read(const char *path, const struct conf_row *rows, size_t row_count, void *conf,
              struct buffer *report)
{
    struct buffer text = buffer_init(LIMIT_FILE_BYTES);
    int error = file_read(path, &text);
    if (error != 0) {
        const char *why = error == ERROR_IO || error == ERROR_NOT_FOUND
                              ? strerror(errno)
                              : error_text(error);
        buffer_printf(report, "%s: %s\n", path, why);
    } else if (memchr(buffer_text(&text), '\0', text.size) != NULL) {
        buffer_printf(report, "%s: holds a NUL byte; a configuration file is text\n",
                      path);
        error = ERROR_SYNTAX;
    } else {
        error = conf_parse(path, buffer_text(&text), rows, row_count, conf, report);
    }
    buffer_free(&text);
    return error;
}

void conf_free(const struct conf_row *rows, size_t row_count, void *conf)
{
    for (size_t i = 0; i < row_count; i++) {
        if (rows[i].type == CONF_TEXT) {
            char **field = field_of(&rows[i], conf);
            free(*field);
            *field = NULL;
        } else if (rows[i].type == CONF_TEXTS) {
            struct conf_texts *texts = field_of(&rows[i], conf);
            for (size_t j = 0; j < texts->count; j++) {
                free(texts->at[j]);
            }
            free(texts->at);
            *texts = (struct conf_texts){0};
        }
    }
}
