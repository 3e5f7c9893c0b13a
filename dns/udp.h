/* One UDP socket and the thread that serves it. */
#ifndef DNS_UDP_H
#define DNS_UDP_H

#include "base/net/address.h"
#include "base/net/prefix.h"
#include "base/net/rate_limiter.h"
#include "dns/answer.h"
#include "dns/tally.h"

#include <pthread.h>

/* What all sockets share. The lock guards view, probes and cookies; it is taken once per
 * batch. */
struct dns_udp_shared {
    pthread_mutex_t lock;
    struct dns_view *view;
    struct dns_probes *probes;
    struct dns_cookie_keys cookies;
    struct rate_limit limit;        /* of a network's answers by one socket; 0: none */
    const struct prefix *unlimited; /* borrowed */
    size_t unlimited_count;
};

struct dns_udp;

/* Binds ADDRESS and starts the thread. V6_ONLY: an IPv6 wildcard leaves IPv4 to another
 * socket. ERROR_IO with errno. */
int dns_udp_new(struct dns_udp_shared *shared, const struct address *address,
                bool v6_only, struct dns_udp **ret_udp) MUST_CHECK;
/* As dns_udp_new on FD, a bound UDP socket, which it takes over (on success). */
int dns_udp_take(struct dns_udp_shared *shared, int fd,
                 struct dns_udp **ret_udp) MUST_CHECK;
uint16_t dns_udp_port(const struct dns_udp *udp);
/* How often the thread's loop has turned: about once a second when nobody asks. */
unsigned dns_udp_turns(const struct dns_udp *udp);
/* What the thread has answered so far. Borrowed. */
const struct dns_tally *dns_udp_tally(const struct dns_udp *udp);
/* Ends the thread (within a second) and closes the socket. Accepts NULL. */
void dns_udp_free(struct dns_udp *udp);

#endif
