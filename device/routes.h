/* Whether there is a default route, as /proc tells. The parsers are pure. */
#ifndef DEVICE_ROUTES_H
#define DEVICE_ROUTES_H

#include "base/core/error.h"

#include <stdbool.h>
#include <stddef.h>

struct routes {
    bool has_ipv4;
    bool has_ipv6;
    char gateway[46]; /* of IPv4; "" : none, or a route without one */
};

/* Reads the calling process's own. ERROR_NOT_FOUND without /proc, ERROR_IO. */
int routes_read(struct routes *ret_routes) MUST_CHECK;
/* The text of /proc/net/route (SIZE bytes), into ROUTES. */
void routes_parse_ipv4(const char *text, size_t size, struct routes *routes);
/* The text of /proc/net/ipv6_route. */
void routes_parse_ipv6(const char *text, size_t size, struct routes *routes);

#endif
