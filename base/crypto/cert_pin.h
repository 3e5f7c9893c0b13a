/* Whether a TLS server is the device of a pin: the check that replaces names and root
 * certificates for whoever has read the pin from the device itself. */
#ifndef BASE_CRYPTO_CERT_PIN_H
#define BASE_CRYPTO_CERT_PIN_H

#include "base/core/error.h"

#include <stddef.h>
#include <stdint.h>

struct x509_st;

struct cert_pin {
    const uint8_t *hash; /* 32 octets: SHA-256 of the identity key's SPKI */
    int64_t now_at;      /* what the clock says */
    int64_t floor_at;    /* a time that has certainly passed */
};

/* Judges CHAIN as a server has sent it, leaf first. It must be exactly a leaf, and the
 * identity certificate that signed it, whose key makes the pin; the leaf is no CA, is for
 * TLS servers, and has not run out. A clock before the floor, or so far behind it that it
 * can't be right, is not believed: the floor counts then. When a certificate begins does
 * not count, for a device's clock may be wrong, too; nor does the identity certificate's
 * end. ERROR_DENIED with a sentence in REASON; ERROR_MEMORY. */
int cert_pin_check(struct x509_st *const *chain, size_t count, const struct cert_pin *pin,
                   char *reason, size_t reason_capacity) MUST_CHECK;
/* SHA-256 of a certificate's SPKI, whoever made it. ERROR_SYNTAX for a key that we can't
 * use. */
int cert_pin_key_hash(const struct x509_st *x509, uint8_t ret_hash[static 32]) MUST_CHECK;
/* The time by which that is judged: the clock's, or the floor. */
int64_t cert_pin_believed_at(const struct cert_pin *pin);

#endif
