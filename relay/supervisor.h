/* `latchkey-relay run`: all roles under one uid, for labs and containers. */
#ifndef RELAY_SUPERVISOR_H
#define RELAY_SUPERVISOR_H

#include <stdbool.h>

/* Starts PROGRAM once per role (WITH_ADMIN: the admin role too) with CONFIG_PATH, starts a
 * role that ended again (after a pause that doubles up to a minute), and on SIGTERM or SIGINT
 * ends them all. The service manager hears from it when all of them are ready, after the start
 * and after a reload. Blocks until the end; a process exit status. */
int supervisor_run(const char *program, const char *config_path, bool with_admin);

#endif
