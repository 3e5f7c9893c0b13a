/* Revocations: verified here again, done at the CA, and a key said to be compromised is
 * never certified again. */
#ifndef RELAY_ISSUER_REVOKE_H
#define RELAY_ISSUER_REVOKE_H

#include "relay/issuer/issuer_state.h"
#include "relay/store/front_store.h"

enum {
    REVOKE_REASON_KEY_COMPROMISE = 1, /* RFC 5280 5.3.1 */
    REVOKE_REASON_CESSATION = 5,
};

/* Goes on with those that the ledger says were begun. */
int revoke_open_all(struct issuer *issuer,
                    struct revocations **ret_revocations) MUST_CHECK;
void revoke_close_all(struct revocations *revocations);
/* Takes a request inside the transaction REV; an error only when the store fails. */
int revoke_request(struct issuer *issuer, int64_t rev,
                   const struct front_store_request *request) MUST_CHECK;
/* As the operator wishes: begins the revocation NUMBER of CERT_ID in the transaction REV. It is
 * tried until the CA has answered. ERROR_NOT_FOUND for an unknown certificate. */
int revoke_begin(struct issuer *issuer, int64_t rev, const char *number,
                 const char *cert_id, int reason) MUST_CHECK;
bool revoke_is_open(const struct revocations *revocations, const char *number);

#endif
