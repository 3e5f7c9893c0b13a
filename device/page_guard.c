#include "device/page_guard.h"

#include "base/core/text.h"
#include "device/page_text.h"

#include <string.h>

/* The host without port and brackets; false when it does not look like one. */
static bool split_host(const char *header, char ret_host[static PAGE_GUARD_HOST_CAPACITY])
{
    const char *start = header;
    size_t size = strcspn(header, ":");
    const char *end = header + size;
    if (header[0] == '[') {
        start = header + 1;
        size = strcspn(start, "]");
        if (start[size] != ']') {
            return false;
        }
        end = start + size + 1;
    }
    if (*end != '\0' && (*end != ':' || strlen(end + 1) > 5 ||
                         end[1 + strspn(end + 1, "0123456789")] != '\0')) {
        return false;
    }
    if (size == 0 || size >= PAGE_GUARD_HOST_CAPACITY) {
        return false;
    }
    memcpy(ret_host, start, size);
    ret_host[size] = '\0';
    text_lower(ret_host);
    if (size > 1 && ret_host[size - 1] == '.') {
        ret_host[size - 1] = '\0';
    }
    return true;
}

static bool is_label(const char *text, size_t size)
{
    return size > 0 && size <= 63 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") >= size;
}

/* "<id>.<zone>" or one label more. */
static bool is_under_id(const char *host, const struct device_status *status)
{
    char apex[PAGE_GUARD_HOST_CAPACITY];
    if (status->zone[0] == '\0' ||
        !text_format(apex, sizeof(apex), "%s.%s", status->id, status->zone)) {
        return false;
    }
    const char *dot = strchr(host, '.');
    return strcmp(host, apex) == 0 || (dot != NULL && strcmp(dot + 1, apex) == 0 &&
                                       is_label(host, (size_t)(dot - host)));
}

static bool is_local(const char *host, const struct device_status *status)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, status->local_name) == 0 ||
           (status->mdns_name != NULL && strcmp(host, status->mdns_name) == 0);
}

static bool is_owner_host(const char *host, const struct device_status *status)
{
    return status->owner_host != NULL && status->owner_host[0] != '\0' &&
           strcmp(host, status->owner_host) == 0;
}

enum page_guard_host page_guard_host(const char *header,
                                     const struct device_status *status,
                                     char ret_host[static PAGE_GUARD_HOST_CAPACITY])
{
    char host[PAGE_GUARD_HOST_CAPACITY];
    enum page_guard_host kind = PAGE_GUARD_FOREIGN;
    struct lanname_address literal;
    if (header != NULL && split_host(header, host)) {
        bool is_bracketed = header[0] == '[';
        if (lanname_address_parse(host, &literal)) {
            kind = is_bracketed == (literal.family == 6) ? PAGE_GUARD_ADDRESS
                                                         : PAGE_GUARD_FOREIGN;
        } else if (!is_bracketed) {
            kind = is_under_id(host, status)     ? PAGE_GUARD_NAMED
                   : is_local(host, status)      ? PAGE_GUARD_LOCAL
                   : is_owner_host(host, status) ? PAGE_GUARD_OWNER
                                                 : PAGE_GUARD_FOREIGN;
        }
    }
    text_copy(ret_host, PAGE_GUARD_HOST_CAPACITY, kind != PAGE_GUARD_FOREIGN ? host : "");
    return kind;
}

void page_guard_headers(struct http_exchange *exchange, const char *policy)
{
    http_exchange_add_header(exchange, "Content-Security-Policy", policy);
    http_exchange_add_header(exchange, "X-Content-Type-Options", "nosniff");
    http_exchange_add_header(exchange, "Referrer-Policy", "same-origin");
    http_exchange_add_header(exchange, "Cache-Control", "no-store");
}

void page_guard_refuse(struct http_exchange *exchange, int status, const char *sentence)
{
    http_exchange_respond(exchange, status, "text/plain; charset=utf-8", sentence,
                          strlen(sentence));
}

bool page_guard_is_read(const struct http_exchange *exchange)
{
    const char *method = http_exchange_method(exchange);
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

void page_guard_refuse_write(struct http_exchange *exchange)
{
    http_exchange_add_header(exchange, "Allow", "GET, HEAD");
    page_guard_refuse(exchange, 405, page_text(PAGE_TEXT_WRONG_METHOD));
}
