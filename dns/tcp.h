/* DNS over TCP (RFC 7766) on the caller's loop: pipelining, deadlines, caps. */
#ifndef DNS_TCP_H
#define DNS_TCP_H

#include "base/net/loop.h"
#include "dns/listen.h"
#include "dns/udp.h"

struct dns_tcp;

/* Listens on ADDRESS (bound with its port). SHARED as in udp.h. ERROR_IO with errno. The
 * options' addresses are not looked at. */
int dns_tcp_new(struct loop *loop, struct dns_udp_shared *shared,
                const struct dns_listen_options *options,
                struct dns_tcp **ret_tcp) MUST_CHECK;
/* V6_ONLY: an IPv6 wildcard leaves IPv4 to another socket. */
int dns_tcp_listen(struct dns_tcp *tcp, const struct address *address,
                   bool v6_only) MUST_CHECK;
/* Takes over FD (on success), a listening TCP socket. */
int dns_tcp_take(struct dns_tcp *tcp, int fd) MUST_CHECK;
/* What was answered so far. Borrowed. */
const struct dns_tally *dns_tcp_tally(const struct dns_tcp *tcp);
unsigned dns_tcp_connection_count(const struct dns_tcp *tcp);
/* Closes listeners and connections. Accepts NULL. */
void dns_tcp_free(struct dns_tcp *tcp);

#endif
