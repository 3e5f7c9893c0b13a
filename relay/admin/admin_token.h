/* `latchkey-relay token`: enrolment tokens. A token's key is derived from the relay's secret
 * when it is printed; it is stored nowhere. */
#ifndef RELAY_ADMIN_ADMIN_TOKEN_H
#define RELAY_ADMIN_ADMIN_TOKEN_H

#include "relay/relay_config.h"

#include <stdbool.h>

/* `token add|bulk|list|show|end`, see admin_usage. ALL_ZONES as in admin_list_run. Exit
 * status. */
int admin_token_run(const struct relay_config *config, bool all_zones, int argc,
                    char **argv);

#endif
