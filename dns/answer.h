/* Queries to answers. Pure: the answer depends on the arguments alone; no allocation, no clock, no I/O. */
#ifndef DNS_ANSWER_H
#define DNS_ANSWER_H

#include "dns/probe.h"
#include "dns/view.h"

enum {
    DNS_UDP_MIN_BYTES = 512,
    DNS_UDP_MAX_BYTES = 1232,     /* DNS flag day 2020 */
    DNS_ANSWER_MAX_BYTES = 16384, /* no answer is larger, whatever the transport */
};

enum dns_transport { DNS_UDP, DNS_TCP };

/* What is shown where no challenge is set, so that no negative answer is ever cached there. */
#define DNS_NO_CHALLENGE "no challenge is set"

/* Answers QUERY at NOW_AT (wall seconds) into RET_ANSWER, which must hold DNS_UDP_MAX_BYTES or, with DNS_TCP,
 * DNS_ANSWER_MAX_BYTES. Returns the answer's size; 0: stay silent. PROBES, the only thing changed, may be NULL. */
size_t dns_answer(const struct dns_view *view, struct dns_probes *probes, int64_t now_at,
                  enum dns_transport transport, struct bytes query, uint8_t *ret_answer);

#endif
