#include "device/page_form.h"

#include "base/core/html.h"
#include "base/core/text.h"

#include <string.h>

enum { BOUNDARY_MAX = 70, PART_HEAD_MAX = 1024, PARTS_MAX = 16 };

/* The delimiter "\r\n--boundary" that CONTENT_TYPE announces (RFC 2046 5.1.1). */
static bool find_delimiter(const char *content_type,
                           char ret_delimiter[static BOUNDARY_MAX + 5])
{
    const char *at = strstr(content_type, "boundary=");
    if (at == NULL) {
        return false;
    }
    at += strlen("boundary=");
    size_t size = at[0] == '"' ? strcspn(at + 1, "\"") : strcspn(at, "; \t");
    at += at[0] == '"' ? 1 : 0;
    return size > 0 && size <= BOUNDARY_MAX &&
           text_format(ret_delimiter, BOUNDARY_MAX + 5, "\r\n--%.*s", (int)size, at);
}

/* Whether a part's headers say that it is the field NAME; and whether it is a file. */
static bool is_field(const uint8_t *head, size_t size, const char *name,
                     bool *ret_is_file)
{
    char text[PART_HEAD_MAX + 1];
    char wanted[80];
    if (size > PART_HEAD_MAX || memchr(head, '\0', size) != NULL ||
        !text_format(wanted, sizeof(wanted), " name=\"%s\"", name)) {
        return false;
    }
    memcpy(text, head, size);
    text[size] = '\0';
    *ret_is_file = strstr(text, " filename=\"") != NULL;
    return strstr(text, wanted) != NULL;
}

static int take_part(const uint8_t *start, size_t size, bool is_file,
                     struct buffer *value)
{
    if (!is_file && memchr(start, '\0', size) != NULL) {
        return ERROR_SYNTAX;
    }
    return size > 0 ? buffer_append(value, start, size) : 0;
}

static int multipart_value(struct bytes body, const char *delimiter, const char *name,
                           struct buffer *value)
{
    size_t delimiter_size = strlen(delimiter);
    const uint8_t *end = body.data + body.size;
    /* The first delimiter has no line end before it. */
    const uint8_t *at = body.data;
    if (body.size < delimiter_size - 2 ||
        memcmp(at, delimiter + 2, delimiter_size - 2) != 0) {
        return ERROR_SYNTAX;
    }
    at += delimiter_size - 2;
    for (unsigned i = 0; i < PARTS_MAX; i++) {
        bool is_file = false;
        if (end - at >= 2 && memcmp(at, "--", 2) == 0) {
            return ERROR_NOT_FOUND;
        }
        const uint8_t *head = at;
        const uint8_t *stop = memmem(head, (size_t)(end - head), "\r\n\r\n", 4);
        if (stop == NULL) {
            return ERROR_SYNTAX;
        }
        const uint8_t *start = stop + 4;
        /* An empty value's delimiter shares the line end of its headers' end. */
        const uint8_t *next =
            memmem(start - 2, (size_t)(end - start) + 2, delimiter, delimiter_size);
        if (next == NULL) {
            return ERROR_SYNTAX;
        }
        if (is_field(head, (size_t)(stop - head), name, &is_file)) {
            return take_part(start, next > start ? (size_t)(next - start) : 0, is_file,
                             value);
        }
        at = next + delimiter_size;
    }
    return ERROR_LIMIT;
}

int page_form_value(const char *content_type, struct bytes body, const char *name,
                    struct buffer *value)
{
    static const char url_type[] = "application/x-www-form-urlencoded";
    static const char part_type[] = "multipart/form-data";
    char delimiter[BOUNDARY_MAX + 5];
    if (content_type == NULL) {
        return ERROR_SYNTAX;
    }
    size_t size = strcspn(content_type, "; \t");
    if (size == strlen(url_type) && strncmp(content_type, url_type, size) == 0) {
        return html_form_value(body, name, value);
    }
    if (size == strlen(part_type) && strncmp(content_type, part_type, size) == 0 &&
        find_delimiter(content_type, delimiter)) {
        return multipart_value(body, delimiter, name, value);
    }
    return ERROR_SYNTAX;
}
