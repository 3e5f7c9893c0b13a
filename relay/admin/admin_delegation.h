/* `latchkey-relay check-delegation`: is the zone delegated, and does each of its name servers
 * answer as the CA's resolvers will ask. */
#ifndef RELAY_ADMIN_ADMIN_DELEGATION_H
#define RELAY_ADMIN_ADMIN_DELEGATION_H

#include "relay/relay_config.h"

/* Asks, prints a line per verdict and the mend of each that is not good; with --json an object.
 * ARGV[0] is the command. Exit status: 0 all good, 1 something is not, 2 wrong arguments.
 * Blocks for some seconds per server that is silent. */
int admin_delegation_run(const struct relay_config *config, int argc, char **argv);

#endif
