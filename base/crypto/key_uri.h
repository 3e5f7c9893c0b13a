/* A key that stays where it is, in a TPM, a smart card or a secure element: named by a URI
 * that an OpenSSL provider understands (`handle:0x81000001` with the provider tpm2), or
 * `pkcs11:...` (RFC 7512), for which an engine stands in where no provider does. */
#ifndef BASE_CRYPTO_KEY_URI_H
#define BASE_CRYPTO_KEY_URI_H

#include "base/crypto/key.h"

struct key_uri;

struct key_uri_options {
    const char *uri;
    const char *const *providers; /* names to load, beside OpenSSL's own */
    size_t provider_count;
};

/* Opens the key and signs once with it. The token is asked for each signature, so key_sign
 * blocks for as long as it takes. ERROR_NOT_FOUND, ERROR_UNSUPPORTED, ERROR_CRYPTO with a
 * sentence in REASON, which never holds more of the URI than what stands before its '?'.
 * Free the key first, then close. */
int key_uri_open(const struct key_uri_options *options, struct key_uri **ret_uri,
                 struct key **ret_key, char *reason, size_t reason_capacity) MUST_CHECK;
/* Accepts NULL. */
void key_uri_close(struct key_uri *uri);

#endif
