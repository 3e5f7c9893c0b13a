#include "device/well_known.h"

#include "base/core/text.h"
#include "device/page_guard.h"
#include "device/page_status.h"
#include "device/well_known_scripts.h"

#include <string.h>

/* Of resources that are no pages: an SVG opened by itself runs nothing either. */
#define POLICY "default-src 'none'; style-src 'unsafe-inline'; sandbox"

#define HTML_TYPE "text/html; charset=utf-8"
#define SCRIPT_TYPE "text/javascript; charset=utf-8"

static void respond_buffer(struct http_exchange *exchange, const char *type, int error,
                           const struct buffer *body)
{
    if (error == 0) {
        http_exchange_respond(exchange, 200, type, body->data, body->size);
    } else {
        page_guard_refuse(exchange, 500, page_text(PAGE_TEXT_BROKEN));
    }
}

static void respond_status(struct http_exchange *exchange,
                           const struct device_status *status)
{
    json_t *object = NULL;
    struct buffer body = buffer_init(PAGE_HTML_BYTES);
    int error = device_status_to_public_json(status, &object);
    if (error == 0) {
        error = json_dump(object, &body);
    }
    respond_buffer(exchange, "application/json", error, &body);
    json_decref(object);
    buffer_free(&body);
}

static void respond_fragment(struct http_exchange *exchange,
                             const struct device_status *status)
{
    struct buffer body = buffer_init(PAGE_HTML_BYTES);
    int error = page_status_fragment(status, &body);
    respond_buffer(exchange, HTML_TYPE, error, &body);
    buffer_free(&body);
}

static void respond_style(struct http_exchange *exchange, const struct brand *brand)
{
    struct buffer body = buffer_init(PAGE_HTML_BYTES);
    int error = brand_style(brand, &body);
    respond_buffer(exchange, "text/css; charset=utf-8", error, &body);
    buffer_free(&body);
}

static void respond_logo(struct http_exchange *exchange, const struct brand *brand)
{
    const char *type = NULL;
    struct bytes logo = brand_logo(brand, &type);
    http_exchange_respond(exchange, 200, type, logo.data, logo.size);
}

static void respond_text(struct http_exchange *exchange, const char *type,
                         const char *text)
{
    http_exchange_respond(exchange, 200, type, text, strlen(text));
}

/* The page that asks is of another origin and can't read it; that it came is all there is
 * to know. Without this header, browsers would hold back even that. */
static void respond_ping(struct http_exchange *exchange)
{
    http_exchange_add_header(exchange, "Cross-Origin-Resource-Policy", "cross-origin");
    respond_text(exchange, "text/plain; charset=utf-8", "latchkey\n");
}

bool well_known_respond(struct http_exchange *exchange, const struct brand *brand,
                        const struct device_status *status)
{
    static const char *const names[] = {"style.css", "logo",       "status.json", "ping",
                                        "embed.js",  "embed.html", "way-in.js"};
    const char *path = http_exchange_path(exchange);
    size_t at = 0;
    /* The short path was there first. */
    bool is_short = strcmp(path, "/status.json") == 0;
    if (!is_short && !text_starts_with(path, WELL_KNOWN_FOLDER)) {
        return false;
    }
    const char *name = path + (is_short ? 1 : strlen(WELL_KNOWN_FOLDER));
    while (at < sizeof(names) / sizeof(names[0]) && strcmp(name, names[at]) != 0) {
        at++;
    }
    page_guard_headers(exchange, POLICY);
    if (at == sizeof(names) / sizeof(names[0])) {
        page_guard_refuse(exchange, 404, page_text(PAGE_TEXT_NOT_FOUND));
    } else if (!page_guard_is_read(exchange)) {
        page_guard_refuse_write(exchange);
    } else {
        switch (at) {
        case 0:
            respond_style(exchange, brand);
            break;
        case 1:
            respond_logo(exchange, brand);
            break;
        case 2:
            respond_status(exchange, status);
            break;
        case 3:
            respond_ping(exchange);
            break;
        case 4:
            respond_text(exchange, SCRIPT_TYPE, well_known_embed_js);
            break;
        case 5:
            respond_fragment(exchange, status);
            break;
        case 6:
            respond_text(exchange, SCRIPT_TYPE, well_known_way_in_js);
            break;
        }
    }
    return true;
}
