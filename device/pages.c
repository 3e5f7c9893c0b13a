/* The page is a list of cards, each drawn by one function from the snapshot. Everything
 * that is not markup of ours goes through escape(): host names and the relay's sentences
 * come from outside. */
#include "device/pages.h"

#include "base/core/text.h"
#include "device/page_style.h"
#include "device/page_text.h"
#include "device/qr.h"

#include <string.h>

enum { HTML_BYTES = 64 << 10, HOST_CAPACITY = 256 };

#define HTML_TYPE "text/html; charset=utf-8"
#define POLICY                                                                           \
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "            \
    "form-action "                                                                       \
    "'none'; frame-ancestors 'none'"

static void escape(struct buffer *html, const char *text)
{
    for (; *text != '\0'; text++) {
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

static void element(struct buffer *html, const char *tag, const char *text)
{
    buffer_printf(html, "<%s>", tag);
    escape(html, text);
    buffer_printf(html, "</%s>", tag);
}

static void row(struct buffer *html, enum page_text label, const char *value)
{
    element(html, "dt", page_text(label));
    element(html, "dd", value);
}

/* "2027-01-05 06:30 UTC": read aloud and compared by eye more easily than RFC 3339. */
static void time_text(int64_t at, char ret_text[static TEXT_TIME_CAPACITY])
{
    char text[TEXT_TIME_CAPACITY];
    text_time(at, text);
    if (strlen(text) < 16 ||
        !text_format(ret_text, TEXT_TIME_CAPACITY, "%.10s %.5s UTC", text, text + 11)) {
        text_copy(ret_text, TEXT_TIME_CAPACITY, text);
    }
}

static void time_row(struct buffer *html, enum page_text label, int64_t at,
                     const char *note)
{
    char machine[TEXT_TIME_CAPACITY];
    char human[TEXT_TIME_CAPACITY];
    text_time(at, machine);
    time_text(at, human);
    element(html, "dt", page_text(label));
    buffer_printf(html, "<dd><time datetime=\"%s\">%s</time>", machine, human);
    if (note != NULL) {
        buffer_append_text(html, " <small>(");
        escape(html, note);
        buffer_append_text(html, ")</small>");
    }
    buffer_append_text(html, "</dd>");
}

/* In groups of four, so that two of them can be compared by eye. */
static void grouped(struct buffer *html, const char *text)
{
    buffer_append_text(html, "<code class=\"print\">");
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (i > 0 && i % 4 == 0) {
            buffer_append_text(html, " ");
        }
        buffer_append(html, text + i, 1);
    }
    buffer_append_text(html, "</code>");
}

/* Lines may break behind the dots of a long name only: never within "192-168-1-51". */
static void breakable(struct buffer *html, const char *url)
{
    char label[STATUS_NAME_CAPACITY];
    while (*url != '\0') {
        size_t size = strcspn(url, ".");
        size += url[size] == '.' ? 1 : 0;
        if (size >= sizeof(label)) {
            escape(html, url);
            return;
        }
        memcpy(label, url, size);
        label[size] = '\0';
        buffer_append_text(html, "<span>");
        escape(html, label);
        buffer_append_text(html, "</span><wbr>");
        url += size;
    }
}

static void link_to(struct buffer *html, const char *url)
{
    buffer_append_text(html, "<a href=\"");
    escape(html, url);
    buffer_append_text(html, "\">");
    breakable(html, url);
    buffer_append_text(html, "</a>");
}

static void draw_head(struct buffer *html)
{
    buffer_printf(
        html,
        "<!doctype html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
        "<title>%s</title><link rel=\"icon\" href=\"/icon.svg\">"
        "<link rel=\"stylesheet\" href=\"/style.css\"></head>\n<body><main><header>"
        "<img src=\"/icon.svg\" alt=\"\" width=\"24\" height=\"24\"><b>%s</b></header>\n",
        page_text(PAGE_TEXT_LANGUAGE), page_text(PAGE_TEXT_TITLE),
        page_text(PAGE_TEXT_TITLE));
}

static void draw_state(const struct device_status *status, bool by_name,
                       struct buffer *html)
{
    enum page_text head = PAGE_TEXT_TRUSTED_HEAD;
    enum page_text body = PAGE_TEXT_TRUSTED_BODY;
    if (!status->is_trusted) {
        bool expired = strcmp(device_status_reason(status), "expired") == 0;
        head = expired ? PAGE_TEXT_EXPIRED_HEAD : PAGE_TEXT_NEW_HEAD;
        body = expired ? PAGE_TEXT_EXPIRED_BODY : PAGE_TEXT_NEW_BODY;
    }
    buffer_printf(
        html,
        "<section class=\"state %s\"><svg viewBox=\"0 0 24 24\" aria-hidden=\"true\" "
        "fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" "
        "stroke-linecap=\"round\">%s</svg><div>",
        status->is_trusted ? "good" : "warn",
        status->is_trusted
            ? "<rect x=\"4\" y=\"10\" width=\"16\" height=\"11\" rx=\"2\"/>"
              "<path d=\"M8 10V7a4 4 0 0 1 8 0v3M9 15.5l2 2 4-4\"/>"
            : "<path d=\"M12 3 2.5 20h19zM12 10v4M12 17v.1\"/>");
    element(html, "h1", page_text(head));
    element(html, "p", page_text(body));
    if (status->is_trusted && !by_name) {
        element(html, "p", page_text(PAGE_TEXT_VISIT_NAME));
    }
    buffer_append_text(html, "</div></section>\n");
}

static void draw_failure(const struct device_status *status, struct buffer *html)
{
    if (status->failure_code[0] == '\0') {
        return;
    }
    char when[TEXT_TIME_CAPACITY];
    buffer_append_text(html, "<section>");
    element(html, "h2", page_text(PAGE_TEXT_FAILURE_HEAD));
    element(html, "p", page_text_failure(status->failure_code));
    time_text(status->failure_at, when);
    buffer_printf(html, "<p class=\"note\">%s: ", when);
    escape(html, status->failure_text);
    buffer_append_text(html, "</p>");
    if (status->next_try_s > 0) {
        bool minutes = status->next_try_s >= 120;
        buffer_printf(html, "<p class=\"note\">%s %lld %s</p>",
                      page_text(PAGE_TEXT_NEXT_TRY),
                      (long long)(minutes ? status->next_try_s / 60 : status->next_try_s),
                      page_text(minutes ? PAGE_TEXT_MINUTES : PAGE_TEXT_SECONDS));
    }
    buffer_append_text(html, "</section>\n");
}

static void draw_names(const struct device_status *status, struct buffer *html)
{
    char url[STATUS_NAME_CAPACITY];
    buffer_append_text(html, "<section>");
    element(html, "h2", page_text(PAGE_TEXT_NAMES_HEAD));
    buffer_append_text(html, "<dl>");
    if (device_status_stable_url(status, url)) {
        element(html, "dt", page_text(PAGE_TEXT_STABLE_NAME));
        buffer_append_text(html, "<dd>");
        link_to(html, url);
        buffer_append_text(html, "<br>");
        element(html, "small", page_text(PAGE_TEXT_STABLE_NOTE));
        buffer_append_text(html, "</dd>");
        element(html, "dt", page_text(PAGE_TEXT_ADDRESS_NAME));
        for (size_t i = 0; i < status->addresses->count; i++) {
            if (device_status_address_url(status, &status->addresses->at[i], url)) {
                buffer_append_text(html, "<dd>");
                link_to(html, url);
                buffer_append_text(html, "</dd>");
            }
        }
        if (status->addresses->count == 0) {
            element(html, "dd", page_text(PAGE_TEXT_NO_ADDRESSES));
        }
    }
    element(html, "dt", page_text(PAGE_TEXT_LOCAL_NAME));
    for (size_t i = 0; i < status->addresses->count; i++) {
        if (device_status_plain_url(status, &status->addresses->at[i], url)) {
            buffer_append_text(html, "<dd>");
            link_to(html, url);
            buffer_append_text(html, "</dd>");
        }
    }
    buffer_append_text(html, "<dd>");
    escape(html, status->local_name);
    buffer_append_text(html, "<br>");
    element(html, "small", page_text(PAGE_TEXT_LOCAL_NOTE));
    buffer_append_text(html, "</dd></dl></section>\n");
}

static void draw_certificate(const struct device_status *status, struct buffer *html)
{
    const struct status_certificate *used =
        status->is_trusted ? &status->trusted : &status->fallback;
    buffer_append_text(html, "<section>");
    element(html, "h2", page_text(PAGE_TEXT_CERTIFICATE_HEAD));
    buffer_append_text(html, "<dl>");
    row(html, PAGE_TEXT_IN_USE,
        page_text(status->is_trusted ? PAGE_TEXT_IN_USE_TRUSTED
                                     : PAGE_TEXT_IN_USE_FALLBACK));
    row(html, PAGE_TEXT_ISSUER, used->issuer);
    row(html, PAGE_TEXT_SERIAL, used->serial);
    time_row(html, PAGE_TEXT_VALID_UNTIL, used->not_after_at, NULL);
    if (status->is_trusted && status->renew_at != 0) {
        time_row(html, PAGE_TEXT_RENEWAL, status->renew_at,
                 status->renew_advised ? page_text(PAGE_TEXT_RENEWAL_ADVISED) : NULL);
    }
    buffer_append_text(html, "</dl></section>\n");
}

static int draw_verification(const struct device_status *status, struct buffer *html)
{
    char payload[QR_PAYLOAD_CAPACITY];
    int error = qr_payload(status->pin, status->addresses, status->port, payload);
    if (error < 0) {
        return error;
    }
    buffer_append_text(html, "<section>");
    element(html, "h2", page_text(PAGE_TEXT_VERIFY_HEAD));
    element(html, "p", page_text(PAGE_TEXT_VERIFY_BODY));
    buffer_append_text(html, "<p class=\"honest\">");
    escape(html, page_text(PAGE_TEXT_VERIFY_HONEST));
    buffer_append_text(html, "</p><div class=\"verify\"><div class=\"qr\">");
    error = qr_svg(payload, page_text(PAGE_TEXT_QR_LABEL), html);
    buffer_append_text(html, "</div><div>");
    element(html, "h3", page_text(PAGE_TEXT_LEAF_FINGERPRINT));
    grouped(html, status->fallback.fingerprint);
    buffer_append_text(html, "<small>");
    escape(html, page_text(PAGE_TEXT_LEAF_NOTE));
    buffer_append_text(html, "</small>");
    element(html, "h3", page_text(PAGE_TEXT_PIN));
    grouped(html, status->pin);
    element(html, "small", page_text(PAGE_TEXT_PIN_NOTE));
    buffer_append_text(html, "</div></div></section>\n");
    return error;
}

static void draw_device(const struct device_status *status, struct buffer *html)
{
    char addresses[512];
    own_addresses_text(status->addresses, addresses, sizeof(addresses));
    buffer_append_text(html, "<section>");
    element(html, "h2", page_text(PAGE_TEXT_DEVICE_HEAD));
    buffer_append_text(html, "<dl>");
    row(html, PAGE_TEXT_ID, status->id);
    row(html, PAGE_TEXT_RELAY, status->directory);
    row(html, PAGE_TEXT_ADDRESSES,
        status->addresses->count > 0 ? addresses : page_text(PAGE_TEXT_NO_ADDRESSES));
    time_row(html, PAGE_TEXT_TIME, status->now_at, NULL);
    buffer_append_text(html, "</dl></section>\n");
}

int pages_render(const struct device_status *status, bool by_name, struct buffer *html)
{
    draw_head(html);
    draw_state(status, by_name, html);
    draw_failure(status, html);
    draw_names(status, html);
    draw_certificate(status, html);
    int error = draw_verification(status, html);
    draw_device(status, html);
    buffer_append_text(html, "<footer>latchkey " LATCHKEY_VERSION " &middot; "
                             "<a href=\"/status.json\">status.json</a></footer>"
                             "</main></body></html>\n");
    return error < 0 ? error : html->error;
}

/* The host without port and brackets; false when it does not look like one. */
static bool split_host(const char *header, char ret_host[static HOST_CAPACITY])
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
    if (*end != '\0' && (*end != ':' || end[1 + strspn(end + 1, "0123456789")] != '\0')) {
        return false;
    }
    if (size == 0 || size >= HOST_CAPACITY) {
        return false;
    }
    memcpy(ret_host, start, size);
    ret_host[size] = '\0';
    text_lower(ret_host);
    if (ret_host[size - 1] == '.') {
        ret_host[size - 1] = '\0';
    }
    return true;
}

/* "<id>.<zone>" or one label more. */
static bool is_under_id(const char *host, const struct device_status *status)
{
    char apex[HOST_CAPACITY];
    if (status->zone[0] == '\0' ||
        !text_format(apex, sizeof(apex), "%s.%s", status->id, status->zone)) {
        return false;
    }
    const char *dot = strchr(host, '.');
    return strcmp(host, apex) == 0 || (dot != NULL && strcmp(dot + 1, apex) == 0);
}

bool pages_is_own_host(const char *host, const struct device_status *status)
{
    char name[HOST_CAPACITY];
    struct lanname_address literal;
    return host != NULL && split_host(host, name) &&
           (lanname_address_parse(name, &literal) || is_under_id(name, status) ||
            strcmp(name, status->local_name) == 0 || strcmp(name, "localhost") == 0);
}

static void respond_text(struct http_exchange *exchange, int status, enum page_text text)
{
    const char *body = page_text(text);
    http_exchange_respond(exchange, status, "text/plain; charset=utf-8", body,
                          strlen(body));
}

static void respond_status(struct http_exchange *exchange,
                           const struct device_status *status)
{
    json_t *object = NULL;
    struct buffer body = buffer_init(HTML_BYTES);
    int error = device_status_to_json(status, &object);
    if (error == 0) {
        error = json_dump(object, &body);
    }
    if (error == 0) {
        http_exchange_respond(exchange, 200, "application/json", body.data, body.size);
    } else {
        http_exchange_respond(exchange, 500, "text/plain", "", 0);
    }
    json_decref(object);
    buffer_free(&body);
}

static void respond_page(struct http_exchange *exchange,
                         const struct device_status *status)
{
    struct buffer html = buffer_init(HTML_BYTES);
    char name[HOST_CAPACITY];
    bool by_name = split_host(http_exchange_header(exchange, "Host"), name) &&
                   is_under_id(name, status);
    if (pages_render(status, by_name, &html) == 0) {
        http_exchange_respond(exchange, 200, HTML_TYPE, html.data, html.size);
    } else {
        http_exchange_respond(exchange, 500, "text/plain", "", 0);
    }
    buffer_free(&html);
}

void pages_respond(struct http_exchange *exchange, const struct device_status *status)
{
    const char *method = http_exchange_method(exchange);
    const char *path = http_exchange_path(exchange);
    http_exchange_add_header(exchange, "Content-Security-Policy", POLICY);
    http_exchange_add_header(exchange, "X-Content-Type-Options", "nosniff");
    http_exchange_add_header(exchange, "Referrer-Policy", "no-referrer");
    http_exchange_add_header(exchange, "Cache-Control", "no-store");
    if (!pages_is_own_host(http_exchange_header(exchange, "Host"), status)) {
        respond_text(exchange, 421, PAGE_TEXT_WRONG_HOST);
    } else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        http_exchange_add_header(exchange, "Allow", "GET, HEAD");
        respond_text(exchange, 405, PAGE_TEXT_WRONG_METHOD);
    } else if (strcmp(path, "/") == 0) {
        respond_page(exchange, status);
    } else if (strcmp(path, "/style.css") == 0) {
        http_exchange_respond(exchange, 200, "text/css; charset=utf-8", page_style_css,
                              strlen(page_style_css));
    } else if (strcmp(path, "/icon.svg") == 0) {
        http_exchange_respond(exchange, 200, "image/svg+xml", page_style_icon,
                              strlen(page_style_icon));
    } else if (strcmp(path, "/status.json") == 0 ||
               strcmp(path, "/.well-known/latchkey/status.json") == 0) {
        respond_status(exchange, status);
    } else {
        respond_text(exchange, 404, PAGE_TEXT_NOT_FOUND);
    }
}
