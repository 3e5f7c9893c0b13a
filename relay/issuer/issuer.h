/* The relay's role that holds the CA account: decides on orders, gets certificates from
 * the CA, shows challenges, revokes. */
#ifndef RELAY_ISSUER_ISSUER_H
#define RELAY_ISSUER_ISSUER_H

#include "relay/relay_config.h"

/* Runs the issuer until SIGTERM or SIGINT. SIGHUP reads the configuration
 * again and replaces *CONFIG. 0 after a clean end, else
 * an error that was logged: the process then ends and a new one goes on from the store.
 */
int issuer_run(struct relay_config **config) MUST_CHECK;

#endif
