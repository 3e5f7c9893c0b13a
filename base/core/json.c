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
        return json_error_code(&fault) == json_error_out_of_memory ? ERROR_MEMORY
                                                                   : ERROR_SYNTAX;
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

int json_set_text(json_t *object, const char *key, const char *text)
{
    if (text == NULL) {
        return 0;
    }
    json_t *value = json_string(text);
    if (value == NULL) {
        /* jansson does not say which it was: bytes that are no UTF-8, or memory. */
        json_t *unchecked = json_string_nocheck(text);
        bool is_memory = unchecked == NULL;
        json_decref(unchecked);
        return is_memory ? ERROR_MEMORY : ERROR_SYNTAX;
    }
    return json_set_take(object, key, value);
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
