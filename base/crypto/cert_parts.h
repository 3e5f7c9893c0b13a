/* What the making of certificates needs of a chain's inside. Not for other folders. */
#ifndef BASE_CRYPTO_CERT_PARTS_H
#define BASE_CRYPTO_CERT_PARTS_H

#include "base/crypto/cert.h"

#include <openssl/x509.h>

/* Signs a certificate that holds everything else, by key_sign: the key may be elsewhere. */
int cert_sign(X509 *x509, const struct key *key) MUST_CHECK;
/* A chain of COUNT certificates, leaf first; each gets one more reference. The links are
 * verified: ERROR_SIGNATURE, or ERROR_SYNTAX for a leaf that we can't use. */
int cert_from_x509s(X509 *const *x509s, size_t count, struct cert **ret_cert) MUST_CHECK;

/* A date of a certificate, in seconds since 1970. */
int cert_read_time(const ASN1_TIME *time, int64_t *ret_at) MUST_CHECK;

#endif
