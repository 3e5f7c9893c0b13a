/* External account binding (RFC 8555 7.3.4): the JWS inside newAccount that ties the
 * account's key to a MAC key handed out before; at the relay that is the enrolment token.
 */
#ifndef ACME_EAB_H
#define ACME_EAB_H

#include "acme/jws.h"
#include "base/crypto/digest.h"

enum { EAB_KID_MAX = 256, EAB_MAC_KEY_MAX = 256 };

struct eab_credentials {
    const char *kid;       /* borrowed */
    struct bytes mac_key;  /* borrowed; the decoded bytes */
    enum digest_hash hash; /* HS256, HS384 or HS512 */
};

/* The value of `externalAccountBinding` for ACCOUNT towards URL (newAccount's);
 * json_decref() it. */
int eab_make(const struct eab_credentials *credentials, const struct key *account,
             const char *url, json_t **ret_binding) MUST_CHECK;

struct eab; /* parsed, not yet verified; immutable */

/* Reads the member of a newAccount payload. The inner url must equal URL (the outer one),
 * its payload must be ACCOUNT as JWK, its alg HS256/384/512, no nonce, no jwk.
 * `malformed` or badSignatureAlgorithm in PROBLEM else. */
int eab_parse(const json_t *binding, const struct key *account, const char *url,
              struct eab **ret_eab, struct acme_problem *problem) MUST_CHECK;
const char *eab_kid(const struct eab *eab); /* borrowed */
/* ERROR_SIGNATURE with `unauthorized` in PROBLEM when the MAC is not by this key. */
int eab_verify(const struct eab *eab, const void *mac_key, size_t mac_key_size,
               struct acme_problem *problem) MUST_CHECK;
void eab_free(struct eab *eab);

#endif
