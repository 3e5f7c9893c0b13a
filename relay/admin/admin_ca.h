/* `latchkey-relay ca`: the relay's account at the CA, and what is left of the CA's limits. */
#ifndef RELAY_ADMIN_ADMIN_CA_H
#define RELAY_ADMIN_ADMIN_CA_H

#include "relay/relay_config.h"

/* The command: `ca [--json]`, `ca rollover`. Exit status: 0 when the
 * account works (rollover: when the wish is stored), 1 when it does not or can't be read, 2 for
 * wrong arguments. */
int admin_ca_run(const struct relay_config *config, int argc, char **argv);

#endif
