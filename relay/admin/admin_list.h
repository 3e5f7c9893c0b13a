/* `latchkey-relay list`: the devices, a line each. */
#ifndef RELAY_ADMIN_ADMIN_LIST_H
#define RELAY_ADMIN_ADMIN_LIST_H

#include "relay/relay_config.h"

#include <stdbool.h>

/* `list [--expiring DAYS] [--blocked] [--waiting] [--clones] [--token KID] [--limit N]
 * [--after ID] [--json]`: devices for which all of it holds. ALL_ZONES: of CONFIG's further
 * zones, too. Memory does not grow with the number of devices. Exit status. */
int admin_list_run(const struct relay_config *config, bool all_zones, int argc,
                   char **argv);

#endif
