/* PKCS#10 certificate requests (RFC 2986): making them, and holding one from outside to
 * the rules. */
#ifndef BASE_CRYPTO_CSR_H
#define BASE_CRYPTO_CSR_H

#include "base/crypto/key.h"

/* A request by KEY for dNSNames NAMES (SAN only, empty subject). DER is appended to
 * BUFFER. */
int csr_make(const struct key *key, const char *const *names, size_t name_count,
             struct buffer *der) MUST_CHECK;

struct csr {
    struct key *key; /* the public key; P-256, P-384 or RSA 2048..4096 */
    char **names;    /* dNSNames as they stand, sorted, no duplicates */
    size_t name_count;
};

/* Parses DER and checks: no trailing bytes; the self-signature; SHA-2; only dNSName SANs
 * (an IP, e-mail, URI or other SAN is an error), no more than LIMIT_ORDER_NAMES; each
 * name lower-case LDH with an optional leading "*.", no NUL, 253 octets at most; a CN, if
 * there is one, also among the SANs; no CA:TRUE in requested basicConstraints; a key of
 * an allowed kind and strength. On failure REASON says in one sentence what is wrong, fit
 * for a problem's detail. Free with csr_free in any case. */
int csr_parse(const void *der, size_t size, struct csr *ret_csr, char *reason,
              size_t reason_capacity) MUST_CHECK;
void csr_free(struct csr *csr);

#endif
