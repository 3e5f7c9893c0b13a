#include "relay/admin/ct_log.h"

#include "base/core/json.h"
#include "base/core/text.h"

#include <string.h>

/* Hex with any case, colons and leading zeros, as different monitors write it; whole octets, as the
 * store has it. */
static int read_serial(const char *text, char ret_serial[static CT_LOG_SERIAL_CAPACITY])
{
    size_t size = 0;
    if (text == NULL || text[0] == '\0') {
        return ERROR_SYNTAX;
    }
    for (; *text != '\0'; text++) {
        char c = *text >= 'A' && *text <= 'F' ? (char)(*text + ('a' - 'A')) : *text;
        if (c == ':' || (c == '0' && size == 0)) {
            continue;
        }
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) ||
            size + 1 == CT_LOG_SERIAL_CAPACITY) {
            return ERROR_SYNTAX;
        }
        ret_serial[size++] = c;
    }
    if (size % 2 != 0) {
        if (size + 1 == CT_LOG_SERIAL_CAPACITY) {
            return ERROR_SYNTAX;
        }
        memmove(ret_serial + 1, ret_serial, size++);
        ret_serial[0] = '0';
    }
    ret_serial[size] = '\0';
    return size > 0 ? 0 : ERROR_SYNTAX;
}

/* "2026-11-27T06:30:00", with or without a zone: UTC. */
static int read_time(const char *text, int64_t *ret_at)
{
    char copy[48];
    if (text == NULL || strlen(text) >= sizeof(copy) - 1) {
        return ERROR_SYNTAX;
    }
    bool has_zone = strchr(text, 'Z') != NULL || strchr(text, '+') != NULL;
    return text_format(copy, sizeof(copy), "%s%s", text, has_zone ? "" : "Z")
               ? text_time_parse(copy, ret_at)
               : ERROR_SYNTAX;
}

static void copy_words(char ret_text[static CT_LOG_TEXT_CAPACITY], const char *text)
{
    text_printable(ret_text, CT_LOG_TEXT_CAPACITY, text != NULL ? text : "",
                   text != NULL ? strlen(text) : 0);
}

static int read_entry(const json_t *object, struct ct_log_entry *ret_entry)
{
    const char *names = json_get_text(object, "name_value");
    int error = read_serial(json_get_text(object, "serial_number"), ret_entry->serial);
    if (error == 0) {
        error = read_time(json_get_text(object, "not_before"), &ret_entry->not_before_at);
    }
    if (error == 0) {
        error = read_time(json_get_text(object, "not_after"), &ret_entry->not_after_at);
    }
    copy_words(ret_entry->issuer, json_get_text(object, "issuer_name"));
    copy_words(ret_entry->names, names);
    for (size_t i = 0; names != NULL && ret_entry->names[i] != '\0'; i++) {
        if (names[i] == '\n') {
            ret_entry->names[i] = ' ';
        }
    }
    return error;
}

int ct_log_read(const void *text, size_t size, ct_log_fn *fn, void *arg)
{
    json_t *root = NULL;
    int error = json_parse(text, size, CT_LOG_BYTES_MAX, &root);
    if (error != 0) {
        return error;
    }
    size_t count = json_is_array(root) ? json_array_size(root) : 0;
    error = !json_is_array(root)         ? ERROR_SYNTAX
            : count > CT_LOG_ENTRIES_MAX ? ERROR_LIMIT
                                         : 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        struct ct_log_entry entry;
        const json_t *object = json_array_get(root, i);
        error = json_is_object(object) ? read_entry(object, &entry) : ERROR_SYNTAX;
        if (error == 0) {
            error = fn(&entry, arg);
        }
    }
    json_decref(root);
    return error;
}
