/* Pieces that the dashboard's pages share. */
#ifndef RELAY_ADMIN_DASHBOARD_PARTS_H
#define RELAY_ADMIN_DASHBOARD_PARTS_H

#include "relay/admin/dashboard_page.h"

/* From <!doctype> to the start of <main>, and from its end to </html>. */
void dashboard_parts_start(const struct dashboard_view *view, const char *title,
                           struct buffer *html);
void dashboard_parts_end(struct buffer *html);
/* <h2>TITLE</h2>, with the zone's name when there are several. */
void dashboard_parts_heading(const struct dashboard_view *view, const char *title,
                             struct buffer *html);
/* "2027-01-05 06:30 UTC (3 h ago)". */
void dashboard_parts_time(struct buffer *html, int64_t at, int64_t now_at);
/* "3 h". */
void dashboard_parts_span(struct buffer *html, int64_t seconds);
/* A link to a device's page. */
void dashboard_parts_device(const struct dashboard_view *view, struct buffer *html,
                            const char *id);
/* <dt>label</dt><dd class="MOOD">text</dd>. */
void dashboard_parts_row(struct buffer *html, const char *label, const char *mood,
                         const char *text);
/* A word with a colour: MOOD is "good", "warn", "bad" or "". */
void dashboard_parts_badge(struct buffer *html, const char *mood, const char *text);

#endif
