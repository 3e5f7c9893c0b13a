/* The pieces that pages are made of. Everything that is not markup of ours goes through
 * html_escape(): host names, the relay's sentences, translations and the maker's name
 * come from outside. Appends to a buffer, whose sticky error says whether all went in. */
#ifndef DEVICE_PAGE_HTML_H
#define DEVICE_PAGE_HTML_H

#include "base/core/html.h"
#include "base/core/text.h"
#include "device/brand.h"
#include "device/page_text.h"

enum { PAGE_HTML_BYTES = 96 << 10 }; /* the largest page */

/* What surrounds the content of a page. */
struct page_html_frame {
    const struct brand *brand;
    enum page_text title;
    const char *script;      /* path of the page's script, or NULL */
    const char *script_name; /* what it is told: the name to try, "" : none, */
    uint16_t script_port;    /* and the port there */
    bool has_login;          /* the owner can log in: there is a second page */
    const char *csrf;        /* of the session; "" when nobody is logged in */
};

/* What a page is of, to mark it in the navigation. */
enum page_html_place { PAGE_HTML_STATUS, PAGE_HTML_OWNER, PAGE_HTML_ELSEWHERE };

/* From <!doctype> to the start of <main>, and from its end to </html>. */
void page_html_start(const struct page_html_frame *frame, enum page_html_place place,
                     struct buffer *html);
void page_html_end(struct buffer *html);

/* <TAG>text</TAG> of a text with {1} and {2}. */
void page_html_fill(struct buffer *html, const char *tag, enum page_text text,
                    const char *first, const char *second);
/* A line of a <dl>. */
void page_html_row(struct buffer *html, enum page_text label, const char *value);
/* A line of a <dl> that is a moment: "2027-03-01 06:30 UTC (in 44 days)", and NOTE behind
 * it (may be NULL). */
void page_html_time_row(struct buffer *html, enum page_text label, int64_t at,
                        int64_t now_at, const char *note);
/* In groups of four, so that two of them can be compared by eye. */
void page_html_grouped(struct buffer *html, const char *text);
/* A link that shows where it leads; lines break behind the dots of long names only. */
void page_html_link(struct buffer *html, const char *url);

/* "2027-01-05 06:30 UTC": read aloud and compared by eye more easily than RFC 3339. */
void page_html_time_text(int64_t at, char ret_text[static TEXT_TIME_CAPACITY + 8]);
/* "44 days", in the language in use. */
void page_html_span_text(int64_t seconds, struct buffer *out);
/* "in 44 days", "2 hours ago", "just now". */
void page_html_relative_text(int64_t at, int64_t now_at, struct buffer *out);

#endif
