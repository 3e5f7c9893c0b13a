#include "device/page_html.h"

#include <string.h>

enum {
    MINUTE_S = 60,
    HOUR_S = 3600,
    DAY_S = 86400,
    SPAN_BYTES = 2 << 10,
    HTTPS_PORT = 443
};

void page_html_fill(struct buffer *html, const char *tag, enum page_text text,
                    const char *first, const char *second)
{
    struct buffer filled = buffer_init(PAGE_HTML_BYTES);
    page_text_fill(page_text(text), first, second, &filled);
    html_element(html, tag, buffer_text(&filled));
    buffer_free(&filled);
}

void page_html_row(struct buffer *html, enum page_text label, const char *value)
{
    html_element(html, "dt", page_text(label));
    html_element(html, "dd", value);
}

void page_html_time_text(int64_t at, char ret_text[static TEXT_TIME_CAPACITY + 8])
{
    char text[TEXT_TIME_CAPACITY];
    text_time(at, text);
    if (strlen(text) < 16 || !text_format(ret_text, TEXT_TIME_CAPACITY + 8,
                                          "%.10s %.5s UTC", text, text + 11)) {
        text_copy(ret_text, TEXT_TIME_CAPACITY + 8, text);
    }
}

static void fill_count(enum page_text text, int64_t count, struct buffer *out)
{
    char number[24];
    text_format(number, sizeof(number), "%lld", (long long)count);
    page_text_fill(page_text(text), number, NULL, out);
}

void page_html_span_text(int64_t seconds, struct buffer *out)
{
    if (seconds >= 2 * DAY_S) {
        fill_count(PAGE_TEXT_TIME_DAYS, seconds / DAY_S, out);
    } else if (seconds >= DAY_S) {
        fill_count(PAGE_TEXT_TIME_DAY, 1, out);
    } else if (seconds >= 2 * HOUR_S) {
        fill_count(PAGE_TEXT_TIME_HOURS, seconds / HOUR_S, out);
    } else if (seconds >= HOUR_S) {
        fill_count(PAGE_TEXT_TIME_HOUR, 1, out);
    } else if (seconds >= 2 * MINUTE_S) {
        fill_count(PAGE_TEXT_TIME_MINUTES, seconds / MINUTE_S, out);
    } else if (seconds == MINUTE_S) {
        fill_count(PAGE_TEXT_TIME_MINUTE, 1, out);
    } else {
        fill_count(PAGE_TEXT_TIME_SECONDS, seconds, out);
    }
}

void page_html_relative_text(int64_t at, int64_t now_at, struct buffer *out)
{
    int64_t ahead_s = at - now_at;
    int64_t span_s = ahead_s < 0 ? -ahead_s : ahead_s;
    struct buffer span = buffer_init(SPAN_BYTES);
    if (span_s < 2) {
        buffer_append_text(out, page_text(PAGE_TEXT_TIME_NOW));
        return;
    }
    page_html_span_text(span_s, &span);
    page_text_fill(page_text(ahead_s > 0 ? PAGE_TEXT_TIME_IN : PAGE_TEXT_TIME_AGO),
                   buffer_text(&span), NULL, out);
    buffer_free(&span);
}

void page_html_time_row(struct buffer *html, enum page_text label, int64_t at,
                        int64_t now_at, const char *note)
{
    char machine[TEXT_TIME_CAPACITY];
    char human[TEXT_TIME_CAPACITY + 8];
    struct buffer relative = buffer_init(SPAN_BYTES);
    text_time(at, machine);
    page_html_time_text(at, human);
    html_element(html, "dt", page_text(label));
    buffer_printf(html, "<dd><time datetime=\"%s\">%s</time>", machine, human);
    if (at != now_at) {
        page_html_relative_text(at, now_at, &relative);
        buffer_append_text(html, " <small>(");
        html_escape(html, buffer_text(&relative));
        if (note != NULL) {
            buffer_append_text(html, ", ");
            html_escape(html, note);
        }
        buffer_append_text(html, ")</small>");
    }
    buffer_append_text(html, "</dd>");
    buffer_free(&relative);
}

void page_html_grouped(struct buffer *html, const char *text)
{
    buffer_append_text(html, "<code class=\"print\">");
    for (size_t i = 0; text[i] != '\0'; i++) {
        char one[2] = {text[i], '\0'};
        if (i > 0 && i % 4 == 0) {
            buffer_append_text(html, " ");
        }
        html_escape(html, one);
    }
    buffer_append_text(html, "</code>");
}

/* Lines may break behind the dots of a long name only: never within "192-168-1-51". */
static void breakable(struct buffer *html, const char *url)
{
    char label[256];
    while (*url != '\0') {
        size_t size = strcspn(url, ".");
        size += url[size] == '.' ? 1 : 0;
        if (!text_format(label, sizeof(label), "%.*s", (int)size, url)) {
            html_escape(html, url);
            return;
        }
        html_element(html, "span", label);
        buffer_append_text(html, "<wbr>");
        url += size;
    }
}

void page_html_link(struct buffer *html, const char *url)
{
    buffer_append_text(html, "<a href=\"");
    html_escape(html, url);
    buffer_append_text(html, "\">");
    breakable(html, url);
    buffer_append_text(html, "</a>");
}

static void draw_navigation(const struct page_html_frame *frame,
                            enum page_html_place place, struct buffer *html)
{
    bool is_in = frame->csrf[0] != '\0';
    buffer_append_text(html, "<nav aria-label=\"");
    html_escape(html, page_text(PAGE_TEXT_NAVIGATION));
    buffer_printf(html, "\"><a href=\"/\"%s>",
                  place == PAGE_HTML_STATUS ? " aria-current=\"page\"" : "");
    html_escape(html, page_text(PAGE_TEXT_NAV_STATUS));
    buffer_printf(html, "</a><a href=\"%s\"%s>", is_in ? "/certificate" : "/login",
                  place == PAGE_HTML_OWNER ? " aria-current=\"page\"" : "");
    html_escape(html, page_text(is_in ? PAGE_TEXT_NAV_OWNER : PAGE_TEXT_NAV_LOGIN));
    buffer_append_text(html, "</a>");
    if (is_in) {
        buffer_append_text(html, "<form method=\"post\" action=\"/logout\"><input "
                                 "type=\"hidden\" name=\"csrf\" value=\"");
        html_escape(html, frame->csrf);
        buffer_append_text(html, "\"><button class=\"plain\">");
        html_escape(html, page_text(PAGE_TEXT_NAV_LOGOUT));
        buffer_append_text(html, "</button></form>");
    }
    buffer_append_text(html, "</nav>");
}

void page_html_start(const struct page_html_frame *frame, enum page_html_place place,
                     struct buffer *html)
{
    const char *name = brand_name(frame->brand);
    buffer_append_text(html, "<!doctype html>\n<html lang=\"");
    html_escape(html, page_text(PAGE_TEXT_LANGUAGE));
    buffer_append_text(html, "\" dir=\"");
    html_escape(html, page_text(PAGE_TEXT_DIRECTION));
    buffer_append_text(html, "\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                             "content=\"width=device-width,initial-scale=1\"><title>");
    html_escape(html, page_text(frame->title));
    buffer_append_text(html, " – ");
    html_escape(html, name);
    buffer_printf(html,
                  "</title><link rel=\"icon\" href=\"" BRAND_LOGO_PATH
                  "\"><link rel=\"stylesheet\" href=\"" BRAND_STYLE_PATH "\">%s%s%s",
                  frame->script != NULL ? "<script defer src=\"" : "",
                  frame->script != NULL ? frame->script : "",
                  frame->script != NULL ? "\"></script>" : "");
    buffer_append_text(html, "</head>\n<body><a class=\"skip\" href=\"#content\">");
    html_escape(html, page_text(PAGE_TEXT_SKIP));
    buffer_append_text(html,
                       "</a><header><div class=\"brand\"><img src=\"" BRAND_LOGO_PATH
                       "\" alt=\"\" height=\"32\"><b>");
    html_escape(html, name);
    buffer_append_text(html, "</b></div>");
    if (frame->has_login) {
        draw_navigation(frame, place, html);
    }
    buffer_append_text(html, "</header>\n<main id=\"content\"");
    if (frame->script != NULL) {
        buffer_append_text(html, " data-name=\"");
        html_escape(html, frame->script_name);
        buffer_append_text(html, "\" data-port=\"");
        if (frame->script_port != HTTPS_PORT) {
            buffer_printf(html, ":%u", (unsigned)frame->script_port);
        }
        buffer_append_text(html, "\"");
    }
    buffer_append_text(html, ">\n");
}

void page_html_end(struct buffer *html)
{
    buffer_append_text(html, "</main></body></html>\n");
}
