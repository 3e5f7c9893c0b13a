/* X509_sign needs an EVP_PKEY that can sign. An identity key may live in a secure element that
 * only signs bytes, so the three steps of RFC 5280 4.1.1 are done one by one: the algorithm
 * into both places, the encoding of tbsCertificate to the key, its signature beside it.
 * OpenSSL 3.0 hands out these places read-only (only requests and CRLs have setters); the
 * certificate is ours and not yet signed, so writing to them is what it is for. */
#include "base/crypto/cert_parts.h"
#include "base/crypto/key_parts.h"
#include "base/crypto/openssl.h"

enum { SIGNATURE_DER_MAX = KEY_SIGNATURE_MAX + 16 };

static int set_algorithm(const X509_ALGOR *place, const struct key *key)
{
    int nid = NID_undef;
    int parameter = V_ASN1_UNDEF;
    switch (key_kind(key)) {
    case KEY_P256:
        nid = NID_ecdsa_with_SHA256;
        break;
    case KEY_P384:
        nid = NID_ecdsa_with_SHA384;
        break;
    case KEY_RSA:
        nid = NID_sha256WithRSAEncryption;
        parameter = V_ASN1_NULL; /* RFC 4055 5 */
        break;
    case KEY_ED25519:
        nid = NID_ED25519;
        break;
    }
    X509_ALGOR *writable = (X509_ALGOR *)(uintptr_t)place;
    return X509_ALGOR_set0(writable, OBJ_nid2obj(nid), parameter, NULL) == 1
               ? 0
               : openssl_error(ERROR_MEMORY);
}

static int set_signature(const ASN1_BIT_STRING *place, const struct buffer *der)
{
    ASN1_BIT_STRING *writable = (ASN1_BIT_STRING *)(uintptr_t)place;
    if (ASN1_BIT_STRING_set(writable, der->data, (int)der->size) != 1) {
        return openssl_error(ERROR_MEMORY);
    }
    /* All bits count, also those that are zero at the end. */
    writable->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
    writable->flags |= ASN1_STRING_FLAG_BITS_LEFT;
    return 0;
}

int cert_sign(X509 *x509, const struct key *key)
{
    const ASN1_BIT_STRING *place = NULL;
    const X509_ALGOR *outer = NULL;
    uint8_t *tbs = NULL;
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    struct buffer der = buffer_init(SIGNATURE_DER_MAX);
    X509_get0_signature(&place, &outer, x509);
    int error = set_algorithm(X509_get0_tbs_sigalg(x509), key);
    if (error == 0) {
        error = set_algorithm(outer, key);
    }
    if (error < 0) {
        goto out;
    }
    int tbs_size = i2d_re_X509_tbs(x509, &tbs);
    if (tbs_size <= 0) {
        error = openssl_error(ERROR_CRYPTO);
        goto out;
    }
    error = key_sign(key, tbs, (size_t)tbs_size, signature, &size);
    if (error == 0) {
        error = key_signature_der(key, signature, size, &der);
    }
    if (error == 0) {
        error = set_signature(place, &der);
    }
out:
    OPENSSL_free(tbs);
    buffer_free(&der);
    return error;
}
