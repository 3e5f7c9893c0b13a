/* No script, no style, no form, nothing that is written: enough for a person to find the
 * name that browsers trust, and for a program to read the state. */
#include "device/essential_page.h"

#include "base/core/json.h"
#include "base/core/text.h"
#include "device/page_guard.h"
#include "device/page_text.h"

#include <string.h>

#define POLICY "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"

enum { PAGE_BYTES = 32 << 10 };

static void escape_byte(struct buffer *html, char byte)
{
    if (strchr("&<>\"'", byte) != NULL) {
        buffer_printf(html, "&#%u;", (unsigned)(unsigned char)byte);
    } else {
        buffer_append(html, &byte, 1);
    }
}

static void escape(struct buffer *html, const char *text)
{
    for (; *text != '\0'; text++) {
        escape_byte(html, *text);
    }
}

/* A sentence of ours, in which `word` is what people type or write. */
static void append_prose(struct buffer *html, const char *text)
{
    bool is_word = false;
    for (; *text != '\0'; text++) {
        if (*text == '`' && (is_word || strchr(text + 1, '`') != NULL)) {
            buffer_append_text(html, is_word ? "</code>" : "<code>");
            is_word = !is_word;
        } else {
            escape_byte(html, *text);
        }
    }
}

static void link_to(struct buffer *html, const char *url)
{
    buffer_append_text(html, "<li><a href=\"");
    escape(html, url);
    buffer_append_text(html, "\">");
    escape(html, url);
    buffer_append_text(html, "</a></li>\n");
}

static void draw(const struct device_status *status, struct buffer *html)
{
    char url[STATUS_NAME_CAPACITY];
    buffer_append_text(html, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                             "<meta name=\"viewport\" content=\"width=device-width\">"
                             "<title>latchkey</title>\n<h1>latchkey ");
    escape(html, status->id);
    buffer_append_text(html, "</h1>\n<ul>\n");
    if (device_status_stable_url(status, url)) {
        link_to(html, url);
    }
    for (size_t i = 0; i < status->addresses->count; i++) {
        if (device_status_address_url(status, &status->addresses->at[i], url) ||
            device_status_plain_url(status, &status->addresses->at[i], url)) {
            link_to(html, url);
        }
    }
    buffer_printf(html, "</ul>\n<p>%s: %s</p>\n", life_state_text(status->state),
                  device_status_reason(status));
    if (status->failure_code[0] != '\0') {
        buffer_append_text(html, "<p>");
        append_prose(html, page_text_failure(status->failure_code));
        buffer_append_text(html, "</p>\n");
    }
    buffer_append_text(html, "</html>\n");
}

static void respond_json(struct http_exchange *exchange,
                         const struct device_status *status)
{
    struct buffer body = buffer_init(PAGE_BYTES);
    json_t *object = NULL;
    int error = device_status_to_public_json(status, &object);
    if (error == 0) {
        error = json_dump(object, &body);
    }
    http_exchange_respond(exchange, error == 0 ? 200 : 500, "application/json", body.data,
                          error == 0 ? body.size : 0);
    json_decref(object);
    buffer_free(&body);
}

static void respond_page(struct http_exchange *exchange,
                         const struct device_status *status)
{
    struct buffer html = buffer_init(PAGE_BYTES);
    draw(status, &html);
    if (html.error == 0) {
        http_exchange_respond(exchange, 200, "text/html; charset=utf-8", html.data,
                              html.size);
    } else {
        page_guard_refuse(exchange, 500, "out of memory");
    }
    buffer_free(&html);
}

void essential_page_respond(struct http_exchange *exchange,
                            const struct device_status *status)
{
    char host[PAGE_GUARD_HOST_CAPACITY];
    const char *path = http_exchange_path(exchange);
    page_guard_headers(exchange, POLICY);
    if (page_guard_host(http_exchange_header(exchange, "Host"), status, host) ==
        PAGE_GUARD_FOREIGN) {
        page_guard_refuse(exchange, 421, "not a name of this device");
    } else if (!page_guard_is_read(exchange)) {
        page_guard_refuse_write(exchange);
    } else if (strcmp(path, "/.well-known/latchkey/status.json") == 0) {
        respond_json(exchange, status);
    } else {
        respond_page(exchange, status);
    }
}
