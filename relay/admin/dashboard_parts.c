#include "relay/admin/dashboard_parts.h"

#include "base/core/html.h"
#include "base/core/text.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

static const int64_t moment_max_at = INT64_C(1) << 53;

void dashboard_parts_start(const struct dashboard_view *view, const char *title,
                           struct buffer *html)
{
    buffer_append_text(
        html, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
              "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
              "<title>");
    html_escape(html, title);
    buffer_append_text(html, " – ");
    html_escape(html, view->config->zone);
    buffer_append_text(
        html, "</title><link rel=\"icon\" href=\"/icon.svg\"><link rel=\"stylesheet\" "
              "href=\"/style.css\"><script defer src=\"/live.js\"></script></head>\n"
              "<body><a class=\"skip\" href=\"#content\">To the content</a><header><b>");
    html_escape(html, view->config->zone);
    buffer_append_text(html,
                       "</b><nav aria-label=\"Pages\"><a href=\"/\">Overview</a>"
                       "<a href=\"/devices\">Devices</a></nav><span id=\"live\" "
                       "role=\"status\"></span></header>\n<main id=\"content\"><h1>");
    html_escape(html, title);
    buffer_append_text(html, "</h1>\n");
}

void dashboard_parts_end(struct buffer *html)
{
    buffer_append_text(html, "</main></body></html>\n");
}

void dashboard_parts_heading(const struct dashboard_view *view, const char *title,
                             struct buffer *html)
{
    buffer_append_text(html, "<h2>");
    html_escape(html, title);
    if (view->zone_count > 1) {
        buffer_append_text(html, " <small>");
        html_escape(html, view->zone->zone);
        buffer_append_text(html, "</small>");
    }
    buffer_append_text(html, "</h2>");
}

void dashboard_parts_span(struct buffer *html, int64_t seconds)
{
    if (seconds >= 2 * DAY_S) {
        buffer_printf(html, "%lld d", (long long)(seconds / DAY_S));
    } else if (seconds >= 2 * HOUR_S) {
        buffer_printf(html, "%lld h", (long long)(seconds / HOUR_S));
    } else if (seconds >= 2 * MINUTE_S) {
        buffer_printf(html, "%lld min", (long long)(seconds / MINUTE_S));
    } else {
        buffer_printf(html, "%lld s", (long long)seconds);
    }
}

void dashboard_parts_time(struct buffer *html, int64_t at, int64_t now_at)
{
    char text[TEXT_TIME_CAPACITY];
    /* A role that was captured may have written any number. */
    at = at > moment_max_at ? moment_max_at : at < -moment_max_at ? -moment_max_at : at;
    text_time(at, text);
    buffer_printf(html, "<time datetime=\"%s\">%.10s %.5s UTC</time> <small>(", text,
                  text, text + strlen("2027-01-05T"));
    if (at > now_at) {
        buffer_append_text(html, "in ");
        dashboard_parts_span(html, at - now_at);
    } else {
        dashboard_parts_span(html, now_at - at);
        buffer_append_text(html, " ago");
    }
    buffer_append_text(html, ")</small>");
}

void dashboard_parts_device(const struct dashboard_view *view, struct buffer *html,
                            const char *id)
{
    buffer_append_text(html, "<a class=\"id\" href=\"/device/");
    html_escape(html, id);
    if (view->zone != view->config) {
        buffer_append_text(html, "?zone=");
        html_escape(html, view->zone->zone);
    }
    buffer_append_text(html, "\">");
    html_escape(html, id);
    buffer_append_text(html, "</a>");
}

void dashboard_parts_row(struct buffer *html, const char *label, const char *mood,
                         const char *text)
{
    html_element(html, "dt", label);
    buffer_printf(html, "<dd class=\"%s\">", mood);
    html_escape(html, text);
    buffer_append_text(html, "</dd>");
}

void dashboard_parts_badge(struct buffer *html, const char *mood, const char *text)
{
    buffer_printf(html, "<span class=\"badge %s\">", mood);
    html_escape(html, text);
    buffer_append_text(html, "</span>");
}
