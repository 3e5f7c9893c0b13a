/* Admission: the issuer's word on a newOrder (design: the certificate 3), and on a
 * finalize (5). Both write inside the caller's transaction, and log one line. */
#ifndef RELAY_ISSUER_ADMISSION_H
#define RELAY_ISSUER_ADMISSION_H

#include "relay/issuer/issuer_state.h"
#include "relay/store/front_store.h"

/* Each returns an error only when the store fails; a refusal is a row, not an error. */
int admission_order(struct issuer *issuer, int64_t rev,
                    const struct front_store_request *request) MUST_CHECK;

#endif
