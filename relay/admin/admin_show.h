/* `latchkey-relay show` and `search`: one device with all that is known of it, and how to find
 * it. */
#ifndef RELAY_ADMIN_ADMIN_SHOW_H
#define RELAY_ADMIN_ADMIN_SHOW_H

#include "relay/relay_config.h"

#include <stdbool.h>

/* `show ID [--json]`; ID may be the first characters. Exit status. */
int admin_show_run(const struct relay_config *config, int argc, char **argv);
/* `search TEXT [--json]`: by the first characters of an id or a serial, a certID, a published
 * address, a token's kid or label, and what a contact holds; ALL_ZONES as in admin_list_run.
 * Exit status: 3 when nothing was found. */
int admin_show_search(const struct relay_config *config, bool all_zones, int argc,
                      char **argv);

#endif
