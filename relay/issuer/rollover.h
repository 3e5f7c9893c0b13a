/* Account key rollover (RFC 8555 7.3.5), on the operator's wish in admin.db. */
#ifndef RELAY_ISSUER_ROLLOVER_H
#define RELAY_ISSUER_ROLLOVER_H

#include "relay/issuer/issuer_state.h"

/* Follows the wish, and first takes up what a crash has left. */
int rollover_open(struct issuer *issuer, struct rollover **ret_rollover) MUST_CHECK;
void rollover_close(struct rollover *rollover);

#endif
