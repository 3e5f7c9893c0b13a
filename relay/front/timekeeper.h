/* `time`: tells devices without a clock what time it is, signed by the issuer with the relay's
 * own key (acme/statement.h): front could not say it in its own words. */
#ifndef RELAY_FRONT_TIMEKEEPER_H
#define RELAY_FRONT_TIMEKEEPER_H

#include "relay/front/request.h"

struct timekeeper;

/* Free with timekeeper_free. ERROR_MEMORY. */
int timekeeper_new(const struct service_base *base,
                   struct timekeeper **ret_keeper) MUST_CHECK;
/* Requests still held are freed without a response. */
void timekeeper_free(struct timekeeper *keeper);
/* POST {"nonce": 22 characters of base64url}, by account or by key. Held until it is signed. */
void timekeeper_respond(struct request *request);

#endif
