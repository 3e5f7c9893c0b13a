#include "device/own_addresses.h"

#include "base/core/text.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* A name for people must lead to the device from the LAN, not from its own containers or
 * tunnels. */
static const char *const virtual_prefixes[] = {
    "docker", "br-", "veth", "virbr", "vnet", "cni", "flannel",   "podman", "lxc",
    "lxd",    "tun", "tap",  "wg",    "ppp",  "zt",  "tailscale", "dummy",
};

static bool is_virtual(const char *interface)
{
    for (size_t i = 0; i < sizeof(virtual_prefixes) / sizeof(virtual_prefixes[0]); i++) {
        if (text_starts_with(interface, virtual_prefixes[i])) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const struct ifaddrs *entry, const struct conf_texts *interfaces)
{
    if (interfaces->count > 0) {
        for (size_t i = 0; i < interfaces->count; i++) {
            if (strcmp(interfaces->at[i], entry->ifa_name) == 0) {
                return true;
            }
        }
        return false;
    }
    return (entry->ifa_flags & IFF_LOOPBACK) == 0 && !is_virtual(entry->ifa_name);
}

static bool read_address(const struct sockaddr *from, struct lanname_address *ret_address)
{
    struct lanname_address address = {.family = 0};
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof(in));
        address.family = 4;
        memcpy(address.octets, &in.sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof(in6));
        address.family = 6;
        memcpy(address.octets, &in6.sin6_addr, 16);
    } else {
        return false;
    }
    *ret_address = address;
    return true;
}

static bool is_equal(const struct lanname_address *a, const struct lanname_address *b)
{
    return a->family == b->family &&
           memcmp(a->octets, b->octets, a->family == 4 ? 4 : 16) == 0;
}

static void add(struct own_addresses *addresses, const struct lanname_address *address)
{
    for (size_t i = 0; i < addresses->count; i++) {
        if (is_equal(&addresses->at[i], address)) {
            return;
        }
    }
    if (addresses->count < LIMIT_DEVICE_ADDRESSES) {
        addresses->at[addresses->count++] = *address;
    }
}

static void add_family(const struct ifaddrs *entries, const struct conf_texts *interfaces,
                       uint8_t family, struct own_addresses *addresses)
{
    static const struct lanname_policy policy = {.shared = false};
    for (const struct ifaddrs *entry = entries; entry != NULL; entry = entry->ifa_next) {
        struct lanname_address address;
        if (entry->ifa_addr != NULL && (entry->ifa_flags & IFF_UP) != 0 &&
            is_wanted(entry, interfaces) && read_address(entry->ifa_addr, &address) &&
            address.family == family && lanname_allowed(&address, &policy)) {
            add(addresses, &address);
        }
    }
}

int own_addresses_collect(const struct conf_texts *addresses,
                          const struct conf_texts *interfaces,
                          struct own_addresses *ret_addresses)
{
    struct own_addresses found = {.count = 0};
    for (size_t i = 0; i < addresses->count; i++) {
        struct lanname_address address;
        if (!lanname_address_parse(addresses->at[i], &address)) {
            return ERROR_SYNTAX;
        }
        add(&found, &address);
    }
    if (addresses->count == 0) {
        struct ifaddrs *entries = NULL;
        if (getifaddrs(&entries) != 0) {
            return ERROR_IO;
        }
        add_family(entries, interfaces, 4, &found);
        add_family(entries, interfaces, 6, &found);
        freeifaddrs(entries);
    }
    *ret_addresses = found;
    return 0;
}

bool own_addresses_equal(const struct own_addresses *a, const struct own_addresses *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!is_equal(&a->at[i], &b->at[i])) {
            return false;
        }
    }
    return true;
}

void own_addresses_text(const struct own_addresses *addresses, char *ret_text,
                        size_t capacity)
{
    struct buffer text = buffer_init(1024);
    for (size_t i = 0; i < addresses->count; i++) {
        char one[46];
        lanname_address_text(&addresses->at[i], one);
        buffer_printf(&text, "%s%s", i == 0 ? "" : ", ", one);
    }
    if (!text_copy(ret_text, capacity,
                   addresses->count > 0 ? buffer_text(&text) : "none")) {
        text_copy(ret_text, capacity, "many");
    }
    buffer_free(&text);
}
