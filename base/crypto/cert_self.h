/* A certificate that says nothing but its key, for a TLS client whose key the server knows. */
#ifndef BASE_CRYPTO_CERT_SELF_H
#define BASE_CRYPTO_CERT_SELF_H

#include "base/crypto/cert.h"

/* Self-signed, without a CA's rights, names or an end (RFC 5280 4.1.2.5), common name CN.
 * ERROR_STATE for a public key. Free with cert_free. */
int cert_self_make(const struct key *key, const char *cn,
                   struct cert **ret_cert) MUST_CHECK;

#endif
