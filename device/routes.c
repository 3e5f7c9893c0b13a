/* /proc/net/route has a line per route: interface, destination and gateway as hexadecimal
 * numbers in the machine's byte order, flags. /proc/net/ipv6_route: destination and its
 * prefix length, source and its length, next hop, metric, two counters, flags, interface. */
#include "device/routes.h"

#include "base/core/file.h"
#include "base/core/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
    FILE_BYTES = 256 << 10,
    LINE_BYTES = 256,
    FLAG_UP = 0x1,
    FLAG_REJECT = 0x200, /* the kernel's own default of IPv6: unreachable */
    FIELDS_MAX = 10,
    FIELD_BYTES = 40,
};

struct line {
    size_t count;
    char fields[FIELDS_MAX][FIELD_BYTES];
};

/* Splits SIZE bytes at blanks; a field that is too long ends the line. */
static void split(const char *text, size_t size, struct line *ret_line)
{
    size_t at = 0;
    ret_line->count = 0;
    while (at < size && ret_line->count < FIELDS_MAX) {
        while (at < size && (text[at] == ' ' || text[at] == '\t')) {
            at++;
        }
        size_t start = at;
        while (at < size && text[at] != ' ' && text[at] != '\t') {
            at++;
        }
        if (at == start || at - start >= FIELD_BYTES) {
            return;
        }
        memcpy(ret_line->fields[ret_line->count], text + start, at - start);
        ret_line->fields[ret_line->count++][at - start] = '\0';
    }
}

/* Exactly eight hexadecimal digits, as the kernel prints a word. */
static bool read_word(const char *text, uint32_t *ret_word)
{
    uint8_t octets[4];
    size_t size = 0;
    if (strlen(text) != 8 ||
        text_hex_decode(text, 8, octets, sizeof(octets), &size) != 0) {
        return false;
    }
    *ret_word = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 |
                (uint32_t)octets[2] << 8 | octets[3];
    return true;
}

static void take_ipv4(const struct line *line, struct routes *routes)
{
    uint32_t destination = 0;
    uint32_t gateway = 0;
    uint32_t mask = 0;
    char flags[FIELD_BYTES + 8];
    uint32_t bits = 0;
    if (line->count < 8 ||
        !text_format(flags, sizeof(flags), "0000%s", line->fields[3]) ||
        !read_word(flags, &bits) || !read_word(line->fields[1], &destination) ||
        !read_word(line->fields[2], &gateway) || !read_word(line->fields[7], &mask) ||
        destination != 0 || mask != 0 || (bits & FLAG_UP) == 0 ||
        (bits & FLAG_REJECT) != 0) {
        return;
    }
    routes->has_ipv4 = true;
    if (gateway != 0 && routes->gateway[0] == '\0') {
        struct in_addr address = {.s_addr = gateway};
        inet_ntop(AF_INET, &address, routes->gateway, sizeof(routes->gateway));
    }
}

static void take_ipv6(const struct line *line, struct routes *routes)
{
    uint32_t flags = 0;
    const char *destination = line->fields[0];
    if (line->count < 10 || strspn(destination, "0") != 32 || strlen(destination) != 32 ||
        strcmp(line->fields[1], "00") != 0 || !read_word(line->fields[8], &flags) ||
        (flags & FLAG_UP) == 0 || (flags & FLAG_REJECT) != 0 ||
        strcmp(line->fields[9], "lo") == 0) {
        return;
    }
    routes->has_ipv6 = true;
}

static void for_lines(const char *text, size_t size, struct routes *routes,
                      void (*take)(const struct line *line, struct routes *routes))
{
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end != NULL ? (size_t)(end - text) : size;
        size_t taken = length + (end != NULL ? 1 : 0);
        struct line line;
        split(text, length, &line);
        take(&line, routes);
        text += taken;
        size -= taken;
    }
}

void routes_parse_ipv4(const char *text, size_t size, struct routes *routes)
{
    for_lines(text, size, routes, take_ipv4);
}

void routes_parse_ipv6(const char *text, size_t size, struct routes *routes)
{
    for_lines(text, size, routes, take_ipv6);
}

int routes_read(struct routes *ret_routes)
{
    struct routes routes = {.has_ipv4 = false};
    struct buffer text = buffer_init(FILE_BYTES);
    int error = file_read("/proc/self/net/route", &text);
    if (error == 0) {
        routes_parse_ipv4(buffer_text(&text), text.size, &routes);
        buffer_reset(&text);
        /* None on a kernel without IPv6. */
        error = file_read("/proc/self/net/ipv6_route", &text);
        if (error == 0) {
            routes_parse_ipv6(buffer_text(&text), text.size, &routes);
        }
        error = error == ERROR_NOT_FOUND ? 0 : error;
    }
    buffer_free(&text);
    if (error == 0) {
        *ret_routes = routes;
    }
    return error;
}
