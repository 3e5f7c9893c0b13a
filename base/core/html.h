/* HTML and form values, as pages and their visitors write them. Whatever is not markup of
 * ours goes through html_escape(). Appends to a buffer, whose sticky error says whether all
 * went in. No I/O. */
#ifndef BASE_CORE_HTML_H
#define BASE_CORE_HTML_H

#include "base/core/buffer.h"
#include "base/core/reader.h"

/* TEXT with the five characters that mean something in HTML replaced: good in content and
 * in quoted attributes. */
void html_escape(struct buffer *html, const char *text);
/* <TAG>text</TAG>. TAG is ours and may carry attributes: "p class=\"note\"". */
void html_element(struct buffer *html, const char *tag, const char *text);
/* The same of a sentence in which `word` is what people type or write: <code>. */
void html_prose(struct buffer *html, const char *tag, const char *text);

/* Appends the value of the first field NAME of FORM (application/x-www-form-urlencoded: a
 * body, or what stands behind the '?' of an address) to VALUE, whose max bounds it.
 * ERROR_NOT_FOUND without such a field, ERROR_SYNTAX for a malformed value or a NUL in it,
 * ERROR_LIMIT for one too long. */
int html_form_value(struct bytes form, const char *name, struct buffer *value) MUST_CHECK;

#endif
