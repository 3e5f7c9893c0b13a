/* The answer to one query: bytes, view and time in, bytes out. */
#ifndef DNS_ANSWER_H
#define DNS_ANSWER_H

#include "dns/cookie.h"
#include "dns/probe.h"
#include "dns/query.h"
#include "dns/view.h"

enum dns_transport { DNS_UDP, DNS_TCP };

enum {
    DNS_UDP_MIN = 512,
    DNS_UDP_MAX =
        1232, /* our EDNS size and the largest datagram that we send (RFC 9715) */
    DNS_ANSWER_MAX = 16384, /* room that a TCP answer needs at most */
};

/* Who asks, and how. */
struct dns_asker {
    enum dns_transport transport;
    bool is_limited; /* asks too often: is only told to come again by TCP */
    const struct dns_cookie_keys *cookies;  /* NULL: none are given */
    const struct sockaddr_storage *address; /* that a cookie is for */
};

/* Writes the answer to QUERY into RET_ANSWER, which holds CAPACITY octets (DNS_UDP_MAX at
 * least; DNS_ANSWER_MAX over TCP), from VIEW or one of those that follow it (NULL: no zone
 * at all). Returns its size, or 0 for silence. No allocation, no clock, no I/O; PROBES (may
 * be NULL) is counted up for a probe name's A, and nothing else changes. NOW_AT: wall
 * seconds. */
size_t dns_answer(struct bytes query, const struct dns_asker *asker,
                  const struct dns_view *view, struct dns_probes *probes, int64_t now_at,
                  uint8_t *ret_answer, size_t capacity);

#endif
