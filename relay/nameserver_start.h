/* From relay.conf to the dns role: nameserver knows nothing of the configuration file. */
#ifndef RELAY_NAMESERVER_START_H
#define RELAY_NAMESERVER_START_H

#include "relay/relay_config.h"

/* Runs the dns role until SIGTERM. Blocks. */
int nameserver_start(const struct relay_config *config) MUST_CHECK;

#endif
