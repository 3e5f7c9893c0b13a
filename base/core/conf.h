/* Configuration files (INI, read by libinih) held to a table of rows. A wrong line is
 * reported with file, line, section, key and what is allowed; all wrong lines are
 * reported, not only the first. A line has at most 190 bytes; '#' or ';' at its start and
 * " ;" in it begin a comment; indentation means nothing; a key given twice is a fault
 * (CONF_TEXTS apart). */
#ifndef BASE_CORE_CONF_H
#define BASE_CORE_CONF_H

#include "base/core/buffer.h"

enum conf_type {
    CONF_TEXT,   /* char * ; allocated, freed by conf_free */
    CONF_TEXTS,  /* struct conf_texts ; may be given several times, values split at blanks
                  */
    CONF_NUMBER, /* uint64_t ; min..max of the row */
    CONF_DURATION, /* uint64_t seconds ; "90s", "2h", "30d" ; min..max of the row */
    CONF_BOOL,     /* bool ; yes/no, true/false, on/off, 1/0 */
    CONF_CHOICE,   /* int ; index into the row's choices */
};

struct conf_texts {
    char **at;
    size_t count;
};

struct conf_row {
    const char *section;
    const char *key;
    enum conf_type type;
    size_t offset;              /* offsetof the field in the caller's struct */
    const char *fallback;       /* text of the default; NULL: none (field stays zero) */
    bool required;              /* an error when absent, its section or not */
    uint64_t min, max;          /* numbers and durations; max 0: none */
    const char *const *choices; /* NULL-terminated, for CONF_CHOICE */
    /* Optional: says whether one value is good; else a sentence of what is allowed. */
    const char *(*check)(const char *value);
    size_t max_count; /* CONF_TEXTS: how many at most; must be set */
};

/* Reads PATH into CONF (zeroed by the caller) by ROWS, and fills in defaults. On any
 * wrong line returns ERROR_SYNTAX (ERROR_NOT_FOUND/ERROR_IO when it can't be read) with
 * one line of text per fault in REPORT: "relay.conf:12: [dns] listen = 'x': must be
 * address:port". CONF must be freed in any case. */
int conf_read(const char *path, const struct conf_row *rows, size_t row_count, void *conf,
              struct buffer *report) MUST_CHECK;
/* The same from text in memory; NAME stands for the path in the report. */
int conf_parse(const char *name, const char *text, const struct conf_row *rows,
               size_t row_count, void *conf, struct buffer *report) MUST_CHECK;
/* Frees texts; numbers stay. CONF may be zero, or half filled by a failed read. */
void conf_free(const struct conf_row *rows, size_t row_count, void *conf);

#endif
