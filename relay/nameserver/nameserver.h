/* The dns role: the DNS engine fed from the store. */
#ifndef RELAY_NAMESERVER_NAMESERVER_H
#define RELAY_NAMESERVER_NAMESERVER_H

#include "base/net/address.h"
#include "dns/dns.h"

struct nameserver_options {
    struct dns_template_options zone; /* serial: 0 takes the start's wall time */
    const struct address *addresses;
    size_t address_count;
    struct lanname_policy policy;
    const char *store; /* the folder with the databases and our snapshot (dns.snapshot) */
    const char *ready_file; /* written once the role serves: the port of each address, a
                               line each; "": none */
};

/* Serves until SIGTERM or SIGINT. Blocks. Fails only at the start: when the zone's
 * records are wrong or an address can't be bound; it has then said why in the log. */
int nameserver_run(const struct nameserver_options *options) MUST_CHECK;

#endif
