/* What kind of wish an order is, from the certificate that its device has. */
#ifndef RELAY_ISSUER_LANE_H
#define RELAY_ISSUER_LANE_H

#include "relay/issuer/issuer_state.h"

/* The lane of an order of ID for NAMES (sorted, one blank between). */
int lane_of(struct issuer *issuer, const char *id, const char *names, int64_t now_at,
            enum budget_lane *ret_lane) MUST_CHECK;
/* Whether it is time for a new certificate: neither first nor early. */
bool lane_is_renewal(enum budget_lane lane);
/* Whether the CA has certified the relay's own name lately: then a new certificate for it
 * counts for the set of names alone. */
int lane_relay_is_known(struct issuer *issuer, int64_t now_at,
                        bool *ret_is_known) MUST_CHECK;
/* For how many of the relay's own names, of all zones that share the budget, that is not so: each
 * must find a token, whatever the devices have used. */
int lane_relays_to_come(struct issuer *issuer, int64_t now_at,
                        int64_t *ret_count) MUST_CHECK;

#endif
