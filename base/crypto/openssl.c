#include "base/crypto/openssl.h"

#include <limits.h>
#include <openssl/err.h>

int openssl_error(int otherwise)
{
    int error = otherwise;
    for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
        if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
            error = ERROR_MEMORY;
        }
    }
    return error;
}

const EVP_MD *openssl_digest(enum key_kind kind)
{
    switch (kind) {
    case KEY_P256:
    case KEY_RSA:
        return EVP_sha256();
    case KEY_P384:
        return EVP_sha384();
    case KEY_ED25519:
        return NULL;
    }
    return NULL;
}

GENERAL_NAME *openssl_name(int type, const void *data, size_t size)
{
    if (size > INT_MAX) {
        return NULL;
    }
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value =
        type == GEN_DNS ? (ASN1_STRING *)ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();
    if (name == NULL || value == NULL || ASN1_STRING_set(value, data, (int)size) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, type, value);
    return name;
}

int openssl_add_name(GENERAL_NAMES *names, int type, const void *data, size_t size)
{
    GENERAL_NAME *name = openssl_name(type, data, size);
    if (name == NULL || sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return openssl_error(ERROR_MEMORY);
    }
    return 0;
}
