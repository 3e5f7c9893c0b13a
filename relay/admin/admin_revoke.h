/* `latchkey-relay revoke` and `revoked-keys`: certificates and keys that must not count any
 * more. */
#ifndef RELAY_ADMIN_ADMIN_REVOKE_H
#define RELAY_ADMIN_ADMIN_REVOKE_H

#include "relay/relay_config.h"

/* `revoke ID|CERTID [--reason NAME]`: all live certificates of a device, or one. The issuer
 * revokes them at the CA; with keyCompromise their keys are never certified again. Exit
 * status. */
int admin_revoke_run(const struct relay_config *config, int argc, char **argv);
/* `revoked-keys list [--json]` and `revoked-keys add HASH|FILE`: the keys that the issuer
 * refuses for ever; FILE is a key or a certificate in PEM. Exit status. */
int admin_revoke_keys(const struct relay_config *config, int argc, char **argv);

#endif
