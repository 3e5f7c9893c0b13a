/* DNS cookies (RFC 7873, RFC 9018): who shows one that we gave to its address has proved that
 * it gets what is sent there, so that no limit against forged sources need bind it. */
#ifndef DNS_COOKIE_H
#define DNS_COOKIE_H

#include "base/core/error.h"
#include "base/core/reader.h"

#include <sys/socket.h>

enum {
    DNS_COOKIE_CLIENT_SIZE = 8,
    DNS_COOKIE_SERVER_SIZE_MIN = 8, /* of others' servers (RFC 7873 4) */
    DNS_COOKIE_SIZE_MAX = 40,
    DNS_COOKIE_SIZE = 24, /* the client's part and ours */
};

/* The keys of our cookies: the one in use, and the one before it. */
struct dns_cookie_keys {
    uint64_t current[2];
    uint64_t former[2];
    int64_t made_at;
};

/* ERROR_IO: the kernel gives no random octets. */
int dns_cookie_keys_init(struct dns_cookie_keys *keys, int64_t now_at) MUST_CHECK;
/* Makes a new key once a day; costs a comparison else. */
void dns_cookie_keys_turn(struct dns_cookie_keys *keys, int64_t now_at);

/* The whole cookie for a client at ADDRESS, whose part is CLIENT. */
void dns_cookie_make(const struct dns_cookie_keys *keys,
                     const uint8_t client[static DNS_COOKIE_CLIENT_SIZE],
                     const struct sockaddr_storage *address, int64_t now_at,
                     uint8_t ret_cookie[static DNS_COOKIE_SIZE]);
/* Whether COOKIE, as it came, is one that we gave to ADDRESS within the last hour. */
bool dns_cookie_is_ours(const struct dns_cookie_keys *keys, struct bytes cookie,
                        const struct sockaddr_storage *address, int64_t now_at);

#endif
