/* Servers for this machine alone: where they may listen, and by which names a browser may
 * reach them. */
#ifndef BASE_NET_LOOPBACK_H
#define BASE_NET_LOOPBACK_H

#include "base/net/address.h"

#include <stdbool.h>

/* Reads "127.0.0.1:9441", "[::1]:9441" or a path (unix socket). ERROR_SYNTAX for what is no
 * address with a port, ERROR_DENIED for one that other machines can reach. */
int loopback_parse(const char *text, struct address *ret_address) MUST_CHECK;
/* Whether HOST (a Host header; NULL: none) names this machine as itself: localhost, 127.0.0.1 or
 * [::1], with any port or none. A page elsewhere whose name was made to lead to 127.0.0.1 (DNS
 * rebinding) comes with that name. */
bool loopback_is_host(const char *host);

#endif
