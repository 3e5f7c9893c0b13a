/* The device's own LAN addresses. */
#ifndef DEVICE_OWN_ADDRESSES_H
#define DEVICE_OWN_ADDRESSES_H

#include "base/core/conf.h"
#include "base/core/limits.h"
#include "base/lanname.h"
#include "device/interfaces.h"

/* Left out by default: containers, virtual machines, VPNs, tunnels. A name for people must
 * lead to the device from the LAN. Docker's own bridges are br- and twelve hexadecimal
 * digits: OpenWrt's LAN, br-lan, is none of them. */
#define OWN_ADDRESSES_SKIPPED                                                            \
    "docker* br-???????????? veth* virbr* vnet* cni* cali* flannel* podman* lxc* lxd* "  \
    "tun* tap* wg* ppp* zt* tailscale* dummy* kind:ptp"

struct own_addresses {
    size_t count;
    struct lanname_address at[LIMIT_DEVICE_ADDRESSES];
};

/* Which addresses count. NULL or empty lists: no such rule. In the lists of interfaces '*'
 * at the end stands for any rest and '?' for one character; "kind:bridge" is every
 * interface of that kind, "kind:ptp" every point-to-point one. */
struct own_addresses_rules {
    const struct conf_texts *addresses;  /* exactly these */
    const struct conf_texts *interfaces; /* only these */
    const struct conf_texts *skipped;    /* not these, unless `interfaces` names any;
                                            NULL: OWN_ADDRESSES_SKIPPED */
};

/* Whether PATTERN, as above, means LINK. */
bool own_addresses_matches(const char *pattern, const struct interface *link);

/* The addresses by RULES that the machine has now; asks the kernel. ERROR_SYNTAX for an
 * address that is none, ERROR_IO with errno. No address at all is no error. Does not
 * block. */
int own_addresses_collect(const struct own_addresses_rules *rules,
                          struct own_addresses *ret_addresses) MUST_CHECK;

/* The same from INTERFACES: those of the interface with the default route first, then by
 * the interfaces' numbers; of each IPv4 first; each address once. An interface without a
 * carrier gives none, but what HELD (may be NULL) has of it stays: a cable that is out for
 * a moment. *RET_HELD says whether there are such. */
int own_addresses_select(const struct own_addresses_rules *rules,
                         const struct interfaces *interfaces,
                         const struct own_addresses *held,
                         struct own_addresses *ret_addresses, bool *ret_held) MUST_CHECK;

/* Whether ADDRESS is one of ADDRESSES. */
bool own_addresses_has(const struct own_addresses *addresses,
                       const struct lanname_address *address);
/* The same addresses in the same order. */
bool own_addresses_equal(const struct own_addresses *a, const struct own_addresses *b);
/* "192.168.1.51, fd12::1" for logs; "none" when empty. */
void own_addresses_text(const struct own_addresses *addresses, char *ret_text,
                        size_t capacity);

#endif
