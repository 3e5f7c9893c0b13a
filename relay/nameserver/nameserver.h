/* The dns role: the DNS engine fed from the store, for all zones of the relay. */
#ifndef RELAY_NAMESERVER_NAMESERVER_H
#define RELAY_NAMESERVER_NAMESERVER_H

#include "relay/relay_config.h"

/* Serves until SIGTERM or SIGINT. Blocks. SIGHUP reads the configuration again and replaces
 * *CONFIG. Fails only at the start: when a zone's records are wrong or an address can't be
 * bound; it has then said why in the log. */
int nameserver_run(struct relay_config **config) MUST_CHECK;

#endif
