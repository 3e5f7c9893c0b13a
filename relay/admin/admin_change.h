/* What an operator decides about one device: block, unblock, settle, forget, reactivate. */
#ifndef RELAY_ADMIN_ADMIN_CHANGE_H
#define RELAY_ADMIN_ADMIN_CHANGE_H

#include "relay/relay_config.h"

/* ARGV[0] is the command, then an id (for forget a whole one), for block perhaps a reason.
 * Each is in the audit, and fine to give again. Exit status. */
int admin_change_run(const struct relay_config *config, int argc, char **argv);

#endif
