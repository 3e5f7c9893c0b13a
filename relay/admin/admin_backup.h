/* `latchkey-relay backup` and `restore`: everything that the relay is, in one file. */
#ifndef RELAY_ADMIN_ADMIN_BACKUP_H
#define RELAY_ADMIN_ADMIN_BACKUP_H

#include "relay/admin/archive.h"
#include "relay/relay_config.h"

#include <stdbool.h>

/* `backup [FILE|-]`, `backup --nightly`: the three databases as they are at one moment, keys,
 * secret and configuration. Without FILE it goes into the backup folder; nightly only when the
 * last there is older than 20 hours, and those beyond backup_keep go. All but the nightly ones are
 * noted in the audit. Exit status. */
int admin_backup_run(const struct relay_config *config, int argc, char **argv);

/* What ZONE's relay key is called in a backup of MAIN_CONFIG and its further zones: as its file,
 * or by its zone where an earlier zone's key has that name in another folder. False: too long. */
bool admin_backup_key_name(const struct relay_config *main_config,
                           const struct relay_config *zone,
                           char ret_name[static ARCHIVE_NAME_CAPACITY]);

#endif
