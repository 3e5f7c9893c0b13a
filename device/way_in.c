/* Nothing secret is here and nothing is taken: no cookies, no forms, no writes. The page
 * itself could be forged on the way, like any page by plain HTTP; so it does nothing but
 * lead to an https:// name, where the browser checks for itself.
 *
 * Trying from a page is the only way to know: whether a name is found and its certificate
 * accepted depends on the visitor's resolver and clock, not on ours. A page by plain HTTP
 * on a local address may ask a local address (Local Network Access gates public pages
 * only), and moving is a top-level navigation, which is never gated. A plain redirect would
 * strand those whose router drops the name.
 *
 * Every path answers with the page, and the script keeps the path: bookmarks of the time
 * before HTTPS go on working. */
#include "device/way_in.h"

#include "base/core/text.h"
#include "device/page_guard.h"
#include "device/page_status.h"
#include "device/well_known.h"

#include <string.h>

enum { POLICY_BYTES = 1 << 10, NAME_CAPACITY = 256 };

/* The name that carries ADDRESS, when it is ours. */
static bool address_name(const struct lanname_address *address,
                         const struct device_status *status,
                         char ret_name[static NAME_CAPACITY])
{
    char wanted[LANNAME_ADDRESS_LABEL_MAX + 1];
    char label[LANNAME_ADDRESS_LABEL_MAX + 1];
    lanname_write_label(address, wanted);
    for (size_t i = 0; i < status->addresses->count; i++) {
        lanname_write_label(&status->addresses->at[i], label);
        if (strcmp(label, wanted) == 0) {
            return text_format(ret_name, NAME_CAPACITY, "%s.%s.%s", label, status->id,
                               status->zone);
        }
    }
    return false;
}

bool way_in_target(const char *host_header, const struct device_status *status,
                   char ret_name[static 256])
{
    char host[PAGE_GUARD_HOST_CAPACITY];
    struct lanname_address address;
    enum page_guard_host kind = page_guard_host(host_header, status, host);
    if (status->zone[0] == '\0') {
        return false;
    }
    if (kind == PAGE_GUARD_OWNER ||
        /* The wildcard covers one label more than <id>.<zone>, not that name itself. */
        (kind == PAGE_GUARD_NAMED && !text_starts_with(host, status->id))) {
        return text_copy(ret_name, NAME_CAPACITY, host);
    }
    if (kind == PAGE_GUARD_ADDRESS && lanname_address_parse(host, &address) &&
        address_name(&address, status, ret_name)) {
        return true;
    }
    return text_format(ret_name, NAME_CAPACITY, "%s.%s.%s", status->label, status->id,
                       status->zone);
}

/* Where the device's own certificate is met: by the way the visitor came, or by address. */
static bool fallback_url(const char *host_header, const struct device_status *status,
                         char ret_url[static STATUS_NAME_CAPACITY])
{
    char host[PAGE_GUARD_HOST_CAPACITY];
    struct lanname_address address;
    enum page_guard_host kind = page_guard_host(host_header, status, host);
    if (kind == PAGE_GUARD_ADDRESS && lanname_address_parse(host, &address)) {
        return device_status_plain_url(status, &address, ret_url);
    }
    if (kind == PAGE_GUARD_LOCAL) {
        return device_status_host_url(status, host, ret_url);
    }
    return status->addresses->count > 0
               ? device_status_plain_url(status, &status->addresses->at[0], ret_url)
               : device_status_host_url(status, status->local_name, ret_url);
}

static enum diagnosis_level level_of(const struct device_status *status,
                                     enum diagnosis_check check)
{
    const struct diagnosis *diagnosis = status->diagnosis;
    return diagnosis != NULL && diagnosis->at != 0
               ? diagnosis_code_level(diagnosis->verdicts[check].code)
               : DIAGNOSIS_UNKNOWN;
}

static bool is_offline(const struct device_status *status)
{
    return strcmp(status->failure_code, "net") == 0 ||
           level_of(status, DIAGNOSIS_CHECK_ROUTE) == DIAGNOSIS_FAIL ||
           level_of(status, DIAGNOSIS_CHECK_RELAY) == DIAGNOSIS_FAIL;
}

/* The browser did not find the name: what the device knows decides which reason is told. */
static void draw_unfound(const struct device_status *status, struct buffer *html)
{
    buffer_append_text(html, "<div id=\"unfound\" hidden>");
    bool filtered = level_of(status, DIAGNOSIS_CHECK_PRIVATE) >= DIAGNOSIS_WARN;
    if (!filtered && is_offline(status)) {
        html_element(html, "p", page_text(PAGE_TEXT_WAY_OFFLINE));
    } else {
        page_html_fill(html, "p", PAGE_TEXT_WAY_FILTER, status->zone, NULL);
    }
    if (filtered) {
        html_element(html, "p", page_text(PAGE_TEXT_WAY_FILTER_SURE));
        page_status_settings(status->diagnosis, html);
    }
    buffer_append_text(html, "</div>");
}

static void draw_trying(const struct device_status *status, const char *name,
                        struct buffer *html)
{
    buffer_append_text(html,
                       "<section id=\"trying\" class=\"state\" role=\"status\" hidden>"
                       "<div class=\"spin\" aria-hidden=\"true\"></div><div>");
    html_element(html, "h1", page_text(PAGE_TEXT_WAY_HEAD));
    html_element(html, "p", page_text(PAGE_TEXT_WAY_TRYING));
    buffer_append_text(html, "</div></section>\n<noscript><section>");
    html_element(html, "h1", page_text(PAGE_TEXT_WAY_HEAD));
    html_element(html, "p", page_text(PAGE_TEXT_WAY_NO_SCRIPT));
    buffer_append_text(html, "</section></noscript>\n<section id=\"failed\" "
                             "class=\"warn\" tabindex=\"-1\" role=\"alert\" hidden>");
    html_element(html, "h1", page_text(PAGE_TEXT_WAY_FAILED_HEAD));
    html_element(html, "pre", name);
    draw_unfound(status, html);
    buffer_append_text(html, "<div id=\"untrusted\" hidden>");
    html_element(html, "p", page_text(PAGE_TEXT_WAY_UNTRUSTED));
    buffer_append_text(html, "</div><p><a href=\"\">");
    html_escape(html, page_text(PAGE_TEXT_WAY_AGAIN));
    buffer_append_text(html, "</a></p></section>\n");
}

static void draw_waiting(const struct device_status *status, struct buffer *html)
{
    bool expired = strcmp(device_status_reason(status), "expired") == 0;
    buffer_append_text(html, "<section class=\"warn\">");
    html_element(html, "h1", page_text(PAGE_TEXT_WAY_WAIT_HEAD));
    html_element(html, "p",
                 page_text(expired ? PAGE_TEXT_WAY_EXPIRED : PAGE_TEXT_WAY_NEW));
    if (status->failure_code[0] != '\0') {
        html_prose(html, "p", page_text_failure(status->failure_code));
    }
    buffer_append_text(html, "</section>\n");
}

static void draw_button(struct buffer *html, const char *id, const char *url,
                        enum page_text text, enum page_text note)
{
    buffer_printf(html, "<div id=\"%s\"><a class=\"button%s\" href=\"", id,
                  strcmp(id, "secure") == 0 ? "" : " second");
    html_escape(html, url);
    buffer_append_text(html, "\">");
    html_escape(html, page_text(text));
    buffer_append_text(html, "</a>");
    html_element(html, "p class=\"note\"", page_text(note));
    buffer_append_text(html, "</div>");
}

static int render(const struct brand *brand, const struct device_status *status,
                  const char *host_header, const char *name, struct buffer *html)
{
    char url[STATUS_NAME_CAPACITY];
    struct page_html_frame frame = {.brand = brand,
                                    .title = PAGE_TEXT_WAY_HEAD,
                                    .script = WELL_KNOWN_FOLDER "way-in.js",
                                    .script_name = name,
                                    .script_port = status->port,
                                    .csrf = ""};
    page_html_start(&frame, PAGE_HTML_ELSEWHERE, html);
    if (name[0] != '\0') {
        draw_trying(status, name, html);
    } else {
        draw_waiting(status, html);
    }
    buffer_append_text(html, "<section id=\"choices\">");
    if (name[0] != '\0' && device_status_host_url(status, name, url)) {
        draw_button(html, "secure", url, PAGE_TEXT_WAY_OPEN, PAGE_TEXT_WAY_OPEN_NOTE);
    }
    if (fallback_url(host_header, status, url)) {
        draw_button(html, "fallback", url, PAGE_TEXT_WAY_FALLBACK,
                    PAGE_TEXT_WAY_FALLBACK_NOTE);
    }
    buffer_append_text(html, "</section>\n");
    html_element(html, "p class=\"note\"", page_text(PAGE_TEXT_WAY_PLAIN));
    page_html_end(html);
    return html->error;
}

static void respond_page(struct http_exchange *exchange, const struct brand *brand,
                         const struct device_status *status)
{
    char name[NAME_CAPACITY] = "";
    char policy[POLICY_BYTES];
    struct buffer html = buffer_init(PAGE_HTML_BYTES);
    const char *host = http_exchange_header(exchange, "Host");
    if (!status->is_trusted || !way_in_target(host, status, name)) {
        name[0] = '\0';
    }
    /* The ports that a visitor may come by are not all known to us (forwarded ones), so
     * the name alone is pinned. */
    if (!text_format(policy, sizeof(policy),
                     "default-src 'none'; script-src 'self'; style-src 'self'; "
                     "img-src 'self'; connect-src %s%s%s%s%s; base-uri 'none'; "
                     "form-action 'none'; frame-ancestors 'none'",
                     name[0] != '\0' ? "https://" : "'none'", name,
                     name[0] != '\0' ? ":* http://" : "", name,
                     name[0] != '\0' ? ":*" : "")) {
        page_guard_refuse(exchange, 500, page_text(PAGE_TEXT_BROKEN));
        return;
    }
    page_guard_headers(exchange, policy);
    if (render(brand, status, host, name, &html) == 0) {
        http_exchange_respond(exchange, 200, "text/html; charset=utf-8", html.data,
                              html.size);
    } else {
        page_guard_refuse(exchange, 500, page_text(PAGE_TEXT_BROKEN));
    }
    buffer_free(&html);
}

void way_in_respond(struct http_exchange *exchange, const struct brand *brand,
                    const struct device_status *status)
{
    static const char refusal[] = "default-src 'none'";
    char host[PAGE_GUARD_HOST_CAPACITY];
    if (page_guard_host(http_exchange_header(exchange, "Host"), status, host) ==
        PAGE_GUARD_FOREIGN) {
        page_guard_headers(exchange, refusal);
        page_guard_refuse(exchange, 421, page_text(PAGE_TEXT_WRONG_HOST));
    } else if (well_known_respond(exchange, brand, status)) {
        return;
    } else if (strcmp(http_exchange_path(exchange), "/favicon.ico") == 0) {
        page_guard_headers(exchange, refusal);
        page_guard_refuse(exchange, 404, page_text(PAGE_TEXT_NOT_FOUND));
    } else if (!page_guard_is_read(exchange)) {
        page_guard_headers(exchange, refusal);
        page_guard_refuse_write(exchange);
    } else {
        respond_page(exchange, brand, status);
    }
}
