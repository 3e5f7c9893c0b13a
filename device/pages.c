#include "device/pages.h"

#include "device/page_guard.h"
#include "device/page_status.h"
#include "device/well_known.h"

#include <string.h>

#define POLICY                                                                           \
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "            \
    "form-action 'self'; frame-ancestors 'none'"

static void respond_page(struct pages *pages, struct http_exchange *exchange,
                         const struct device_status *status, enum page_guard_host host)
{
    struct buffer html = buffer_init(PAGE_HTML_BYTES);
    const struct admin_session *session = page_login_session(&pages->login, exchange);
    struct page_html_frame frame = {.brand = pages->brand,
                                    .title = PAGE_TEXT_NAV_STATUS,
                                    .has_login = true,
                                    .csrf = session != NULL ? session->csrf : ""};
    struct page_status_visit visit = {.by_name = host == PAGE_GUARD_NAMED,
                                      .is_trusted = http_exchange_is_trusted(exchange)};
    if (page_status_render(status, &visit, &frame, &html) == 0) {
        http_exchange_respond(exchange, 200, "text/html; charset=utf-8", html.data,
                              html.size);
    } else {
        page_guard_refuse(exchange, 500, page_text(PAGE_TEXT_BROKEN));
    }
    buffer_free(&html);
}

static void respond_missing(struct pages *pages, struct http_exchange *exchange)
{
    struct buffer html = buffer_init(PAGE_HTML_BYTES);
    const struct admin_session *session = page_login_session(&pages->login, exchange);
    struct page_html_frame frame = {.brand = pages->brand,
                                    .title = PAGE_TEXT_NOT_FOUND,
                                    .has_login = true,
                                    .csrf = session != NULL ? session->csrf : ""};
    page_html_start(&frame, PAGE_HTML_ELSEWHERE, &html);
    buffer_append_text(&html, "<section>");
    html_element(&html, "h1", page_text(PAGE_TEXT_NOT_FOUND));
    buffer_append_text(&html, "<p><a href=\"/\">");
    html_escape(&html, page_text(PAGE_TEXT_BACK));
    buffer_append_text(&html, "</a></p></section>\n");
    page_html_end(&html);
    if (html.error == 0) {
        http_exchange_respond(exchange, 404, "text/html; charset=utf-8", html.data,
                              html.size);
    } else {
        page_guard_refuse(exchange, 500, page_text(PAGE_TEXT_BROKEN));
    }
    buffer_free(&html);
}

void pages_respond(struct pages *pages, struct http_exchange *exchange,
                   const struct device_status *status)
{
    char name[PAGE_GUARD_HOST_CAPACITY];
    enum page_guard_host host =
        page_guard_host(http_exchange_header(exchange, "Host"), status, name);
    if (host != PAGE_GUARD_FOREIGN &&
        well_known_respond(exchange, pages->brand, status)) {
        return;
    }
    page_guard_headers(exchange, POLICY);
    http_exchange_add_header(exchange, "Cross-Origin-Opener-Policy", "same-origin");
    if (host == PAGE_GUARD_FOREIGN) {
        page_guard_refuse(exchange, 421, page_text(PAGE_TEXT_WRONG_HOST));
    } else if (page_login_respond(&pages->login, exchange, pages->brand) ||
               page_owner_respond(&pages->owner, pages->agent, &pages->login,
                                  pages->brand, exchange)) {
        return;
    } else if (!page_guard_is_read(exchange)) {
        page_guard_refuse_write(exchange);
    } else if (strcmp(http_exchange_path(exchange), "/") == 0) {
        respond_page(pages, exchange, status, host);
    } else {
        respond_missing(pages, exchange);
    }
}
