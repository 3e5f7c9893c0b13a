/* The admin role: the dashboard on loopback, alerts, and the look at what the CA logged. It only
 * reads the store, and writes nothing but alerts.json. */
#ifndef RELAY_ADMIN_DASHBOARD_H
#define RELAY_ADMIN_DASHBOARD_H

#include "relay/relay_config.h"

/* Serves until SIGTERM or SIGINT; reads *CONFIG again at SIGHUP. Blocks. PATH is the
 * configuration's, for check-delegation. Fails at the start, or when memory runs out at a
 * reload, and has then said why in the log. */
int dashboard_run(struct relay_config **config, const char *path) MUST_CHECK;

#endif
