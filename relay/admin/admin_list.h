/* What the operator sees of devices: one line each, or everything about one. */
#ifndef RELAY_ADMIN_ADMIN_LIST_H
#define RELAY_ADMIN_ADMIN_LIST_H

#include "relay/relay_config.h"

/* Both print to standard output and return a process exit status. */
int admin_list_devices(const struct relay_config *config);
int admin_list_device(const struct relay_config *config, const char *id);

#endif
