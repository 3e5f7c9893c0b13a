#include "device/resolv_conf.h"

#include "base/core/file.h"

#include <arpa/nameser.h>
#include <string.h>

enum { FILE_BYTES = 16 << 10 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void take_server(const char *text, size_t size, struct resolv_conf *conf)
{
    char address[ADDRESS_TEXT_CAPACITY];
    struct address server;
    if (size >= sizeof(address)) {
        conf->unusable++;
        return;
    }
    memcpy(address, text, size);
    address[size] = '\0';
    if (address[0] == '/' || strlen(address) != size || strchr(address, ']') != NULL ||
        address_parse(address, NAMESERVER_PORT, &server) != 0 ||
        address_port(&server) != NAMESERVER_PORT) {
        conf->unusable++;
    } else if (conf->count < RESOLV_CONF_SERVERS_MAX) {
        conf->servers[conf->count++] = server;
    }
}

static void parse_line(const char *line, size_t size, struct resolv_conf *conf)
{
    static const char word[] = "nameserver";
    size_t at = sizeof(word) - 1;
    if (size <= at || memcmp(line, word, at) != 0 || !is_blank(line[at])) {
        return;
    }
    while (at < size && is_blank(line[at])) {
        at++;
    }
    size_t start = at;
    while (at < size && !is_blank(line[at]) && line[at] != '#' && line[at] != ';') {
        at++;
    }
    if (at > start) {
        take_server(line + start, at - start, conf);
    }
}

void resolv_conf_parse(const char *text, size_t size, struct resolv_conf *ret_conf)
{
    *ret_conf = (struct resolv_conf){.count = 0};
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t line = end != NULL ? (size_t)(end - text) : size;
        size_t taken = line + (end != NULL ? 1 : 0);
        parse_line(text, line, ret_conf);
        text += taken;
        size -= taken;
    }
}

int resolv_conf_read(const char *path, struct resolv_conf *ret_conf)
{
    struct buffer text = buffer_init(FILE_BYTES);
    int error = file_read(path, &text);
    if (error == 0) {
        resolv_conf_parse(buffer_text(&text), text.size, ret_conf);
    }
    buffer_free(&text);
    return error;
}
