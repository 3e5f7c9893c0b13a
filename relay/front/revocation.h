/* Revocation (RFC 8555 7.6), signed by the account's key or by the certificate's own. The
 * issuer decides and does it. */
#ifndef RELAY_FRONT_REVOCATION_H
#define RELAY_FRONT_REVOCATION_H

#include "relay/front/request.h"

/* Answers revokeCert: once the CA has answered the issuer. */
void revocation_create(struct request *request);

/* Reads `certificate` and `reason` of PAYLOAD. *RET_CERT is the caller's to free. False
 * with PROBLEM. */
bool revocation_read(const json_t *payload, struct cert **ret_cert,
                     struct acme_problem *problem) MUST_CHECK;

#endif
