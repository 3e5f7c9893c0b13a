#include "base/crypto/cert_self.h"

#include "base/crypto/cert_parts.h"
#include "base/crypto/openssl.h"

static int fill(X509 *x509, const struct key *key, const char *cn)
{
    X509_NAME *name = X509_get_subject_name(x509);
    if (X509_set_version(x509, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) != 1 ||
        ASN1_TIME_set_string_X509(X509_getm_notBefore(x509), "19700101000000Z") != 1 ||
        ASN1_TIME_set_string_X509(X509_getm_notAfter(x509), "99991231235959Z") != 1 ||
        X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                   (const uint8_t *)cn, -1, -1, 0) != 1 ||
        X509_set_issuer_name(x509, name) != 1 ||
        X509_set_pubkey(x509, key_evp(key)) != 1 ||
        X509_sign(x509, key_evp(key), openssl_digest(key_kind(key))) <= 0) {
        return openssl_error(ERROR_CRYPTO);
    }
    return 0;
}

int cert_self_make(const struct key *key, const char *cn, struct cert **ret_cert)
{
    if (!key_is_private(key)) {
        return ERROR_STATE;
    }
    X509 *x509 = X509_new();
    if (x509 == NULL) {
        return openssl_error(ERROR_MEMORY);
    }
    int error = fill(x509, key, cn);
    if (error == 0) {
        error = cert_from_x509s(&x509, 1, ret_cert);
    }
    X509_free(x509);
    return error;
}
