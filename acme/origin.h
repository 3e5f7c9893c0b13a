/* Origins of URLs (RFC 6454): a CA may send us nowhere but to itself. Private to acme/.
 */
#ifndef ACME_ORIGIN_H
#define ACME_ORIGIN_H

#include <stdbool.h>

/* Whether URL is https with a host, printable, without user part, at most
 * LIMIT_URL_BYTES. */
bool origin_is_https(const char *url);
/* Whether both are such URLs with the same host (any case) and port. NULL is never. */
bool origin_is_same(const char *a, const char *b);

#endif
