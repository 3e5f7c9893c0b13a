/* The role `front`: the relay's ACME server towards devices (RFC 8555 over HTTPS). It
 * writes front.db and reads what the issuer and the operator decide; it holds no key of a
 * CA account. */
#ifndef RELAY_FRONT_FRONT_H
#define RELAY_FRONT_FRONT_H

#include "relay/relay_config.h"

/* Serves all zones until SIGTERM or SIGINT. SIGHUP reads the configuration again and replaces
 * *CONFIG; no connection and no held exchange is lost by it. Returns a process exit status: 0
 * after a clean end, 1 when it could not start or the loop failed (logged). log_open is
 * the caller's. Blocks. */
int front_run(struct relay_config **config);

#endif
