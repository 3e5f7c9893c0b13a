/* The Retry-After header (RFC 9110 10.2.3) in all its forms. */
#ifndef ACME_ACME_RETRY_AFTER_H
#define ACME_ACME_RETRY_AFTER_H

#include <stdint.h>

enum { ACME_RETRY_MIN_S = 1, ACME_RETRY_MAX_S = 86400 };

/* The wall time that VALUE (seconds or an HTTP-date) means, held to NOW + 1 s .. NOW + 1
 * day. NULL or nonsense means NOW + FALLBACK_S. */
int64_t acme_retry_after_at(const char *value, int64_t now_at, int64_t fallback_s);

#endif
