/* How often each probe name was asked for: the one thing that an answer changes. Bounded;
 * a name that is pushed out by others is counted from nothing. One thread. */
#ifndef DNS_PROBE_H
#define DNS_PROBE_H

#include "base/core/error.h"

#include <stddef.h>
#include <stdint.h>

struct dns_probes;

enum {
    DNS_PROBE_WINDOW_S = 60,
    DNS_PROBE_SEEN_MAX = 32, /* more asks than this within the window count as this */
};

/* What a probe name's A says: an address that rebinding filters look for. */
#define DNS_PROBE_ADDRESS "192.168.0.1"

/* About 1.1 MB, made at once. ERROR_MEMORY, ERROR_IO. */
int dns_probe_new(struct dns_probes **ret_probes) MUST_CHECK;
/* Accepts NULL. */
void dns_probe_free(struct dns_probes *probes);
/* Counts one ask of the name (SIZE octets, lower case) at NOW_AT (wall seconds). */
void dns_probe_count(struct dns_probes *probes, const void *name, size_t size,
                     int64_t now_at);
/* Asks within the last minute. */
unsigned dns_probe_seen(const struct dns_probes *probes, const void *name, size_t size,
                        int64_t now_at);

#endif
