/* The sockets of the DNS engine, its only I/O: UDP in batches, one thread a socket, and
 * TCP on the caller's loop. */
#ifndef DNS_LISTEN_H
#define DNS_LISTEN_H

#include "base/net/activation.h"
#include "base/net/address.h"
#include "base/net/loop.h"
#include "base/net/prefix.h"
#include "dns/answer.h"
#include "dns/tally.h"

struct dns_listen;

struct dns_listen_options {
    /* Each gets UDP and TCP; port 0: one free port for both. [::] takes IPv4 too when no
     * IPv4 address is among them, and is left out by a kernel without IPv6 when one is. */
    const struct address *addresses;
    size_t address_count;
    /* Sockets that are bound already, instead of the addresses; NULL or none: bind them. Each
     * address needs one of UDP and one of TCP. They are taken over on success. */
    const struct activation *activation;
    unsigned max_connections;            /* TCP, over all addresses */
    unsigned max_connections_per_source; /* TCP, per IPv4 address or IPv6 /64 */
    unsigned idle_ms;                    /* TCP: between messages (RFC 7766 6.2.3) */
    unsigned partial_ms;                 /* TCP: for a message that began to arrive */
    /* UDP: answers a second to one network (prefix_site) from one address of ours; beyond
     * it one query of two is told to come by TCP, the other hears nothing, unless it shows
     * a cookie of ours. 0: no limit. */
    unsigned rate_limit;
    const struct prefix *unlimited; /* whom the limits don't bind; borrowed for life */
    size_t unlimited_count;
};

/* Binds or takes everything and starts to serve VIEW and PROBES (borrowed). ERROR_LIMIT,
 * ERROR_MEMORY, ERROR_IO with errno; *RET_FAILED is then the index of the address
 * (of the UDP sockets', where those are given), or address_count when it was none of them. */
int dns_listen_new(struct loop *loop, struct dns_view *view, struct dns_probes *probes,
                   const struct dns_listen_options *options, size_t *ret_failed,
                   struct dns_listen **ret_listen) MUST_CHECK;
/* Serves the list that begins with VIEW (borrowed) from now on. To be called with the
 * lock held. */
void dns_listen_use(struct dns_listen *listen, struct dns_view *view);
/* Between the two the view may be changed: no answer is being made. Keep it short. */
void dns_listen_lock(struct dns_listen *listen);
void dns_listen_unlock(struct dns_listen *listen);
/* The port of the INDEXth address (UDP socket, where they were given); 0 when that was left
 * out. */
uint16_t dns_listen_port(const struct dns_listen *listen, size_t index);
/* What was answered so far, by transport. */
void dns_listen_tally(const struct dns_listen *listen, struct dns_tally_sum *ret_udp,
                      struct dns_tally_sum *ret_tcp);
/* TCP connections that are open. */
unsigned dns_listen_connection_count(const struct dns_listen *listen);
/* Whether every UDP thread gets on: false for one that has not come back to its socket for
 * STALL_MS. NOW_MONO_MS: clock_mono_ms(). */
bool dns_listen_is_alive(struct dns_listen *listen, int64_t now_mono_ms,
                         int64_t stall_ms);
/* Ends the threads (within a second) and closes everything. */
void dns_listen_free(struct dns_listen *listen);

#endif
