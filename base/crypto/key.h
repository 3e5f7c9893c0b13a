/* Keys: P-256, P-384, RSA 2048..4096 and Ed25519. An opaque reference-counted handle that
 * is either a key pair or a public key. Private bytes never leave this module but as PEM
 * for the owner's own file. */
#ifndef BASE_CRYPTO_KEY_H
#define BASE_CRYPTO_KEY_H

#include "base/core/buffer.h"

#include <jansson.h>

struct key;

enum key_kind { KEY_P256, KEY_P384, KEY_RSA, KEY_ED25519 };

enum {
    KEY_SPKI_MAX = 600,      /* DER of RSA-4096 is 550 */
    KEY_SIGNATURE_MAX = 512, /* RSA-4096 */
    KEY_ID_BYTES = 20,
    KEY_ID_SIZE = 32,  /* characters of an id, without the NUL */
    KEY_PIN_SIZE = 43, /* base64url SHA-256 */
};

/* A fresh key pair; free it with key_free. Only KEY_P256 and KEY_RSA (2048 bits) are
 * made, else ERROR_UNSUPPORTED. */
int key_generate(enum key_kind kind, struct key **ret_key) MUST_CHECK;
/* PEM of any kind that OpenSSL reads without a passphrase (SEC1, PKCS#1, PKCS#8);
 * ERROR_RANGE for other kinds and weak sizes. A public key's PEM gives a public key. A
 * pair is tried out once: ERROR_CRYPTO when its halves do not belong together. */
int key_from_pem(const void *pem, size_t size, struct key **ret_key) MUST_CHECK;
/* Canonical DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7): re-encoded and compared byte for
 * byte, so that one key has one id; ERROR_SYNTAX else. */
int key_from_spki(const void *der, size_t size, struct key **ret_key) MUST_CHECK;
/* A public JWK (RFC 7517; RFC 7518 6, RFC 8037). Private members are ERROR_DENIED, wrong
 * coordinate lengths, points off the curve, leading zeros and non-zero unused bits are
 * ERROR_SYNTAX. */
int key_from_jwk(const json_t *jwk, struct key **ret_key) MUST_CHECK;
/* A private JWK, as certbot keeps its account key (RSA, P-256, P-384). */
int key_from_private_jwk(const json_t *jwk, struct key **ret_key) MUST_CHECK;

/* PKCS#8 PEM into BUFFER (from buffer_init_secret). ERROR_STATE for a public key. */
int key_to_pem(const struct key *key, struct buffer *buffer) MUST_CHECK;
/* The public JWK, members in RFC 7638's order; the caller json_decref()s it. */
int key_to_jwk(const struct key *key, json_t **ret_jwk) MUST_CHECK;
/* The canonical DER SubjectPublicKeyInfo, borrowed from the key. */
struct bytes key_spki(const struct key *key);
/* SHA-256 of the SPKI. */
int key_spki_sha256(const struct key *key, uint8_t ret_hash[static 32]) MUST_CHECK;
/* The device id: base32 of the first 20 bytes of SHA-256(SPKI). */
int key_id(const struct key *key, char ret_id[static KEY_ID_SIZE + 1]) MUST_CHECK;
/* RFC 7638 thumbprint, SHA-256, base64url. */
int key_thumbprint(const struct key *key,
                   char ret_text[static KEY_PIN_SIZE + 1]) MUST_CHECK;

/* Signs DATA for a key that is kept elsewhere: what key_sign gives, or DER for ECDSA.
 * RET_SIGNATURE holds KEY_SIGNATURE_MAX. */
typedef int key_sign_fn(void *arg, const void *data, size_t size, uint8_t *ret_signature,
                        size_t *ret_size);
/* A pair whose private half SIGN knows (a secure element, say); SPKI as key_from_spki takes
 * it. SIGN is tried out once: ERROR_CRYPTO when its signature does not verify, or its own
 * error; so is every later one. SIGN and ARG must outlive the key. */
int key_new_external(const void *spki, size_t spki_size, key_sign_fn *sign, void *arg,
                     struct key **ret_key) MUST_CHECK;

enum key_kind key_kind(const struct key *key);
/* Size as OpenSSL counts it: 256, 384, the modulus's bits, 253. */
unsigned key_bits(const struct key *key);
/* Whether it can sign. */
bool key_is_private(const struct key *key);
/* Whether the public halves are the same. */
bool key_equal(const struct key *a, const struct key *b);

/* Signs and verifies as JWS does (RFC 7518 3.1): ES256/ES384 raw r||s of exactly 64/96
 * octets, RS256 PKCS#1 v1.5, EdDSA. The algorithm follows from the key. RET_SIGNATURE
 * holds KEY_SIGNATURE_MAX. */
int key_sign(const struct key *key, const void *data, size_t size, uint8_t *ret_signature,
             size_t *ret_size) MUST_CHECK;
int key_verify(const struct key *key, const void *data, size_t size,
               const uint8_t *signature,
               size_t signature_size) MUST_CHECK; /* ERROR_SIGNATURE */

/* One more reference to the same key; any thread. */
struct key *key_ref(struct key *key);
/* Drops a reference; accepts NULL. The last one wipes. */
void key_free(struct key *key);

/* For base/crypto and TLS set-up in base/net only: the EVP_PKEY, borrowed. */
struct evp_pkey_st;
struct evp_pkey_st *key_evp(const struct key *key);

#endif
