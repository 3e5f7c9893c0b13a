/* The device's own LAN addresses. */
#ifndef DEVICE_OWN_ADDRESSES_H
#define DEVICE_OWN_ADDRESSES_H

#include "base/core/conf.h"
#include "base/core/limits.h"
#include "base/lanname.h"

struct own_addresses {
    size_t count;
    struct lanname_address at[LIMIT_DEVICE_ADDRESSES];
};

/* The ADDRESSES given, or else the private addresses (RFC 1918, fd00::/8) of INTERFACES;
 * with none given, of all that are up and no loopback, docker, bridge, veth, VPN or
 * tunnel. IPv4 first, each once. No address at all is no error. Does not block. */
int own_addresses_collect(const struct conf_texts *addresses,
                          const struct conf_texts *interfaces,
                          struct own_addresses *ret_addresses) MUST_CHECK;
bool own_addresses_equal(const struct own_addresses *a, const struct own_addresses *b);
/* "192.168.1.51, fd12::1" for logs; "none" when empty. */
void own_addresses_text(const struct own_addresses *addresses, char *ret_text,
                        size_t capacity);

#endif
