/* The header fields of a response, collected line by line as they arrive. */
#ifndef BASE_NET_HTTP_FIELDS_H
#define BASE_NET_HTTP_FIELDS_H

#include "base/core/buffer.h"
#include "base/core/limits.h"
#include "base/net/http_client.h"

struct http_fields {
    struct buffer text; /* name NUL value NUL ... */
    size_t count;
    struct http_header table[LIMIT_HTTP_FIELDS]; /* filled in by http_fields_table */
};

/* No fields yet; all of them together hold at most MAX_BYTES. */
void http_fields_init(struct http_fields *fields, size_t max_bytes);
void http_fields_free(struct http_fields *fields);
/* Takes one line of SIZE octets, its end included. A status line starts anew: what came before was
 * a 1xx response. What is no field is passed over. ERROR_LIMIT, ERROR_MEMORY. */
int http_fields_take(struct http_fields *fields, const char *line,
                     size_t size) MUST_CHECK;
/* The fields, names in lower case; borrowed until the next line or the end. */
const struct http_header *http_fields_table(struct http_fields *fields);

#endif
