/* By a list of what may be shown: a key that was added to the configuration and forgotten here
 * is left out, not shown. */
#include "device/public_config.h"

#include <stdbool.h>
#include <string.h>

enum how {
    SHOW_VALUE,
    SHOW_PROGRAM, /* the first word of a command */
    SHOW_ORIGINS, /* scheme and host of each URL */
    SHOW_KEY_URI, /* up to '?', where RFC 7512 2.4 has the PIN; '&' and ';pin' too */
    SHOW_NOTHING,
};

static const struct {
    const char *key;
    enum how how;
} keys[] = {
    {"relay", SHOW_VALUE},
    {"state_folder", SHOW_VALUE},
    {"serve", SHOW_VALUE},
    {"backend", SHOW_VALUE},
    {"proxy_protocol", SHOW_VALUE},
    {"backend_idle", SHOW_VALUE},
    {"max_connections", SHOW_VALUE},
    {"pages", SHOW_VALUE},
    {"http", SHOW_VALUE},
    {"reload", SHOW_PROGRAM},
    {"reload_timeout", SHOW_VALUE},
    {"verify", SHOW_VALUE},
    {"live_group", SHOW_VALUE},
    {"name", SHOW_VALUE},
    {"local_name", SHOW_VALUE},
    {"token_file", SHOW_VALUE},
    {"interface", SHOW_VALUE},
    {"skip_interface", SHOW_VALUE},
    {"mdns", SHOW_VALUE},
    {"address", SHOW_VALUE},
    {"ca_file", SHOW_VALUE},
    {"name_server", SHOW_VALUE},
    {"profile", SHOW_VALUE},
    {"proxy", SHOW_ORIGINS},
    {"doh", SHOW_ORIGINS},
    {"identity", SHOW_KEY_URI},
    {"openssl_provider", SHOW_VALUE},
    {"volatile_state", SHOW_VALUE},
    {"brand_name", SHOW_VALUE},
    {"brand_logo", SHOW_VALUE},
    {"brand_color", SHOW_VALUE},
    {"texts_file", SHOW_VALUE},
    {"worker", SHOW_VALUE},
    {"log", SHOW_VALUE},
};

static enum how how_of(const char *key, size_t size)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strlen(keys[i].key) == size && memcmp(keys[i].key, key, size) == 0) {
            return keys[i].how;
        }
    }
    return SHOW_NOTHING;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && is_blank((*text)[0])) {
        (*text)++;
        (*size)--;
    }
    while (*size > 0 && is_blank((*text)[*size - 1])) {
        (*size)--;
    }
}

/* "http://user:password@proxy:3128/x" becomes "http://proxy:3128/...". */
static void write_origin(const char *url, size_t size, struct buffer *public)
{
    const char *host = memmem(url, size, "://", 3);
    if (host == NULL) {
        buffer_append_text(public, "(left out)");
        return;
    }
    host += 3;
    size_t left = size - (size_t)(host - url);
    size_t end = 0;
    size_t start = 0;
    while (end < left && host[end] != '/' && host[end] != '?' && host[end] != '#') {
        start = host[end] == '@' ? end + 1 : start;
        end++;
    }
    buffer_append(public, url, (size_t)(host - url));
    buffer_append(public, host + start, end - start);
    buffer_append_text(public, end < left ? "/..." : "");
}

static void write_origins(const char *value, size_t size, struct buffer *public)
{
    while (size > 0) {
        size_t word = 0;
        while (word < size && !is_blank(value[word])) {
            word++;
        }
        write_origin(value, word, public);
        buffer_append_text(public, " ");
        value += word;
        size -= word;
        trim(&value, &size);
    }
}

/* Keeps what comes before the first of STOPS; says so when there was more. */
static void write_head(const char *value, size_t size, const char *stops,
                       struct buffer *public)
{
    size_t head = 0;
    while (head < size && strchr(stops, value[head]) == NULL) {
        head++;
    }
    buffer_append(public, value, head);
    buffer_append_text(public, head < size ? " (the rest is left out)" : "");
}

static void write_line(const char *line, size_t size, struct buffer *public)
{
    trim(&line, &size);
    if (size == 0 || line[0] == '#' || line[0] == ';') {
        return;
    }
    if (line[0] == '[') {
        buffer_append(public, line, size);
        buffer_append_text(public, "\n");
        return;
    }
    const char *equals = memchr(line, '=', size);
    if (equals == NULL) {
        buffer_append_text(public, "(a line without '=' is left out)\n");
        return;
    }
    size_t key_size = (size_t)(equals - line);
    const char *value = equals + 1;
    size_t value_size = size - key_size - 1;
    const char *key = line;
    trim(&key, &key_size);
    trim(&value, &value_size);
    buffer_append(public, key, key_size);
    buffer_append_text(public, " = ");
    switch (how_of(key, key_size)) {
    case SHOW_VALUE:
        buffer_append(public, value, value_size);
        break;
    case SHOW_PROGRAM:
        write_head(value, value_size, " \t", public);
        break;
    case SHOW_KEY_URI:
        write_head(value, value_size, "?&", public);
        break;
    case SHOW_ORIGINS:
        write_origins(value, value_size, public);
        break;
    case SHOW_NOTHING:
        buffer_append_text(public, "(left out)");
        break;
    }
    buffer_append_text(public, "\n");
}

int public_config_write(const char *text, size_t size, struct buffer *public)
{
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t line = end != NULL ? (size_t)(end - text) : size;
        size_t taken = line + (end != NULL ? 1 : 0);
        write_line(text, line, public);
        text += taken;
        size -= taken;
    }
    return public->error;
}
