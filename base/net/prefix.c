#include "base/net/prefix.h"

#include "base/core/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum {
    BITS_4_MAX = 32,
    BITS_6_MAX = 128,
    MAPPED_AT = 12, /* where IPv4 starts in ::ffff:192.0.2.1 */
    SITE_V4 = 1,
    SITE_V6 = 2,
    SITE_V6_SIZE = 6,
};

/* Clears what lies beyond the bits; whether there was anything. */
static bool clear_rest(struct prefix *prefix)
{
    bool had_any = false;
    for (unsigned bit = prefix->bits; bit < BITS_6_MAX; bit++) {
        uint8_t mask = (uint8_t)(0x80 >> bit % 8);
        had_any = had_any || (prefix->octets[bit / 8] & mask) != 0;
        prefix->octets[bit / 8] &= (uint8_t)~mask;
    }
    return had_any;
}

int prefix_parse(const char *text, struct prefix *ret_prefix)
{
    struct prefix prefix = {.family = strchr(text, ':') != NULL ? 6 : 4};
    char host[INET6_ADDRSTRLEN];
    size_t size = strcspn(text, "/");
    uint64_t bits = 0;
    if (text[size] != '/' ||
        text_u64(text + size + 1, prefix.family == 4 ? BITS_4_MAX : BITS_6_MAX, &bits) !=
            0 ||
        !text_format(host, sizeof(host), "%.*s", (int)size, text) ||
        inet_pton(prefix.family == 4 ? AF_INET : AF_INET6, host, prefix.octets) != 1) {
        return ERROR_SYNTAX;
    }
    prefix.bits = (uint8_t)bits;
    if (clear_rest(&prefix)) {
        return ERROR_RANGE;
    }
    *ret_prefix = prefix;
    return 0;
}

bool prefix_of(const struct address *address, uint8_t bits_4, uint8_t bits_6,
               struct prefix *ret_prefix)
{
    struct address plain = *address;
    struct prefix prefix = {.family = 0};
    address_unmap(&plain);
    if (plain.storage.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&plain.storage;
        prefix = (struct prefix){.family = 4, .bits = bits_4};
        memcpy(prefix.octets, &v4->sin_addr, sizeof(v4->sin_addr));
    } else if (plain.storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&plain.storage;
        prefix = (struct prefix){.family = 6, .bits = bits_6};
        memcpy(prefix.octets, &v6->sin6_addr, sizeof(v6->sin6_addr));
    } else {
        return false;
    }
    clear_rest(&prefix);
    *ret_prefix = prefix;
    return true;
}

bool prefix_holds(const struct prefix *prefix, const struct address *address)
{
    struct prefix found;
    return prefix_of(address, prefix->bits, prefix->bits, &found) &&
           found.family == prefix->family &&
           memcmp(found.octets, prefix->octets, sizeof(found.octets)) == 0;
}

void prefix_text(const struct prefix *prefix, char ret_text[static PREFIX_TEXT_CAPACITY])
{
    char host[INET6_ADDRSTRLEN] = "";
    inet_ntop(prefix->family == 4 ? AF_INET : AF_INET6, prefix->octets, host,
              sizeof(host));
    (void)text_format(ret_text, PREFIX_TEXT_CAPACITY, "%s/%u", host, prefix->bits);
}

int prefix_list_parse(const struct conf_texts *texts, size_t capacity,
                      struct prefix *ret_list)
{
    int error = texts->count <= capacity ? ERROR_NONE : ERROR_LIMIT;
    for (size_t i = 0; error == ERROR_NONE && i < texts->count; i++) {
        error = prefix_parse(texts->at[i], &ret_list[i]);
    }
    return error;
}

bool prefix_list_holds(const struct prefix *list, size_t count,
                       const struct address *address)
{
    for (size_t i = 0; i < count; i++) {
        if (prefix_holds(&list[i], address)) {
            return true;
        }
    }
    return false;
}

static uint64_t site_v4(uint32_t address)
{
    return address >> 24 == IN_LOOPBACKNET ? 0 : (uint64_t)SITE_V4 << 56 | (address >> 8);
}

uint64_t prefix_site(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        return site_v4(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    }
    if (address->ss_family != AF_INET6) {
        return 0;
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6)) {
        uint32_t v4 = 0;
        memcpy(&v4, v6->s6_addr + MAPPED_AT, sizeof(v4));
        return site_v4(ntohl(v4));
    }
    uint64_t site = SITE_V6;
    for (unsigned i = 0; i < SITE_V6_SIZE; i++) {
        site = site << 8 | v6->s6_addr[i];
    }
    return IN6_IS_ADDR_LOOPBACK(v6) ? 0 : site;
}
