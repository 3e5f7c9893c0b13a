/* What the files of base/crypto share about OpenSSL. Not for other folders. */
#ifndef BASE_CRYPTO_OPENSSL_H
#define BASE_CRYPTO_OPENSSL_H

#include "base/crypto/key.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

/* Turns OpenSSL's error queue into ours: ERROR_MEMORY when an allocation failed, else
 * OTHERWISE. The queue is cleared: SSL_get_error looks into it, so a stale entry of a CSR
 * would close somebody else's connection. */
int openssl_error(int otherwise);
/* The digest that goes with a key's signatures; NULL for Ed25519, which brings its own.
 */
const EVP_MD *openssl_digest(enum key_kind kind);
/* Adds a general name of SIZE octets to NAMES; TYPE is GEN_DNS or GEN_IPADD. */
int openssl_add_name(GENERAL_NAMES *names, int type, const void *data,
                     size_t size) MUST_CHECK;
/* One such name alone; NULL when memory is short. Free with GENERAL_NAME_free. */
GENERAL_NAME *openssl_name(int type, const void *data, size_t size);

#endif
