/* The resident agent: `latchkey run`. */
#ifndef DEVICE_AGENT_H
#define DEVICE_AGENT_H

#include "device/device_config.h"

/* Serves until SIGTERM or SIGINT. The exit status of the program: 0 after such an end, 1
 * when it could not start (the log says why). Blocks. */
int agent_run(const struct device_config *config);

#endif
