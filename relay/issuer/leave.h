/* A device that deactivates its account (RFC 8555 7.3.6) leaves nothing open. */
#ifndef RELAY_ISSUER_LEAVE_H
#define RELAY_ISSUER_LEAVE_H

#include "relay/issuer/issuer_state.h"
#include "relay/store/front_store.h"

/* Decides on a request of kind "leave", within the transaction REV: verified from the signed
 * bytes, the device's orders that are ready end, and its place in the queue goes. 0, or the
 * store's error. */
int leave_request(struct issuer *issuer, int64_t rev,
                  const struct front_store_request *request) MUST_CHECK;

#endif
