/* RFC 9018 4: client's part 8, version 1, reserved 3, time 4, and SipHash-2-4 over all of that
 * and the address. The key is made at the start and once a day, and is nobody else's: a client
 * keeps a cookie for each address of a server, and an unknown one costs it nothing but the
 * exemption for one answer. */
#include "dns/cookie.h"

#include "base/core/siphash.h"
#include "base/core/writer.h"

#include <netinet/in.h>
#include <string.h>

enum {
    VERSION = 1,
    HEAD_SIZE = 16, /* all before the hash */
    HASH_SIZE = 8,
    TIME_AT = 12,
    ADDRESS_MAX = 16,
    KEY_LIFE_S = 86400,
    COOKIE_LIFE_S = 3600,
    AHEAD_MAX_S = 300, /* RFC 9018 4.3: of another server's clock */
};

int dns_cookie_keys_init(struct dns_cookie_keys *keys, int64_t now_at)
{
    struct dns_cookie_keys made = {.made_at = now_at};
    int error = siphash_key(made.current);
    if (error == ERROR_NONE) {
        error = siphash_key(made.former);
    }
    if (error == ERROR_NONE) {
        *keys = made;
    }
    return error;
}

void dns_cookie_keys_turn(struct dns_cookie_keys *keys, int64_t now_at)
{
    uint64_t fresh[2];
    if (now_at >= keys->made_at && now_at - keys->made_at < KEY_LIFE_S) {
        return;
    }
    keys->made_at = now_at;
    if (siphash_key(fresh) == ERROR_NONE) { /* else tomorrow */
        memcpy(keys->former, keys->current, sizeof(keys->former));
        memcpy(keys->current, fresh, sizeof(keys->current));
    }
}

static uint64_t hash(const uint64_t key[static 2], const uint8_t head[static HEAD_SIZE],
                     const struct sockaddr_storage *address)
{
    uint8_t input[HEAD_SIZE + ADDRESS_MAX];
    size_t size = HEAD_SIZE;
    memcpy(input, head, HEAD_SIZE);
    if (address->ss_family == AF_INET) {
        memcpy(input + size, &((const struct sockaddr_in *)address)->sin_addr, 4);
        size += 4;
    } else if (address->ss_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(v6);
        memcpy(input + size, v6->s6_addr + (is_mapped ? 12 : 0), is_mapped ? 4 : 16);
        size += is_mapped ? 4 : 16;
    }
    return siphash_24(key, input, size);
}

void dns_cookie_make(const struct dns_cookie_keys *keys,
                     const uint8_t client[static DNS_COOKIE_CLIENT_SIZE],
                     const struct sockaddr_storage *address, int64_t now_at,
                     uint8_t ret_cookie[static DNS_COOKIE_SIZE])
{
    struct writer writer = writer_init(ret_cookie, DNS_COOKIE_SIZE);
    writer_bytes(&writer, client, DNS_COOKIE_CLIENT_SIZE);
    writer_u32(&writer, (uint32_t)VERSION << 24);
    writer_u32(&writer, (uint32_t)now_at);
    uint64_t value = hash(keys->current, ret_cookie, address);
    /* Little-endian, as SipHash's octets go. */
    for (unsigned i = 0; i < HASH_SIZE; i++) {
        writer_u8(&writer, (uint8_t)(value >> (8 * i)));
    }
}

bool dns_cookie_is_ours(const struct dns_cookie_keys *keys, struct bytes cookie,
                        const struct sockaddr_storage *address, int64_t now_at)
{
    uint64_t shown = 0;
    if (cookie.size != DNS_COOKIE_SIZE ||
        cookie.data[DNS_COOKIE_CLIENT_SIZE] != VERSION) {
        return false;
    }
    struct reader reader = reader_init(cookie.data + TIME_AT, 4);
    /* Serial number arithmetic (RFC 1982): the time has 32 bits. */
    int32_t age_s = (int32_t)((uint32_t)now_at - reader_u32(&reader));
    if (age_s > COOKIE_LIFE_S || age_s < -AHEAD_MAX_S) {
        return false;
    }
    for (unsigned i = 0; i < HASH_SIZE; i++) {
        shown |= (uint64_t)cookie.data[HEAD_SIZE + i] << (8 * i);
    }
    return shown == hash(keys->current, cookie.data, address) ||
           shown == hash(keys->former, cookie.data, address);
}
