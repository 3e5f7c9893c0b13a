/* The grammar of names under a zone. An address label has exactly one spelling, so that
 * resolvers' caches, the signature cache and abuse reports know one address by one name:
 * IPv4 as four decimal groups without leading zeros, IPv6 as all eight hexadecimal groups
 * without leading zeros and without "--" (which RFC 5891 4.2.3.1 reserves in positions 3
 * and 4). Whatever merely looks like an address is never an ordinary label: a device
 * cannot publish "10-0-0-256" or "1-2-3". */
#include "base/lanname.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    GROUPS_V4 = 4,
    GROUPS_V6 = 8,
    NAME_MAX_OCTETS = 253,
    HOST_LABEL_MAX = 32,
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, or -1. */
static int hex_value(uint8_t c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_letter(uint8_t c)
{
    uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'z';
}

/* Only digits and hyphens; or hexadecimal digits and at least two hyphens. Counts the
 * hyphens. */
static bool is_address_shaped(const uint8_t *label, size_t size, size_t *ret_hyphens)
{
    size_t hyphens = 0;
    bool letters = false;
    for (size_t i = 0; i < size; i++) {
        if (label[i] == '-') {
            hyphens++;
        } else if (!is_digit(label[i])) {
            if (hex_value(label[i]) < 0) {
                return false;
            }
            letters = true;
        }
    }
    *ret_hyphens = hyphens;
    return size > 0 && (!letters || hyphens >= 2);
}

/* Reads COUNT groups in BASE, each up to MAX, without leading zeros, with one hyphen
 * between them, up to the very end. The caller has counted the hyphens: there are COUNT
 * - 1. */
static bool read_groups(const uint8_t *label, size_t size, size_t count, unsigned base,
                        unsigned max, uint16_t groups[static GROUPS_V6])
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned value = 0;
        size_t start = at;
        for (; at < size && label[at] != '-'; at++) {
            int digit = hex_value(label[at]);
            if (digit < 0 || (unsigned)digit >= base) {
                return false;
            }
            value = value * base + (unsigned)digit;
            if (value > max) {
                return false;
            }
        }
        if (at == start || (label[start] == '0' && at - start > 1)) {
            return false;
        }
        groups[i] = (uint16_t)value;
        at++; /* over the hyphen */
    }
    return true;
}

enum lanname_label lanname_parse_label(const uint8_t *label, size_t size,
                                       struct lanname_address *ret_address)
{
    size_t hyphens = 0;
    uint16_t groups[GROUPS_V6] = {0};
    if (!is_address_shaped(label, size, &hyphens)) {
        return LANNAME_NOT_ADDRESS;
    }
    if (hyphens == GROUPS_V4 - 1 &&
        read_groups(label, size, GROUPS_V4, 10, 255, groups)) {
        *ret_address = (struct lanname_address){.family = 4};
        for (size_t i = 0; i < GROUPS_V4; i++) {
            ret_address->octets[i] = (uint8_t)groups[i];
        }
        return LANNAME_ADDRESS;
    }
    if (hyphens == GROUPS_V6 - 1 &&
        read_groups(label, size, GROUPS_V6, 16, 0xffff, groups)) {
        *ret_address = (struct lanname_address){.family = 6};
        for (size_t i = 0; i < GROUPS_V6; i++) {
            ret_address->octets[i * 2] = (uint8_t)(groups[i] >> 8);
            ret_address->octets[i * 2 + 1] = (uint8_t)groups[i];
        }
        return LANNAME_ADDRESS;
    }
    return LANNAME_ADDRESS_INVALID;
}

/* Writes VALUE in BASE without leading zeros; returns the next free place. */
static char *write_group(char *at, unsigned value, unsigned base)
{
    char digits[8];
    size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    while (count > 0) {
        *at++ = digits[--count];
    }
    return at;
}

void lanname_write_label(const struct lanname_address *address,
                         char ret_label[static LANNAME_ADDRESS_LABEL_MAX + 1])
{
    char *at = ret_label;
    size_t count = address->family == 4 ? GROUPS_V4 : GROUPS_V6;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            *at++ = '-';
        }
        if (address->family == 4) {
            at = write_group(at, address->octets[i], 10);
        } else {
            at = write_group(
                at, (unsigned)address->octets[i * 2] << 8 | address->octets[i * 2 + 1],
                16);
        }
    }
    *at = '\0';
}

static bool allowed_v4(const uint8_t *octets, const struct lanname_policy *policy)
{
    if (octets[0] == 10 || (octets[0] == 172 && (octets[1] & 0xf0) == 16) ||
        (octets[0] == 192 && octets[1] == 168)) {
        return true;
    }
    if (octets[0] == 127) {
        return policy->loopback;
    }
    if (octets[0] == 100 && (octets[1] & 0xc0) == 64) {
        /* Cloud providers' metadata and resolver services live at these two. */
        bool metadata = octets[1] == 100 && octets[2] == 100 &&
                        (octets[3] == 100 || octets[3] == 200);
        return policy->shared && !metadata;
    }
    return false;
}

static bool allowed_v6(const uint8_t *octets, const struct lanname_policy *policy)
{
    static const uint8_t loopback[16] = {[15] = 1};
    /* /32 ranges in which cloud providers answer metadata requests. */
    static const uint8_t metadata[][4] = {
        {0xfd, 0x00, 0x0e, 0xc2}, {0xfd, 0x20, 0x00, 0xce}, {0xfd, 0x00, 0x00, 0x42}};
    if (octets[0] != 0xfd) {
        return policy->loopback && memcmp(octets, loopback, sizeof(loopback)) == 0;
    }
    for (size_t i = 0; i < sizeof(metadata) / sizeof(metadata[0]); i++) {
        if (memcmp(octets, metadata[i], sizeof(metadata[i])) == 0) {
            return false;
        }
    }
    return true;
}

bool lanname_allowed(const struct lanname_address *address,
                     const struct lanname_policy *policy)
{
    if (address->family == 4) {
        return allowed_v4(address->octets, policy);
    }
    return address->family == 6 && allowed_v6(address->octets, policy);
}

bool lanname_address_parse(const char *text, struct lanname_address *ret_address)
{
    struct lanname_address address = {.family = 4};
    if (inet_pton(AF_INET, text, address.octets) != 1) {
        address.family = 6;
        if (inet_pton(AF_INET6, text, address.octets) != 1) {
            return false;
        }
    }
    *ret_address = address;
    return true;
}

void lanname_address_text(const struct lanname_address *address, char ret_text[static 46])
{
    int family = address->family == 4 ? AF_INET : AF_INET6;
    if (inet_ntop(family, address->octets, ret_text, 46) == NULL) {
        ret_text[0] =
            '\0'; /* not reached: both families are known and 46 octets hold every text */
    }
}

bool lanname_is_id(const uint8_t *label, size_t size)
{
    if (size != LANNAME_ID_SIZE) {
        return false;
    }
    /* Without a branch per octet: this runs for every query. */
    unsigned bad = 0;
    for (size_t i = 0; i < LANNAME_ID_SIZE; i++) {
        bool letter = (uint8_t)((label[i] | 0x20) - 'a') < 26;
        bool digit = (uint8_t)(label[i] - '2') < 6;
        bad |= !(letter | digit);
    }
    return bad == 0;
}

bool lanname_is_host_label(const uint8_t *label, size_t size)
{
    size_t hyphens = 0;
    if (size == 0 || size > HOST_LABEL_MAX || label[0] == '-' || label[size - 1] == '-' ||
        (size >= 4 && label[2] == '-' && label[3] == '-')) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (!is_letter(label[i]) && !is_digit(label[i]) && label[i] != '-') {
            return false;
        }
    }
    return !is_address_shaped(label, size, &hyphens);
}

bool lanname_device_name(const char *id, const char *zone, char *ret_name,
                         size_t capacity)
{
    size_t id_size = strlen(id);
    size_t zone_size = strlen(zone);
    size_t size = id_size + 1 + zone_size;
    if (size > NAME_MAX_OCTETS || size >= capacity) {
        return false;
    }
    memcpy(ret_name, id, id_size);
    ret_name[id_size] = '.';
    memcpy(ret_name + id_size + 1, zone, zone_size + 1);
    return true;
}

bool lanname_parse_identifier(const char *name, const char *zone,
                              char ret_id[static LANNAME_ID_SIZE + 1], bool *ret_wildcard)
{
    bool wildcard = name[0] == '*' && name[1] == '.';
    const char *id = wildcard ? name + 2 : name;
    if (strnlen(id, LANNAME_ID_SIZE + 1) <= LANNAME_ID_SIZE ||
        id[LANNAME_ID_SIZE] != '.' || strcmp(id + LANNAME_ID_SIZE + 1, zone) != 0 ||
        !lanname_is_id((const uint8_t *)id, LANNAME_ID_SIZE)) {
        return false;
    }
    for (size_t i = 0; i < LANNAME_ID_SIZE; i++) {
        if (id[i] >= 'A' && id[i] <= 'Z') {
            return false;
        }
    }
    memcpy(ret_id, id, LANNAME_ID_SIZE);
    ret_id[LANNAME_ID_SIZE] = '\0';
    *ret_wildcard = wildcard;
    return true;
}
