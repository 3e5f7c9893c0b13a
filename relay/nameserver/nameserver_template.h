/* From the configuration of a zone to its fixed records. */
#ifndef RELAY_NAMESERVER_NAMESERVER_TEMPLATE_H
#define RELAY_NAMESERVER_NAMESERVER_TEMPLATE_H

#include "dns/dns.h"
#include "relay/relay_config.h"

/* Compiles name servers, hosts, apex and records_file of CONFIG (borrowed for the call);
 * the serial is the wall time. Says in the log what is wrong. Blocks on the disk. */
int nameserver_template_make(const struct relay_config *config,
                             struct dns_template **ret_template) MUST_CHECK;

#endif
