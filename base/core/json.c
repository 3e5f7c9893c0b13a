/* jansson of the distributions has no limit on depth in all its functions, and parses
 * recursively; so depth and size are measured over the raw text before jansson sees it.
 * The scan only needs to know where strings begin and end: brackets inside them do not
 * count. It never accepts anything by itself, jansson judges the syntax. */
#include "base/core/json.h"

#include "base/core/limits.h"

static bool is_too_deep(const uint8_t *text, size_t size)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
            if (depth > LIMIT_JSON_DEPTH) {
                return true;
            }
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

int json_parse(const void *data, size_t size, size_t max_bytes, json_t **ret_value)
{
    if (size > max_bytes) {
        return ERROR_LIMIT;
    }
    if (size == 0) {
        return ERROR_SYNTAX;
    }
    if (is_too_deep(data, size)) {
        return ERROR_LIMIT;
    }
    json_error_t fault = {0};
    json_t *value =
        json_loadb(data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (value == NULL) {
        /* A failed allocation mostly leaves no text; in the middle of a string it looks
         * like an invalid token, and can't be told from one. */
        return fault.text[0] == '\0' ? ERROR_MEMORY : ERROR_SYNTAX;
    }
    *ret_value = value;
    return 0;
}

static int append_chunk(const char *chunk, size_t size, void *context)
{
    return buffer_append(context, chunk, size);
}

int json_dump(const json_t *value, struct buffer *buffer)
{
    size_t size = buffer->size;
    if (json_dump_callback(value, append_chunk, buffer, JSON_COMPACT | JSON_ENCODE_ANY) ==
        0) {
        return 0;
    }
    if (buffer->error != 0) {
        return buffer->error;
    }
    /* Nothing half-written stays behind when jansson itself ran out of memory. */
    buffer->size = size;
    if (buffer->data != NULL) {
        buffer->data[size] = '\0';
    }
    return value == NULL ? ERROR_INTERNAL : ERROR_MEMORY;
}

const char *json_get_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

json_t *json_get_object(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_object(value) ? value : NULL;
}

json_t *json_get_array(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_array(value) ? value : NULL;
}

int64_t json_get_i64(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool json_get_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

/* Octets of the UTF-8 sequence at TEXT (RFC 3629 4: no overlong forms, no surrogates,
 * nothing above U+10FFFF), 0 when there is none. The NUL ends every wrong sequence before
 * it is passed. */
static size_t utf8_size(const uint8_t *text)
{
    if (text[0] < 0x80) {
        return 1;
    }
    size_t size = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    uint8_t second_min = text[0] == 0xe0 ? 0xa0 : text[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t second_max = text[0] == 0xed ? 0x9f : text[0] == 0xf4 ? 0x8f : 0xbf;
    if (text[0] < 0xc2 || text[0] > 0xf4 || text[1] < second_min ||
        text[1] > second_max) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if (text[i] < 0x80 || text[i] > 0xbf) {
            return 0;
        }
    }
    return size;
}

int json_set_text(json_t *object, const char *key, const char *text)
{
    if (text == NULL) {
        return 0;
    }
    /* json_string would fail in the same way for bad bytes and for want of memory. */
    for (const uint8_t *at = (const uint8_t *)text; *at != '\0'; at += utf8_size(at)) {
        if (utf8_size(at) == 0) {
            return ERROR_SYNTAX;
        }
    }
    return json_set_take(object, key, json_string_nocheck(text));
}

int json_set_i64(json_t *object, const char *key, int64_t value)
{
    return json_set_take(object, key, json_integer(value));
}

int json_set_bool(json_t *object, const char *key, bool value)
{
    return json_set_take(object, key, json_boolean(value));
}

int json_set_take(json_t *object, const char *key, json_t *value)
{
    if (value == NULL) {
        return ERROR_MEMORY;
    }
    return json_object_set_new(object, key, value) == 0 ? 0 : ERROR_MEMORY;
}
