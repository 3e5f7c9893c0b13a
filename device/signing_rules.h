/* What the agent signs for its worker: only JWS signing inputs of ACME requests that a
 * task of ours makes, addressed to the configured relay. The worker parses what comes
 * from outside; were it captured, this is what stands between it and the identity key.
 * Pure. */
#ifndef DEVICE_SIGNING_RULES_H
#define DEVICE_SIGNING_RULES_H

#include "base/core/json.h"
#include "base/crypto/key.h"

struct signing_rules {
    const struct key *key; /* the one that would sign; borrowed */
    const char *id;        /* its id */
    const char
        *directory;  /* the relay's directory: its origin is the only one signed for */
    bool may_leave; /* its account's deactivation may be signed */
    const char *csr; /* base64url of the only request that may be finalized; "" : none */
    const json_t *publication; /* the only counter, addresses and receipt to publish; NULL: none */
    const char *nonce;         /* of the only question for the time; NULL: none */
};

/* Checks "base64url(protected).base64url(payload)" (RFC 7515 5.1). Protected: alg of our
 * key, nonce, url of the origin, and jwk (our own) or kid (of the origin), nothing else.
 * Payload: empty, or an object of the members that account creation, an order for our own
 * names, finalization with our own CSR and publication of addresses need. ERROR_DENIED
 * with a sentence in REASON. */
int signing_rules_check(const struct signing_rules *rules, const char *input, size_t size,
                        char *reason, size_t reason_capacity) MUST_CHECK;

/* Whether URL (or NULL) is of the same scheme, host and port as the relay's DIRECTORY. */
bool signing_rules_is_of_relay(const char *url, const char *directory);

#endif
