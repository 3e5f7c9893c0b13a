#include "base/net/http_fields.h"

#include <string.h>

void http_fields_init(struct http_fields *fields, size_t max_bytes)
{
    fields->text = buffer_init(max_bytes);
    fields->count = 0;
}

void http_fields_free(struct http_fields *fields)
{
    buffer_free(&fields->text);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

int http_fields_take(struct http_fields *fields, const char *line, size_t size)
{
    while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == '\n' ||
                        is_blank(line[size - 1]))) {
        size--;
    }
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        buffer_reset(&fields->text);
        fields->count = 0;
        return ERROR_NONE;
    }
    const char *colon = memchr(line, ':', size);
    if (colon == NULL || colon == line || memchr(line, '\0', size) != NULL) {
        return ERROR_NONE;
    }
    if (fields->count == LIMIT_HTTP_FIELDS) {
        return ERROR_LIMIT;
    }
    size_t name_size = (size_t)(colon - line);
    const char *value = colon + 1;
    size_t value_size = size - name_size - 1;
    while (value_size > 0 && is_blank(*value)) {
        value++;
        value_size--;
    }
    for (size_t i = 0; i < name_size; i++) {
        char c = line[i];
        buffer_append_u8(&fields->text,
                         (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
    }
    buffer_append_u8(&fields->text, '\0');
    buffer_append(&fields->text, value, value_size);
    int error = buffer_append_u8(&fields->text, '\0');
    if (error == ERROR_NONE) {
        fields->count++;
    }
    return error;
}

const struct http_header *http_fields_table(struct http_fields *fields)
{
    const char *at = buffer_text(&fields->text);
    for (size_t i = 0; i < fields->count; i++) {
        fields->table[i].name = at;
        at += strlen(at) + 1;
        fields->table[i].value = at;
        at += strlen(at) + 1;
    }
    return fields->table;
}
