/* What the relay's pages for people have in common: frame, style, headers. They work without
 * scripts, set no cookies and load nothing from elsewhere. */
#ifndef RELAY_FRONT_PAGE_H
#define RELAY_FRONT_PAGE_H

#include "base/core/html.h"
#include "relay/front/request.h"

enum { PAGE_BYTES_MAX = 256 << 10 };

/* From <!doctype> to the start of <main>; TITLE is plain text. */
void page_start(const struct service *service, const char *title, struct buffer *html);
/* From the end of <main> to </html>. */
void page_end(const struct service *service, struct buffer *html);

/* Sends HTML, which is freed, and frees the request. What did not fit becomes a 500. */
void page_respond(struct request *request, int status, struct buffer *html);
/* Another kind of body, a text, that may be kept for MAX_AGE_S seconds. */
void page_respond_file(struct request *request, const char *content_type,
                       const char *data, int64_t max_age_s);

/* The style sheet and the icon. */
void page_respond_style(struct request *request);
void page_respond_icon(struct request *request);

/* "mailto:" before a mail address, an https:// address as it is: where the operator is told
 * about abuse. Appended to TEXT, not escaped. */
void page_contact(const struct service *service, struct buffer *text);

#endif
