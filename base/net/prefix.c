#include "base/net/prefix.h"

#include "base/core/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { BITS_4_MAX = 32, BITS_6_MAX = 128 };

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
