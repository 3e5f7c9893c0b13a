/* `latchkey-relay audit`: what the operators' commands changed. */
#ifndef RELAY_ADMIN_ADMIN_AUDIT_H
#define RELAY_ADMIN_ADMIN_AUDIT_H

#include "relay/relay_config.h"

/* `audit [list] [--after N] [--limit N] [--json]`, `audit verify [--head HASH]`, `audit head`.
 * Exit status: of verify, 1 when the chain is broken or does not hold HASH. */
int admin_audit_run(const struct relay_config *config, int argc, char **argv);

#endif
