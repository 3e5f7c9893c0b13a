/* JWK (RFC 7517, RFC 7518 6, RFC 8037) to keys and back. A public EC or Ed25519 JWK
 * becomes its canonical SPKI and goes through key_from_spki, so there is one place that
 * decides what a good point is. For RSA the numbers are bounded here, before OpenSSL sees
 * them.
 *
 * A public JWK with a private member is refused, not stripped: somebody has just sent us
 * his private key, and it must be clear to him that this key is burnt. */
#include "base/crypto/key.h"

#include "base/core/json.h"
#include "base/core/text.h"
#include "base/core/writer.h"
#include "base/crypto/digest.h"
#include "base/crypto/key_parts.h"
#include "base/crypto/openssl.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

enum { NUMBER_MAX = 512 /* octets of an RSA-4096 modulus */ };

/* Exactly SIZE octets of base64url. */
static int read_octets(const json_t *jwk, const char *name, uint8_t *ret_octets,
                       size_t size)
{
    const char *text = json_get_text(jwk, name);
    size_t read_size = 0;
    if (text == NULL) {
        return ERROR_SYNTAX;
    }
    int error = text_base64url_decode(text, strlen(text), ret_octets, size, &read_size);
    return error != 0 || read_size != size ? ERROR_SYNTAX : 0;
}

/* Base64urlUInt (RFC 7518 2): as few octets as possible, so never a leading zero. */
static int read_number(const json_t *jwk, const char *name, BIGNUM **ret_number)
{
    uint8_t octets[NUMBER_MAX];
    size_t size = 0;
    const char *text = json_get_text(jwk, name);
    if (text == NULL) {
        return ERROR_SYNTAX;
    }
    int error = text_base64url_decode(text, strlen(text), octets, sizeof(octets), &size);
    if (error == ERROR_LIMIT) {
        error = ERROR_RANGE; /* longer than any RSA-4096 number */
    } else if (error == 0 && (size == 0 || octets[0] == 0)) {
        error = ERROR_SYNTAX;
    }
    if (error == 0) {
        BIGNUM *number = BN_secure_new();
        if (number == NULL || BN_bin2bn(octets, (int)size, number) == NULL) {
            BN_clear_free(number);
            error = openssl_error(ERROR_CRYPTO);
        } else {
            *ret_number = number;
        }
    }
    digest_wipe(octets, sizeof(octets));
    return error;
}

static bool is_member(const json_t *jwk, const char *name, const char *value)
{
    const char *text = json_get_text(jwk, name);
    return text != NULL && strcmp(text, value) == 0;
}

/* The kind by "kty" and "crv". */
static int find_kind(const json_t *jwk, enum key_kind *ret_kind)
{
    if (json_get_text(jwk, "kty") == NULL) {
        return ERROR_SYNTAX;
    }
    if (is_member(jwk, "kty", "RSA")) {
        *ret_kind = KEY_RSA;
        return 0;
    }
    static const struct {
        const char *kty;
        const char *crv;
        enum key_kind kind;
    } kinds[] = {{"EC", "P-256", KEY_P256},
                 {"EC", "P-384", KEY_P384},
                 {"OKP", "Ed25519", KEY_ED25519}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (is_member(jwk, "kty", kinds[i].kty) && is_member(jwk, "crv", kinds[i].crv)) {
            *ret_kind = kinds[i].kind;
            return 0;
        }
    }
    return ERROR_RANGE;
}

/* The raw public value behind the prefix of the kind's SPKI. */
static int write_spki(const json_t *jwk, enum key_kind kind, struct writer *writer)
{
    uint8_t octets[48];
    size_t size = key_coordinate_size(kind);
    struct bytes prefix = key_spki_prefix(kind);
    writer_bytes(writer, prefix.data, prefix.size);
    int error = read_octets(jwk, "x", octets, size);
    if (error != 0) {
        return error;
    }
    writer_bytes(writer, octets, size);
    if (kind != KEY_ED25519) {
        error = read_octets(jwk, "y", octets, size);
        if (error != 0) {
            return error;
        }
        writer_bytes(writer, octets, size);
    }
    return writer->failed ? ERROR_LIMIT : 0;
}

/* A key of TYPE from what was pushed to BUILDER. */
static int build_key(OSSL_PARAM_BLD *builder, const char *type, bool is_private,
                     struct key **ret_key)
{
    EVP_PKEY *pkey = NULL;
    int selection = is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    int error = 0;
    if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, selection, params) != 1) {
        error = openssl_error(params == NULL || context == NULL ? ERROR_CRYPTO
                                                                : ERROR_SYNTAX);
    } else {
        error = key_take_evp(pkey, is_private, ret_key);
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return error;
}

static const struct {
    const char *member;
    const char *param;
} rsa_numbers[] = {
    {"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
    {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
    {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
    {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

enum {
    RSA_PUBLIC_COUNT = 2,
    RSA_COUNT = sizeof(rsa_numbers) / sizeof(rsa_numbers[0]),
};

static int rsa_from_jwk(const json_t *jwk, bool is_private, struct key **ret_key)
{
    BIGNUM *numbers[RSA_COUNT] = {NULL};
    size_t count = is_private ? RSA_COUNT : RSA_PUBLIC_COUNT;
    int error = 0;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder == NULL) {
        error = openssl_error(ERROR_MEMORY);
    }
    for (size_t i = 0; i < count && error == 0; i++) {
        error = read_number(jwk, rsa_numbers[i].member, &numbers[i]);
        if (error == 0 &&
            OSSL_PARAM_BLD_push_BN(builder, rsa_numbers[i].param, numbers[i]) != 1) {
            error = openssl_error(ERROR_CRYPTO);
        }
    }
    if (error == 0) {
        error = build_key(builder, "RSA", is_private, ret_key);
    }
    OSSL_PARAM_BLD_free(builder);
    for (size_t i = 0; i < RSA_COUNT; i++) {
        BN_clear_free(numbers[i]);
    }
    return error;
}

int key_from_jwk(const json_t *jwk, struct key **ret_key)
{
    static const char *const secret_members[] = {"d",  "p",  "q",   "dp",
                                                 "dq", "qi", "oth", "k"};
    enum key_kind kind = KEY_P256;
    uint8_t spki[KEY_SPKI_MAX];
    for (size_t i = 0; i < sizeof(secret_members) / sizeof(secret_members[0]); i++) {
        if (json_object_get(jwk, secret_members[i]) != NULL) {
            return ERROR_DENIED;
        }
    }
    int error = find_kind(jwk, &kind);
    if (error != 0) {
        return error;
    }
    if (kind == KEY_RSA) {
        return rsa_from_jwk(jwk, false, ret_key);
    }
    struct writer writer = writer_init(spki, sizeof(spki));
    error = write_spki(jwk, kind, &writer);
    return error != 0 ? error : key_from_spki(spki, writer_size(&writer), ret_key);
}

static int ec_from_private_jwk(const json_t *jwk, enum key_kind kind,
                               struct key **ret_key)
{
    uint8_t spki[KEY_SPKI_MAX];
    uint8_t octets[48] = {0};
    struct writer writer = writer_init(spki, sizeof(spki));
    size_t size = key_coordinate_size(kind);
    /* The encoded point is the SPKI's end: 04, x, y. */
    size_t point_at = key_spki_prefix(kind).size - 1;
    const char *group = kind == KEY_P256 ? SN_X9_62_prime256v1 : SN_secp384r1;
    BIGNUM *number = NULL;
    OSSL_PARAM_BLD *builder = NULL;
    int error = write_spki(jwk, kind, &writer);
    if (error == 0) {
        error = read_octets(jwk, "d", octets, size);
    }
    if (error != 0) {
        goto out;
    }
    number = BN_secure_new();
    builder = OSSL_PARAM_BLD_new();
    if (number == NULL || builder == NULL ||
        BN_bin2bn(octets, (int)size, number) == NULL ||
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) !=
            1 ||
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY,
                                         spki + point_at,
                                         writer_size(&writer) - point_at) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, number) != 1) {
        error = openssl_error(ERROR_CRYPTO);
        goto out;
    }
    error = build_key(builder, "EC", true, ret_key);
out:
    digest_wipe(octets, sizeof(octets));
    OSSL_PARAM_BLD_free(builder);
    BN_clear_free(number);
    return error;
}

int key_from_private_jwk(const json_t *jwk, struct key **ret_key)
{
    struct key *key = NULL;
    enum key_kind kind = KEY_P256;
    int error = find_kind(jwk, &kind);
    if (error != 0) {
        return error;
    }
    if (json_object_get(jwk, "oth") != NULL || kind == KEY_ED25519) {
        return ERROR_RANGE; /* a modulus of more than two primes; no client keeps Ed25519
                               so */
    }
    error = kind == KEY_RSA ? rsa_from_jwk(jwk, true, &key)
                            : ec_from_private_jwk(jwk, kind, &key);
    if (error == 0) {
        error = key_check_pair(key);
    }
    if (error != 0) {
        key_free(key);
        return error;
    }
    *ret_key = key;
    return 0;
}

static int set_octets(json_t *jwk, const char *name, const uint8_t *octets, size_t size)
{
    char text[TEXT_BASE64URL_SIZE(NUMBER_MAX) + 1];
    if (size > NUMBER_MAX) {
        return ERROR_LIMIT;
    }
    text_base64url(octets, size, text);
    return json_set_text(jwk, name, text);
}

static int set_number(json_t *jwk, const char *name, const EVP_PKEY *pkey,
                      const char *param)
{
    uint8_t octets[NUMBER_MAX];
    BIGNUM *number = NULL;
    int error = 0;
    if (EVP_PKEY_get_bn_param(pkey, param, &number) != 1 ||
        BN_num_bytes(number) > NUMBER_MAX) {
        error = openssl_error(ERROR_CRYPTO);
    } else {
        int size = BN_bn2bin(number, octets);
        error = set_octets(jwk, name, octets, (size_t)size);
    }
    BN_free(number);
    return error;
}

/* The members stand in the order of RFC 7638 3.2, so that a compact dump is the
 * thumbprint's input. */
static int set_curve_members(json_t *jwk, const struct key *key, const char *crv,
                             const char *kty)
{
    size_t size = key_coordinate_size(key_kind(key));
    struct bytes spki = key_spki(key);
    const uint8_t *x = spki.data + key_spki_prefix(key_kind(key)).size;
    int error = json_set_text(jwk, "crv", crv);
    if (error == 0) {
        error = json_set_text(jwk, "kty", kty);
    }
    if (error == 0) {
        error = set_octets(jwk, "x", x, size);
    }
    if (error == 0 && key_kind(key) != KEY_ED25519) {
        error = set_octets(jwk, "y", x + size, size);
    }
    return error;
}

static int set_rsa_members(json_t *jwk, const struct key *key)
{
    int error = set_number(jwk, "e", key_evp(key), OSSL_PKEY_PARAM_RSA_E);
    if (error == 0) {
        error = json_set_text(jwk, "kty", "RSA");
    }
    if (error == 0) {
        error = set_number(jwk, "n", key_evp(key), OSSL_PKEY_PARAM_RSA_N);
    }
    return error;
}

int key_to_jwk(const struct key *key, json_t **ret_jwk)
{
    int error = ERROR_INTERNAL;
    json_t *jwk = json_object();
    if (jwk == NULL) {
        return ERROR_MEMORY;
    }
    switch (key_kind(key)) {
    case KEY_P256:
        error = set_curve_members(jwk, key, "P-256", "EC");
        break;
    case KEY_P384:
        error = set_curve_members(jwk, key, "P-384", "EC");
        break;
    case KEY_ED25519:
        error = set_curve_members(jwk, key, "Ed25519", "OKP");
        break;
    case KEY_RSA:
        error = set_rsa_members(jwk, key);
        break;
    }
    if (error != 0) {
        json_decref(jwk);
        return error;
    }
    *ret_jwk = jwk;
    return 0;
}
