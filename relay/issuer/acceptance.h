/* Acceptance: the issuer's word on a finalize (design: the certificate 5), and on front's
 * own request for the relay's HTTPS certificate. Both write inside the caller's
 * transaction and log one line; they return an error only when the store fails. */
#ifndef RELAY_ISSUER_ACCEPTANCE_H
#define RELAY_ISSUER_ACCEPTANCE_H

#include "relay/issuer/issuer_state.h"
#include "relay/store/front_store.h"

/* A request of kind 'finalize'. What is refused makes its order invalid. */
int acceptance_finalize(struct issuer *issuer, int64_t rev,
                        const struct front_store_request *request) MUST_CHECK;
/* A request of kind 'relay': its JWS column is the CSR alone. */
int acceptance_relay(struct issuer *issuer, int64_t rev,
                     const struct front_store_request *request) MUST_CHECK;

#endif
