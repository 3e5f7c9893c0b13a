/* The fields of a posted HTML form: application/x-www-form-urlencoded or
 * multipart/form-data (RFC 7578). Parses what comes from browsers, or from anybody. */
#ifndef DEVICE_PAGE_FORM_H
#define DEVICE_PAGE_FORM_H

#include "base/core/buffer.h"
#include "base/core/reader.h"

/* Appends the value of the first field NAME of BODY to VALUE, whose max bounds it.
 * ERROR_NOT_FOUND without such a field, ERROR_SYNTAX for another CONTENT_TYPE (may be NULL)
 * or a malformed body, ERROR_LIMIT for a value too long. A NUL in it is ERROR_SYNTAX unless
 * it is a file's. */
int page_form_value(const char *content_type, struct bytes body, const char *name,
                    struct buffer *value) MUST_CHECK;

#endif
