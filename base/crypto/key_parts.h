/* The parts of a key that other files of base/crypto need. Not for other folders. */
#ifndef BASE_CRYPTO_KEY_PARTS_H
#define BASE_CRYPTO_KEY_PARTS_H

#include "base/crypto/key.h"

#include <openssl/evp.h>

/* Takes PKEY (also on failure) as a key; ERROR_RANGE for kinds and sizes we do not use.
 */
int key_take_evp(EVP_PKEY *pkey, bool is_private, struct key **ret_key) MUST_CHECK;
/* Signs and verifies once; ERROR_CRYPTO when the halves of a pair do not belong together.
 */
int key_check_pair(const struct key *key) MUST_CHECK;
/* What stands before the raw public value in a canonical SPKI; {NULL, 0} for RSA. */
struct bytes key_spki_prefix(enum key_kind kind);
/* Appends a signature of key_sign in the form that X.509 wants. */
int key_signature_der(const struct key *key, const uint8_t *signature,
                      size_t signature_size, struct buffer *der) MUST_CHECK;
/* Octets of an EC coordinate, or of an Ed25519 public key. */
size_t key_coordinate_size(enum key_kind kind);

#endif
