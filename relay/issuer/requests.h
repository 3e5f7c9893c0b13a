/* Follows front.db: each request is decided once, in order of its revision, and how far
 * that got is written with the decisions. */
#ifndef RELAY_ISSUER_REQUESTS_H
#define RELAY_ISSUER_REQUESTS_H

#include "relay/issuer/issuer_state.h"

/* front.db and admin.db may appear later. */
int requests_open(struct issuer *issuer, struct requests **ret_requests) MUST_CHECK;
void requests_close(struct requests *requests);

#endif
