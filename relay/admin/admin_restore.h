/* `latchkey-relay restore`: see admin_backup.h. */
#ifndef RELAY_ADMIN_ADMIN_RESTORE_H
#define RELAY_ADMIN_ADMIN_RESTORE_H

#include "relay/relay_config.h"

/* `restore FILE [--into FOLDER] [--force]`: verifies all of FILE, then writes databases,
 * secret and keys into the store, or FOLDER, and the configuration beside them as *.restored.
 * A store that holds databases is replaced only with --force, and never while a role runs.
 * Exit status. */
int admin_restore_run(const struct relay_config *config, int argc, char **argv);

#endif
