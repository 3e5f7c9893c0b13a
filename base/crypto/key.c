/* One key has one id, so it must have one encoding. The SubjectPublicKeyInfo of EC and
 * Ed25519 keys is therefore not what OpenSSL would write from the object it holds (which
 * remembers compressed points and explicit parameters of its input), but a fixed prefix
 * and the raw public value; RSA's has no such freedom. Every public key from outside
 * comes through key_from_spki, which compares the canonical form with what was given,
 * byte for byte.
 *
 * Signatures are those of JWS: ECDSA as r || s, each left-padded to the size of the
 * curve. OpenSSL speaks DER; the conversion is here and nowhere else.
 *
 * A private key that is read from a file is tried out once, so that a damaged file is
 * found at the start of a program and not in the middle of an issuance. */
#include "base/crypto/key.h"

#include "base/core/json.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/core/writer.h"
#include "base/crypto/digest.h"
#include "base/crypto/key_parts.h"
#include "base/crypto/openssl.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 4096,
    DER_SIGNATURE_MAX = 128, /* ECDSA P-384: 104 */
};

struct key {
    atomic_uint references;
    EVP_PKEY *pkey;
    enum key_kind kind;
    bool is_private;
    key_sign_fn *external; /* NULL: pkey signs, if it is private */
    void *external_arg;
    uint8_t spki[KEY_SPKI_MAX];
    size_t spki_size;
};

/* SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING: 04, } */
static const uint8_t p256_prefix[] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
    0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
/* The same with secp384r1. */
static const uint8_t p384_prefix[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                      0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                      0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04};
/* SEQUENCE { SEQUENCE { id-Ed25519 }, BIT STRING } (RFC 8410 4) */
static const uint8_t ed25519_prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                         0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

struct bytes key_spki_prefix(enum key_kind kind)
{
    switch (kind) {
    case KEY_P256:
        return (struct bytes){p256_prefix, sizeof(p256_prefix)};
    case KEY_P384:
        return (struct bytes){p384_prefix, sizeof(p384_prefix)};
    case KEY_ED25519:
        return (struct bytes){ed25519_prefix, sizeof(ed25519_prefix)};
    case KEY_RSA:
        break;
    }
    return (struct bytes){NULL, 0};
}

size_t key_coordinate_size(enum key_kind kind)
{
    return kind == KEY_P384 ? 48 : 32;
}

/* The modulus must be odd and of 2048..4096 bits, the exponent odd and 65537..2^32-1:
 * smaller ones are refused by the CAs (BR 6.1.6), larger ones only make us slow. */
static int check_rsa(const EVP_PKEY *pkey)
{
    BIGNUM *modulus = NULL;
    BIGNUM *exponent = NULL;
    int error = 0;
    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &modulus) != 1 ||
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1) {
        error = openssl_error(ERROR_CRYPTO);
        goto out;
    }
    if (BN_num_bits(modulus) < RSA_BITS_MIN || BN_num_bits(modulus) > RSA_BITS_MAX ||
        !BN_is_odd(modulus) || !BN_is_odd(exponent) || BN_num_bits(exponent) < 17 ||
        BN_num_bits(exponent) > 32) {
        error = ERROR_RANGE;
    }
out:
    BN_free(modulus);
    BN_free(exponent);
    return error;
}

static int find_kind(const EVP_PKEY *pkey, enum key_kind *ret_kind)
{
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        *ret_kind = KEY_RSA;
        return check_rsa(pkey);
    }
    if (EVP_PKEY_is_a(pkey, "ED25519")) {
        *ret_kind = KEY_ED25519;
        return 0;
    }
    char group[64] = "";
    if (!EVP_PKEY_is_a(pkey, "EC") ||
        EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group,
                                       sizeof(group), NULL) != 1) {
        return openssl_error(ERROR_RANGE);
    }
    if (strcmp(group, SN_X9_62_prime256v1) == 0) {
        *ret_kind = KEY_P256;
        return 0;
    }
    if (strcmp(group, SN_secp384r1) == 0) {
        *ret_kind = KEY_P384;
        return 0;
    }
    return ERROR_RANGE;
}

static int write_coordinate(const EVP_PKEY *pkey, const char *name, size_t size,
                            struct writer *writer)
{
    uint8_t octets[48];
    BIGNUM *number = NULL;
    int error = 0;
    if (EVP_PKEY_get_bn_param(pkey, name, &number) != 1 ||
        BN_bn2binpad(number, octets, (int)size) != (int)size) {
        error = openssl_error(ERROR_CRYPTO);
    } else {
        writer_bytes(writer, octets, size);
    }
    BN_free(number);
    return error;
}

static int write_rsa_spki(const EVP_PKEY *pkey, struct writer *writer)
{
    uint8_t *der = NULL;
    int size = i2d_PUBKEY(pkey, &der);
    if (size <= 0) {
        return openssl_error(ERROR_CRYPTO);
    }
    writer_bytes(writer, der, (size_t)size);
    OPENSSL_free(der);
    return 0;
}

/* Fills in the canonical SPKI. */
static int write_spki(struct key *key)
{
    struct writer writer = writer_init(key->spki, sizeof(key->spki));
    struct bytes prefix = key_spki_prefix(key->kind);
    size_t size = key_coordinate_size(key->kind);
    uint8_t raw[32];
    size_t raw_size = sizeof(raw);
    int error = 0;
    writer_bytes(&writer, prefix.data, prefix.size);
    switch (key->kind) {
    case KEY_P256:
    case KEY_P384:
        error = write_coordinate(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, size, &writer);
        if (error == 0) {
            error = write_coordinate(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, size, &writer);
        }
        break;
    case KEY_RSA:
        error = write_rsa_spki(key->pkey, &writer);
        break;
    case KEY_ED25519:
        if (EVP_PKEY_get_raw_public_key(key->pkey, raw, &raw_size) != 1) {
            return openssl_error(ERROR_CRYPTO);
        }
        writer_bytes(&writer, raw, raw_size);
        break;
    }
    if (error == 0 && writer.failed) {
        error = ERROR_LIMIT;
    }
    key->spki_size = writer_size(&writer);
    return error;
}

int key_take_evp(EVP_PKEY *pkey, bool is_private, struct key **ret_key)
{
    struct key *key = NULL;
    enum key_kind kind = KEY_P256;
    int error = find_kind(pkey, &kind);
    if (error == 0) {
        key = calloc(1, sizeof(*key));
        error = key == NULL ? ERROR_MEMORY : 0;
    }
    if (error != 0) {
        EVP_PKEY_free(pkey);
        return error;
    }
    atomic_init(&key->references, 1);
    key->pkey = pkey;
    key->kind = kind;
    key->is_private = is_private;
    error = write_spki(key);
    if (error != 0) {
        key_free(key);
        return error;
    }
    *ret_key = key;
    return 0;
}

int key_generate(enum key_kind kind, struct key **ret_key)
{
    EVP_PKEY *pkey = NULL;
    switch (kind) {
    case KEY_P256:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        break;
    case KEY_RSA:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS_MIN);
        break;
    case KEY_P384:
    case KEY_ED25519:
        return ERROR_UNSUPPORTED;
    }
    if (pkey == NULL) {
        return openssl_error(ERROR_CRYPTO);
    }
    return key_take_evp(pkey, true, ret_key);
}

int key_check_pair(const struct key *key)
{
    static const char probe[] = "latchkey: does this pair belong together?";
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    int error = key_sign(key, probe, sizeof(probe), signature, &size);
    if (error == 0) {
        error = key_verify(key, probe, sizeof(probe), signature, size);
    }
    return error == 0 || error == ERROR_MEMORY ? error : ERROR_CRYPTO;
}

/* Instead of OpenSSL's prompt on the terminal: there is no passphrase. */
static int no_passphrase(char *text, int size, int is_writing, void *context)
{
    (void)text;
    (void)size;
    (void)is_writing;
    (void)context;
    return -1;
}

/* BIO_new_mem_buf takes what PEM_read_bio_... can read; NULL on an impossible size. */
static EVP_PKEY *read_pem(const void *pem, size_t size, bool is_private)
{
    EVP_PKEY *pkey = NULL;
    BIO *bio = BIO_new_mem_buf(pem, (int)size);
    if (bio != NULL && is_private) {
        pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    } else if (bio != NULL) {
        pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    }
    BIO_free(bio);
    return pkey;
}

int key_from_pem(const void *pem, size_t size, struct key **ret_key)
{
    struct key *key = NULL;
    bool is_private = true;
    if (size > LIMIT_FILE_BYTES) {
        return ERROR_LIMIT;
    }
    EVP_PKEY *pkey = read_pem(pem, size, true);
    if (pkey == NULL) {
        int error = openssl_error(ERROR_SYNTAX);
        if (error == ERROR_MEMORY) {
            return error;
        }
        is_private = false;
        pkey = read_pem(pem, size, false);
    }
    if (pkey == NULL) {
        return openssl_error(ERROR_SYNTAX);
    }
    ERR_clear_error(); /* reading tries several decoders, and leaves what the others said
                        */
    int error = key_take_evp(pkey, is_private, &key);
    if (error == 0 && is_private) {
        error = key_check_pair(key);
    }
    if (error != 0) {
        key_free(key);
        return error;
    }
    *ret_key = key;
    return 0;
}

/* EC keys, which is nearly all that come: the prefix says that the form is canonical, so
 * the point is given to the provider as it is (which checks that it is on the curve).
 * d2i_PUBKEY would try every decoder there is, at seven times the cost. */
static int key_from_point(enum key_kind kind, const uint8_t *der, size_t size,
                          struct key **ret_key)
{
    size_t point_at = key_spki_prefix(kind).size - 1;
    char group[16];
    text_copy(group, sizeof(group),
              kind == KEY_P256 ? SN_X9_62_prime256v1 : SN_secp384r1);
    uint8_t point[1 + 2 * 48];
    memcpy(point, der + point_at, size - point_at);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point,
                                          size - point_at),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *pkey = NULL;
    struct key *key = calloc(1, sizeof(*key));
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    int error = 0;
    if (key == NULL || context == NULL) {
        error = openssl_error(ERROR_MEMORY);
    } else if (EVP_PKEY_fromdata_init(context) != 1 ||
               EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        error = openssl_error(ERROR_SYNTAX);
    }
    EVP_PKEY_CTX_free(context);
    if (error != 0) {
        free(key);
        return error;
    }
    atomic_init(&key->references, 1);
    key->pkey = pkey;
    key->kind = kind;
    memcpy(key->spki, der, size);
    key->spki_size = size;
    *ret_key = key;
    return 0;
}

static bool is_point_of(enum key_kind kind, const uint8_t *der, size_t size)
{
    struct bytes prefix = key_spki_prefix(kind);
    return size == prefix.size + 2 * key_coordinate_size(kind) &&
           memcmp(der, prefix.data, prefix.size) == 0;
}

int key_from_spki(const void *der, size_t size, struct key **ret_key)
{
    struct key *key = NULL;
    const uint8_t *at = der;
    if (size == 0 || size > KEY_SPKI_MAX) {
        return ERROR_SYNTAX;
    }
    if (is_point_of(KEY_P256, der, size)) {
        return key_from_point(KEY_P256, der, size, ret_key);
    }
    if (is_point_of(KEY_P384, der, size)) {
        return key_from_point(KEY_P384, der, size, ret_key);
    }
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)size);
    if (pkey == NULL) {
        return openssl_error(ERROR_SYNTAX);
    }
    ERR_clear_error();
    int error = key_take_evp(pkey, false, &key);
    if (error != 0) {
        /* The point at infinity has no coordinates to write. */
        return error == ERROR_CRYPTO ? ERROR_SYNTAX : error;
    }
    if (key->spki_size != size || memcmp(key->spki, der, size) != 0) {
        key_free(key);
        return ERROR_SYNTAX;
    }
    *ret_key = key;
    return 0;
}

int key_to_pem(const struct key *key, struct buffer *buffer)
{
    if (!key->is_private || key->external != NULL) {
        return ERROR_STATE;
    }
    int error = 0;
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_secmem());
    if (bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1) {
        error = openssl_error(ERROR_CRYPTO);
        goto out;
    }
    long size = BIO_get_mem_data(bio, &text);
    error = size > 0 ? buffer_append(buffer, text, (size_t)size) : ERROR_CRYPTO;
out:
    BIO_free(bio); /* wipes */
    return error;
}

struct bytes key_spki(const struct key *key)
{
    return (struct bytes){key->spki, key->spki_size};
}

int key_spki_sha256(const struct key *key, uint8_t ret_hash[static 32])
{
    return digest_sha256(key->spki, key->spki_size, ret_hash);
}

int key_id(const struct key *key, char ret_id[static KEY_ID_SIZE + 1])
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    int error = key_spki_sha256(key, hash);
    if (error == 0) {
        text_base32(hash, KEY_ID_BYTES, ret_id);
    }
    return error;
}

int key_thumbprint(const struct key *key, char ret_text[static KEY_PIN_SIZE + 1])
{
    json_t *jwk = NULL;
    struct buffer text = buffer_init(LIMIT_JWS_BYTES);
    uint8_t hash[DIGEST_SHA256_SIZE];
    int error = key_to_jwk(key, &jwk);
    if (error == 0) {
        error = json_dump(jwk, &text);
    }
    if (error == 0) {
        error = digest_sha256(text.data, text.size, hash);
    }
    if (error == 0) {
        text_base64url(hash, sizeof(hash), ret_text);
    }
    buffer_free(&text);
    json_decref(jwk);
    return error;
}

enum key_kind key_kind(const struct key *key)
{
    return key->kind;
}

unsigned key_bits(const struct key *key)
{
    return (unsigned)EVP_PKEY_get_bits(key->pkey);
}

bool key_is_private(const struct key *key)
{
    return key->is_private;
}

bool key_equal(const struct key *a, const struct key *b)
{
    return a->spki_size == b->spki_size && memcmp(a->spki, b->spki, a->spki_size) == 0;
}

static bool is_ecdsa(const struct key *key)
{
    return key->kind == KEY_P256 || key->kind == KEY_P384;
}

/* Signature octets of this key: 64, 96, 256..512. */
static size_t signature_octets(const struct key *key)
{
    return key->kind == KEY_RSA ? (size_t)EVP_PKEY_get_size(key->pkey)
                                : 2 * key_coordinate_size(key->kind);
}

/* DER ECDSA-Sig-Value -> r || s, each padded on the left. */
static int unwrap_ecdsa(const uint8_t *der, size_t der_size, size_t half,
                        uint8_t *ret_raw)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)der_size);
    if (pair == NULL) {
        return openssl_error(ERROR_CRYPTO);
    }
    int error = 0;
    if (BN_bn2binpad(ECDSA_SIG_get0_r(pair), ret_raw, (int)half) != (int)half ||
        BN_bn2binpad(ECDSA_SIG_get0_s(pair), ret_raw + half, (int)half) != (int)half) {
        error = openssl_error(ERROR_CRYPTO);
    }
    ECDSA_SIG_free(pair);
    return error;
}

/* r || s -> DER. */
static int wrap_ecdsa(const uint8_t *raw, size_t half,
                      uint8_t ret_der[static DER_SIGNATURE_MAX], size_t *ret_size)
{
    int error = 0;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, (int)half, NULL);
    BIGNUM *s = BN_bin2bn(raw + half, (int)half, NULL);
    if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        error = openssl_error(ERROR_CRYPTO);
        goto out;
    }
    r = NULL; /* now the pair's */
    s = NULL;
    int size = i2d_ECDSA_SIG(pair, NULL);
    if (size <= 0 || size > DER_SIGNATURE_MAX) {
        error = openssl_error(ERROR_CRYPTO);
        goto out;
    }
    i2d_ECDSA_SIG(pair, &ret_der);
    *ret_size = (size_t)size;
out:
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return error;
}

/* Whoever signs elsewhere may speak DER, and may be wrong: nothing leaves unverified. */
static int sign_external(const struct key *key, const void *data, size_t size,
                         uint8_t *ret_signature, size_t *ret_size)
{
    uint8_t given[KEY_SIGNATURE_MAX] = {0};
    size_t given_size = 0;
    int error = key->external(key->external_arg, data, size, given, &given_size);
    if (error != 0) {
        return error < 0 ? error : ERROR_CRYPTO;
    }
    if (given_size > sizeof(given)) {
        return ERROR_CRYPTO;
    }
    error = key_verify(key, data, size, given, given_size);
    if (error == ERROR_SIGNATURE && is_ecdsa(key)) {
        size_t half = key_coordinate_size(key->kind);
        uint8_t raw[96] = {0};
        error = unwrap_ecdsa(given, given_size, half, raw);
        memcpy(given, raw, 2 * half);
        given_size = 2 * half;
        if (error == 0) {
            error = key_verify(key, data, size, given, given_size);
        }
    }
    if (error != 0) {
        return error == ERROR_MEMORY ? error : ERROR_CRYPTO;
    }
    memcpy(ret_signature, given, given_size);
    *ret_size = given_size;
    return 0;
}

int key_sign(const struct key *key, const void *data, size_t size, uint8_t *ret_signature,
             size_t *ret_size)
{
    if (!key->is_private) {
        return ERROR_STATE;
    }
    if (key->external != NULL) {
        return sign_external(key, data, size, ret_signature, ret_size);
    }
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t signature_size = sizeof(signature);
    int error = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL ||
        EVP_DigestSignInit(context, NULL, openssl_digest(key->kind), NULL, key->pkey) !=
            1 ||
        EVP_DigestSign(context, signature, &signature_size, data, size) != 1) {
        error = openssl_error(ERROR_CRYPTO);
        goto out;
    }
    if (is_ecdsa(key)) {
        size_t half = key_coordinate_size(key->kind);
        uint8_t raw[96];
        error = unwrap_ecdsa(signature, signature_size, half, raw);
        if (error != 0) {
            goto out;
        }
        signature_size = 2 * half;
        memcpy(ret_signature, raw, signature_size);
    } else {
        memcpy(ret_signature, signature, signature_size);
    }
    *ret_size = signature_size;
out:
    EVP_MD_CTX_free(context);
    return error;
}

int key_verify(const struct key *key, const void *data, size_t size,
               const uint8_t *signature, size_t signature_size)
{
    uint8_t der[DER_SIGNATURE_MAX];
    int error = 0;
    if (signature_size != signature_octets(key)) {
        return ERROR_SIGNATURE;
    }
    if (is_ecdsa(key)) {
        error = wrap_ecdsa(signature, signature_size / 2, der, &signature_size);
        if (error != 0) {
            return error;
        }
        signature = der;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestVerifyInit(context, NULL, openssl_digest(key->kind),
                                                NULL, key->pkey) != 1) {
        error = openssl_error(ERROR_CRYPTO);
    } else if (EVP_DigestVerify(context, signature, signature_size, data, size) != 1) {
        error = openssl_error(ERROR_SIGNATURE);
    }
    EVP_MD_CTX_free(context);
    return error;
}

int key_new_external(const void *spki, size_t spki_size, key_sign_fn *sign, void *arg,
                     struct key **ret_key)
{
    static const char probe[] = "latchkey: does this pair belong together?";
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    struct key *key = NULL;
    int error = key_from_spki(spki, spki_size, &key);
    if (error != 0) {
        return error;
    }
    key->is_private = true;
    key->external = sign;
    key->external_arg = arg;
    error = key_sign(key, probe, sizeof(probe), signature, &size);
    if (error != 0) {
        key_free(key);
        return error;
    }
    *ret_key = key;
    return 0;
}

int key_signature_der(const struct key *key, const uint8_t *signature,
                      size_t signature_size, struct buffer *der)
{
    uint8_t wrapped[DER_SIGNATURE_MAX];
    size_t size = 0;
    if (!is_ecdsa(key)) {
        return buffer_append(der, signature, signature_size);
    }
    int error = wrap_ecdsa(signature, signature_size / 2, wrapped, &size);
    return error == 0 ? buffer_append(der, wrapped, size) : error;
}

struct key *key_ref(struct key *key)
{
    atomic_fetch_add(&key->references, 1);
    return key;
}

void key_free(struct key *key)
{
    if (key == NULL || atomic_fetch_sub(&key->references, 1) != 1) {
        return;
    }
    EVP_PKEY_free(key->pkey); /* clears private numbers */
    free(key);
}

struct evp_pkey_st *key_evp(const struct key *key)
{
    return key->pkey;
}
