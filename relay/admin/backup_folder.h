/* The folder of backups: what `latchkey-relay backup` puts there by itself has names that are
 * times, "latchkey-2026-11-27T23-15-00Z.tar", and these names are the record of the nightly ones:
 * who may list the folder sees when the last was made, without being able to read it. Other files
 * in it are left alone. All block on the disk. */
#ifndef RELAY_ADMIN_BACKUP_FOLDER_H
#define RELAY_ADMIN_BACKUP_FOLDER_H

#include "base/core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BACKUP_FOLDER_NAME_CAPACITY = 64 };

/* The name of a backup that is made at AT. */
bool backup_folder_name(int64_t at, char ret_name[static BACKUP_FOLDER_NAME_CAPACITY]);
/* When the newest was made; 0: there is none, or no FOLDER. A name of the future, from a clock
 * that was wrong, counts as far back as it lies ahead. ERROR_DENIED, or ERROR_IO with errno, when
 * the folder can't be listed. */
int backup_folder_newest(const char *folder, int64_t now_at, int64_t *ret_at) MUST_CHECK;
/* Removes the oldest, by the same rule, beyond those to KEEP. */
void backup_folder_prune(const char *folder, int64_t now_at, size_t keep);
/* Removes what a backup that was killed has left. */
void backup_folder_remove_parts(const char *folder);

#endif
