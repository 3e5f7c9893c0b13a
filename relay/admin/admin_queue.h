/* `latchkey-relay queue`: who waits for the CA, why, since when, and until when. */
#ifndef RELAY_ADMIN_ADMIN_QUEUE_H
#define RELAY_ADMIN_ADMIN_QUEUE_H

#include "relay/relay_config.h"

/* The command: `queue [--limit N] [--json]`. Exit status: 0, 1 when the store can't be read, 2
 * for wrong arguments. */
int admin_queue_run(const struct relay_config *config, int argc, char **argv);

#endif
