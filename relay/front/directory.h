/* The directory object (RFC 8555 7.1.1) with `meta.latchkey`: what a device finds of the
 * relay's own extensions. */
#ifndef RELAY_FRONT_DIRECTORY_H
#define RELAY_FRONT_DIRECTORY_H

#include "relay/front/request.h"

/* Makes the directory's body and the Link header's value of each of SERVICE's bases.
 * Failures are logged. */
int directory_make(struct service *service) MUST_CHECK;
/* The directory, by GET or POST-as-GET. */
void directory_respond(struct request *request);
/* newNonce, by HEAD, GET or POST-as-GET: the nonce is in the header. */
void directory_respond_nonce(struct request *request);

#endif
