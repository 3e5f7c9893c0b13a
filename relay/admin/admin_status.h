/* `latchkey-relay status`: whether the relay is well, as a monitoring plugin says it. */
#ifndef RELAY_ADMIN_ADMIN_STATUS_H
#define RELAY_ADMIN_ADMIN_STATUS_H

#include "relay/relay_config.h"

/* `status [--json]`: a line per check. Exit status: 0 all good, 1 something wants attention, 2
 * something has failed, 3 it can't be told (wrong arguments, a store that can't be read). */
int admin_status_run(const struct relay_config *config, int argc, char **argv);

#endif
