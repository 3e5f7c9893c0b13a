/* What the kernel says of this machine's network at one moment, by rtnetlink: the
 * private addresses and the interfaces that have them. */
#ifndef DEVICE_INTERFACES_H
#define DEVICE_INTERFACES_H

#include "base/core/error.h"
#include "base/core/limits.h"
#include "base/lanname.h"

struct interface {
    unsigned index;
    char name[16];
    char kind[16];    /* "bridge", "veth", "vlan", "wireguard"...; "" : hardware */
    bool is_up;       /* by its administrator */
    bool has_carrier; /* the cable is in, the radio is associated */
    bool is_loopback;
    bool is_point_to_point; /* tunnels, most VPNs, modems */
};

struct interface_address {
    unsigned index; /* of its interface */
    struct lanname_address address;
    bool is_secondary;
};

struct interfaces {
    size_t count;
    struct interface at[LIMIT_DEVICE_INTERFACES];
    size_t address_count;
    struct interface_address addresses[LIMIT_DEVICE_INTERFACE_ADDRESSES];
    unsigned default_index; /* where the way to the internet begins; 0: there is none */
};

/* Asks the kernel. Addresses that are no private ones (lanname_allowed), tentative,
 * deprecated or temporary are left out, and so are interfaces without an address; what
 * the limits do not hold is left out too. ERROR_IO with errno. Does not block: the kernel
 * answers at once. */
int interfaces_read(struct interfaces *ret_interfaces) MUST_CHECK;

/* Takes one answer of the kernel, several messages of rtnetlink (RFC 3549), into
 * INTERFACES. *RET_MORE says whether another answer follows. ERROR_SYNTAX for what is no
 * such answer, ERROR_BUSY when the kernel's tables changed while it told them, ERROR_IO
 * with errno for its own error. */
int interfaces_take(struct interfaces *interfaces, const void *answer, size_t size,
                    bool *ret_more) MUST_CHECK;

#endif
