#include "relay/admin/exposition.h"

#include "base/core/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_CAPACITY = 40, LINE_MAX_BYTES = 1024 };

/* Cuts the next line off TEXT; false at the end. */
static bool next_line(struct bytes *text, struct bytes *ret_line)
{
    if (text->size == 0) {
        return false;
    }
    const uint8_t *end = memchr(text->data, '\n', text->size);
    size_t size = end != NULL ? (size_t)(end - text->data) : text->size;
    *ret_line = (struct bytes){text->data, size};
    size_t used = end != NULL ? size + 1 : size;
    *text = (struct bytes){text->data + used, text->size - used};
    return true;
}

/* A finite number at the start of DATA, up to a blank or the end. */
static bool read_number(const uint8_t *data, size_t size, double *ret_value)
{
    char text[NUMBER_CAPACITY];
    char *end = NULL;
    size_t count = 0;
    while (count < size && data[count] != ' ') {
        count++;
    }
    if (count == 0 || count >= sizeof(text)) {
        return false;
    }
    memcpy(text, data, count);
    text[count] = '\0';
    if (strspn(text, "0123456789+-.eE") != count) {
        return false; /* NaN, +Inf, hexadecimal */
    }
    double value = strtod(text, &end);
    if (*end != '\0' || !(fabs(value) <= EXPOSITION_MAX)) {
        return false;
    }
    *ret_value = value;
    return true;
}

/* Whether LINE is NAME and a blank; then its number. */
static bool is_series(struct bytes line, const char *name, double *ret_value)
{
    size_t size = strlen(name);
    return line.size > size + 1 && memcmp(line.data, name, size) == 0 &&
           line.data[size] == ' ' &&
           read_number(line.data + size + 1, line.size - size - 1, ret_value);
}

bool exposition_value(struct bytes text, const char *series, double *ret_value)
{
    struct bytes line;
    while (next_line(&text, &line)) {
        if (line.size <= LINE_MAX_BYTES && is_series(line, series, ret_value)) {
            return true;
        }
    }
    return false;
}

/* Reads `name="value"`; false when there is none. The value's quotes are resolved. */
static bool read_label(struct reader *reader,
                       char ret_value[static EXPOSITION_LABEL_CAPACITY])
{
    size_t size = 0;
    uint8_t c = reader_u8(reader);
    while (!reader->failed && c != '=') {
        c = reader_u8(reader);
    }
    if (reader_u8(reader) != '"') {
        return false;
    }
    for (c = reader_u8(reader); !reader->failed && c != '"'; c = reader_u8(reader)) {
        if (c == '\\') {
            c = reader_u8(reader);
            c = c == 'n' ? '\n' : c;
        }
        if (size + 1 < EXPOSITION_LABEL_CAPACITY) {
            ret_value[size++] = (char)c;
        }
    }
    ret_value[size] = '\0';
    return !reader->failed;
}

static bool read_series(struct bytes line, char values[2][EXPOSITION_LABEL_CAPACITY],
                        double *ret_value)
{
    struct reader reader = reader_init(line.data, line.size);
    uint8_t separator = ',';
    for (size_t i = 0; separator == ',' && i < 2; i++) {
        if (!read_label(&reader, values[i])) {
            return false;
        }
        separator = reader_u8(&reader);
    }
    if (reader.failed || separator != '}' || reader_u8(&reader) != ' ' || reader.failed) {
        return false;
    }
    size_t left = reader_left(&reader);
    struct bytes rest = reader_bytes(&reader, left);
    return !reader.failed && read_number(rest.data, rest.size, ret_value);
}

void exposition_each(struct bytes text, const char *family, exposition_fn *fn, void *arg)
{
    size_t size = strlen(family);
    struct bytes line;
    while (next_line(&text, &line)) {
        char values[2][EXPOSITION_LABEL_CAPACITY] = {"", ""};
        double value = 0;
        if (line.size > size + 1 && line.size <= LINE_MAX_BYTES &&
            memcmp(line.data, family, size) == 0 && line.data[size] == '{' &&
            read_series((struct bytes){line.data + size + 1, line.size - size - 1},
                        values, &value)) {
            fn(values[0], values[1], value, arg);
        }
    }
}
