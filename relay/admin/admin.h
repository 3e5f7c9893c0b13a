/* The operator's commands: token, list, show, block, unblock. They write admin.db alone
 * and read the other roles' files. Each prints to standard output, says on standard error
 * what went wrong and how to mend it, and returns a process exit status. */
#ifndef RELAY_ADMIN_ADMIN_H
#define RELAY_ADMIN_ADMIN_H

#include "relay/relay_config.h"

/* ARGV[0] is the command's name. CONFIG is that of the zone that the command is about.
 * ALL_ZONES: none was named, so a list may go on with CONFIG's further zones. Blocks on
 * the disk. */
int admin_run(const struct relay_config *config, bool all_zones, int argc, char **argv);

/* One line per command, for --help. */
extern const char admin_usage[];

#endif
