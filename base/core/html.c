#include "base/core/html.h"

#include <string.h>

static void escape(struct buffer *html, const char *text, size_t size)
{
    for (const char *end = text + size; text < end; text++) {
        switch (*text) {
        case '&':
            buffer_append_text(html, "&amp;");
            break;
        case '<':
            buffer_append_text(html, "&lt;");
            break;
        case '>':
            buffer_append_text(html, "&gt;");
            break;
        case '"':
            buffer_append_text(html, "&quot;");
            break;
        case '\'':
            buffer_append_text(html, "&#39;");
            break;
        default:
            buffer_append(html, text, 1);
        }
    }
}

void html_escape(struct buffer *html, const char *text)
{
    escape(html, text, strlen(text));
}

void html_element(struct buffer *html, const char *tag, const char *text)
{
    buffer_printf(html, "<%s>", tag);
    html_escape(html, text);
    /* A tag may carry attributes. */
    buffer_printf(html, "</%.*s>", (int)strcspn(tag, " "), tag);
}

void html_prose(struct buffer *html, const char *tag, const char *text)
{
    const char *open = strchr(text, '`');
    const char *close = open != NULL ? strchr(open + 1, '`') : NULL;
    buffer_printf(html, "<%s>", tag);
    while (close != NULL) {
        escape(html, text, (size_t)(open - text));
        buffer_append_text(html, "<code>");
        escape(html, open + 1, (size_t)(close - open - 1));
        buffer_append_text(html, "</code>");
        text = close + 1;
        open = strchr(text, '`');
        close = open != NULL ? strchr(open + 1, '`') : NULL;
    }
    html_escape(html, text); /* with a sign that has no second, if there is one */
    buffer_printf(html, "</%.*s>", (int)strcspn(tag, " "), tag);
}

static int hex_value(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

/* "a%20b+c" -> "a b c". */
static int decode(const char *text, size_t size, struct buffer *value)
{
    for (size_t i = 0; i < size; i++) {
        char byte = text[i] == '+' ? ' ' : text[i];
        if (text[i] == '%') {
            int high = i + 2 < size ? hex_value(text[i + 1]) : -1;
            int low = i + 2 < size ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return ERROR_SYNTAX;
            }
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if (byte == '\0') {
            return ERROR_SYNTAX;
        }
        buffer_append(value, &byte, 1);
    }
    return value->error;
}

int html_form_value(struct bytes form, const char *name, struct buffer *value)
{
    const char *at = (const char *)form.data;
    size_t left = form.size;
    size_t name_size = strlen(name);
    while (left > 0) {
        const char *end = memchr(at, '&', left);
        size_t size = end != NULL ? (size_t)(end - at) : left;
        if (size > name_size && memcmp(at, name, name_size) == 0 &&
            at[name_size] == '=') {
            return decode(at + name_size + 1, size - name_size - 1, value);
        }
        if (end == NULL) {
            break;
        }
        at += size + 1;
        left -= size + 1;
    }
    return ERROR_NOT_FOUND;
}
