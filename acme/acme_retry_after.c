/* Retry-After: delta-seconds or an HTTP-date (RFC 9110 10.2.3). CAs and proxies have sent
 * zero, negative numbers, years and nonsense here; the clamp makes each of them harmless.
 */
#include "acme/acme_retry_after.h"

#include "base/core/text.h"

#include <string.h>

int64_t acme_retry_after_at(const char *value, int64_t now_at, int64_t fallback_s)
{
    int64_t at = now_at + fallback_s;
    char text[64];
    size_t size;

    if (value != NULL) {
        value += strspn(value, " \t");
        size = strcspn(value, "\r\n");
        while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
            size--;
        if (size > 0 && size < sizeof(text)) {
            int64_t seconds = 0, date_at = 0;

            memcpy(text, value, size);
            text[size] = '\0';
            /* More digits than an int64_t holds are still "very long". */
            if (strspn(text, "0123456789") == size && text_i64(text, &seconds) != 0)
                seconds = ACME_RETRY_MAX_S;
            if (strspn(text, "0123456789") == size || text_i64(text, &seconds) == 0)
                at = now_at + (seconds > ACME_RETRY_MAX_S   ? ACME_RETRY_MAX_S
                               : seconds < ACME_RETRY_MIN_S ? ACME_RETRY_MIN_S
                                                            : seconds);
            else if (text_http_date_parse(text, &date_at) == 0)
                at = date_at;
        }
    }
    if (at < now_at + ACME_RETRY_MIN_S)
        return now_at + ACME_RETRY_MIN_S;
    if (at > now_at + ACME_RETRY_MAX_S)
        return now_at + ACME_RETRY_MAX_S;
    return at;
}
