/* X.509 certificates and chains: reading them, making the device's own, and checking that
 * an issued chain is what was asked for. */
#ifndef BASE_CRYPTO_CERT_H
#define BASE_CRYPTO_CERT_H

#include "base/crypto/csr.h"

struct cert; /* a chain, leaf first; immutable */

enum {
    CERT_SERIAL_MAX = 42, /* hex characters of 20 octets, a leading 00, and NUL */
    CERT_ID_MAX = 96,     /* RFC 9773 certID text with NUL */
};

/* Reads a PEM chain: CERTIFICATE blocks only, at most LIMIT_CHAIN_COUNT and
 * LIMIT_CHAIN_BYTES, each certificate signed by the next. Text between blocks (RFC 7468
 * explanatory text) and CRLF are fine. */
int cert_from_pem(const void *pem, size_t size, struct cert **ret_cert) MUST_CHECK;
/* One DER certificate (the leaf alone), as in a revocation request. */
int cert_from_der(const void *der, size_t size, struct cert **ret_cert) MUST_CHECK;
/* Appends the chain as PEM, only the blocks. */
int cert_to_pem(const struct cert *cert, struct buffer *pem) MUST_CHECK;
void cert_free(struct cert *cert);

/* Facts about the leaf. */
int64_t cert_not_before_at(const struct cert *cert);
int64_t cert_not_after_at(const struct cert *cert);
/* Serial in lower-case hex as openssl x509 -serial prints it (without leading 00). */
void cert_serial(const struct cert *cert, char ret_text[static CERT_SERIAL_MAX]);
/* base64url(AKI keyIdentifier) "." base64url(serial with its leading 0); RFC 9773 4.1.
 * ERROR_NOT_FOUND without an AKI. */
int cert_id(const struct cert *cert, char ret_text[static CERT_ID_MAX]) MUST_CHECK;
/* SHA-256 of the leaf's DER, and of its SPKI. */
int cert_fingerprint(const struct cert *cert, uint8_t ret_hash[static 32]) MUST_CHECK;
int cert_key(const struct cert *cert,
             struct key **ret_key) MUST_CHECK; /* the leaf's public key */
/* The leaf's dNSNames, borrowed. */
size_t cert_name_count(const struct cert *cert);
const char *cert_name(const struct cert *cert, size_t index);
/* Subject of the leaf's issuer, printable, for people. */
void cert_issuer_text(const struct cert *cert, char *ret_text, size_t capacity);
/* Size in certificates and DER of the leaf, borrowed. */
size_t cert_count(const struct cert *cert);
struct bytes cert_leaf_der(const struct cert *cert);

/* Whether an issued chain answers the request: leaf key = KEY, dNSNames exactly NAMES
 * (any order) and no other SAN, not a CA, serverAuth allowed, links signed, notBefore <=
 * now + skew, notAfter > now. REASON says what is wrong. */
int cert_check_issued(const struct cert *cert, const struct key *key,
                      const char *const *names, size_t name_count, int64_t now_at,
                      int64_t skew_s, char *reason, size_t reason_capacity) MUST_CHECK;

/* The self-made pair of the fallback (design: the certificate 1, 11). An identity
 * certificate: self-signed by IDENTITY, CA:TRUE pathlen:0, keyCertSign, serverAuth,
 * critical nameConstraints permitting only PERMITTED dNSNames (each with what is below it)
 * and excluding every address, CN = CN, notAfter 99991231235959Z. */
int cert_make_identity(const struct key *identity, const char *cn,
                       const char *const *permitted, size_t permitted_count,
                       struct cert **ret_cert) MUST_CHECK;
/* A leaf for KEY signed by IDENTITY: dNSNames NAMES and addresses ADDRESSES (text) in the
 * SAN, serverAuth, valid from..until. The chain returned is leaf, identity certificate;
 * for verifiers that hold to name constraints it is no chain when there are ADDRESSES. */
int cert_make_leaf(const struct cert *identity_cert, const struct key *identity,
                   const struct key *key, const char *const *names, size_t name_count,
                   const char *const *addresses, size_t address_count, int64_t from_at,
                   int64_t until_at, struct cert **ret_cert) MUST_CHECK;

/* For TLS set-up in base/net and device only: the X509s, borrowed; index 0 is the leaf.
 */
struct x509_st;
struct x509_st *cert_x509(const struct cert *cert, size_t index);

#endif
