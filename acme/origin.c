/* Origins of URLs.
 *
 * Every URL that a CA names is held against the directory's origin: else a wrong or
 * hostile response could make the relay send signed requests to hosts of somebody's
 * choice. */
#include "acme/origin.h"

#include "base/core/limits.h"
#include "base/core/text.h"

#include <string.h>

enum { HOST_MAX = 256 };

struct origin {
    char host[HOST_MAX];
    uint64_t port;
};

static bool split(const char *url, struct origin *ret_origin)
{
    static const char scheme[] = "https://";
    const char *host, *colon;
    char authority[HOST_MAX];
    size_t size;

    if (url == NULL || strlen(url) > LIMIT_URL_BYTES || !text_starts_with(url, scheme))
        return false;
    for (const char *c = url; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || strchr("\"<>\\^`{|}", *c) != NULL)
            return false;
    }
    host = url + strlen(scheme);
    size = strcspn(host, "/?#");
    if (size == 0 || size >= sizeof(authority) || memchr(host, '@', size) != NULL)
        return false;
    memcpy(authority, host, size);
    authority[size] = '\0';
    /* "[::1]:443" has its colon after the bracket. */
    colon = strrchr(authority, ':');
    if (authority[0] == '[') {
        const char *bracket = strchr(authority, ']');

        if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':'))
            return false;
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    }
    ret_origin->port = 443;
    if (colon != NULL && text_u64(colon + 1, 65535, &ret_origin->port) != 0)
        return false;
    if (colon != NULL)
        authority[colon - authority] = '\0';
    text_lower(authority);
    return authority[0] != '\0' && ret_origin->port != 0 &&
           text_copy(ret_origin->host, sizeof(ret_origin->host), authority);
}

bool origin_is_https(const char *url)
{
    struct origin origin;

    return split(url, &origin);
}

bool origin_is_same(const char *a, const char *b)
{
    struct origin one, two;

    return split(a, &one) && split(b, &two) && one.port == two.port &&
           strcmp(one.host, two.host) == 0;
}
