/* The device's own certificates, for the time without a CA: an identity certificate,
 * which is the identity key's signed by itself, and leaves below it.
 *
 * A user may import the identity certificate into a browser. It must not give the device
 * power over other sites then: critical name constraints permit nothing but the device's
 * own names, and exclude every address (a kind of name that no subtree speaks of would be
 * permitted); 192.168.1.1 is somebody else in the next network. The path length is 0, the
 * key usage is keyCertSign alone, and what it signs is for TLS servers only. It is valid
 * for ever, since it says no more than the key itself; the leaves have dates. Extensions
 * are made as objects, never from text, so that a name cannot smuggle in another one. */
#include "base/crypto/cert.h"

#include "base/core/text.h"
#include "base/crypto/cert_parts.h"
#include "base/crypto/openssl.h"
#include "base/crypto/random.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { SERIAL_OCTETS = 16, COMMON_NAME_MAX = 64 };

/* Network and mask of every address, as RFC 5280 4.2.1.10 writes them: all zero. */
static const uint8_t any_address[32] = {0};
static const size_t any_address_sizes[] = {8, 32};

static int add_extension(X509 *x509, int nid, void *value, bool is_critical)
{
    if (value == NULL || X509_add1_ext_i2d(x509, nid, value, is_critical ? 1 : 0,
                                           X509V3_ADD_DEFAULT) != 1) {
        return openssl_error(ERROR_CRYPTO);
    }
    return 0;
}

static int set_serial(X509 *x509)
{
    uint8_t octets[SERIAL_OCTETS];
    int error = random_bytes(octets, sizeof(octets));
    if (error != 0) {
        return error;
    }
    octets[0] = (octets[0] & 0x7f) | 0x40; /* positive, and always of the same size */
    BIGNUM *number = BN_bin2bn(octets, sizeof(octets), NULL);
    if (number == NULL ||
        BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) == NULL) {
        error = openssl_error(ERROR_CRYPTO);
    }
    BN_free(number);
    return error;
}

/* RFC 5280 4.1.2.5: UTCTime until 2049, GeneralizedTime after; OpenSSL chooses by the
 * text. */
static int set_time(ASN1_TIME *time, int64_t at)
{
    char text[TEXT_TIME_CAPACITY];
    text_time(at, text);
    size_t used = 0;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '-' && *from != ':' && *from != 'T') {
            text[used++] = *from;
        }
    }
    text[used] = '\0';
    return ASN1_TIME_set_string_X509(time, text) == 1 ? 0 : openssl_error(ERROR_RANGE);
}

static int set_common_name(X509_NAME *name, const char *text)
{
    if (strlen(text) > COMMON_NAME_MAX) {
        return ERROR_LIMIT;
    }
    if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                   (const uint8_t *)text, -1, -1, 0) != 1) {
        return openssl_error(ERROR_CRYPTO);
    }
    return 0;
}

/* The first 20 octets of the SPKI's SHA-256, the same that make the id. */
static ASN1_OCTET_STRING *key_identifier(const struct key *key)
{
    uint8_t hash[32];
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    if (octets == NULL || key_spki_sha256(key, hash) != 0 ||
        ASN1_OCTET_STRING_set(octets, hash, KEY_ID_BYTES) != 1) {
        ASN1_OCTET_STRING_free(octets);
        return NULL;
    }
    return octets;
}

static int add_subject_key(X509 *x509, const struct key *key)
{
    ASN1_OCTET_STRING *octets = key_identifier(key);
    int error = add_extension(x509, NID_subject_key_identifier, octets, false);
    ASN1_OCTET_STRING_free(octets);
    return error;
}

static int add_authority_key(X509 *x509, const struct key *key)
{
    AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
    if (authority == NULL) {
        return openssl_error(ERROR_MEMORY);
    }
    authority->keyid = key_identifier(key);
    int error = authority->keyid == NULL
                    ? openssl_error(ERROR_CRYPTO)
                    : add_extension(x509, NID_authority_key_identifier, authority, false);
    AUTHORITY_KEYID_free(authority);
    return error;
}

static int add_basic_constraints(X509 *x509, bool is_ca)
{
    int error = 0;
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    if (constraints == NULL) {
        return openssl_error(ERROR_MEMORY);
    }
    constraints->ca = is_ca ? 0xff : 0;
    if (is_ca) {
        constraints->pathlen = ASN1_INTEGER_new();
        if (constraints->pathlen == NULL ||
            ASN1_INTEGER_set(constraints->pathlen, 0) != 1) {
            error = openssl_error(ERROR_MEMORY);
        }
    }
    if (error == 0) {
        error = add_extension(x509, NID_basic_constraints, constraints, true);
    }
    BASIC_CONSTRAINTS_free(constraints);
    return error;
}

/* Bit numbers of RFC 5280 4.2.1.3. */
enum key_usage_bit {
    DIGITAL_SIGNATURE_BIT = 0,
    KEY_ENCIPHERMENT_BIT = 2,
    KEY_CERT_SIGN_BIT = 5
};

static int add_key_usage(X509 *x509, enum key_usage_bit first, enum key_usage_bit second)
{
    int error = 0;
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    if (bits == NULL || ASN1_BIT_STRING_set_bit(bits, (int)first, 1) != 1 ||
        ASN1_BIT_STRING_set_bit(bits, (int)second, 1) != 1) {
        error = openssl_error(ERROR_MEMORY);
    } else {
        error = add_extension(x509, NID_key_usage, bits, true);
    }
    ASN1_BIT_STRING_free(bits);
    return error;
}

static int add_server_usage(X509 *x509)
{
    int error = 0;
    EXTENDED_KEY_USAGE *usage = EXTENDED_KEY_USAGE_new();
    if (usage == NULL || sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(NID_server_auth)) <= 0) {
        error = openssl_error(ERROR_MEMORY);
    } else {
        error = add_extension(x509, NID_ext_key_usage, usage, false);
    }
    EXTENDED_KEY_USAGE_free(usage);
    return error;
}

static int add_subtree(STACK_OF(GENERAL_SUBTREE) *subtrees, int type, const void *data,
                       size_t size)
{
    GENERAL_SUBTREE *subtree = GENERAL_SUBTREE_new();
    GENERAL_NAME *name = openssl_name(type, data, size);
    if (subtree == NULL || name == NULL) {
        goto failed;
    }
    GENERAL_NAME_free(subtree->base);
    subtree->base = name;
    name = NULL; /* now the subtree's */
    if (sk_GENERAL_SUBTREE_push(subtrees, subtree) <= 0) {
        goto failed;
    }
    return 0;
failed:
    GENERAL_NAME_free(name);
    GENERAL_SUBTREE_free(subtree);
    return openssl_error(ERROR_MEMORY);
}

/* An empty sequence is not allowed there, so no names leave the permitted ones out. */
static int fill_constraints(NAME_CONSTRAINTS *constraints, const char *const *permitted,
                            size_t permitted_count)
{
    int error = 0;
    constraints->excludedSubtrees = sk_GENERAL_SUBTREE_new_null();
    if (constraints->excludedSubtrees == NULL) {
        return openssl_error(ERROR_MEMORY);
    }
    if (permitted_count > 0) {
        constraints->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
        if (constraints->permittedSubtrees == NULL) {
            return openssl_error(ERROR_MEMORY);
        }
    }
    for (size_t i = 0; i < permitted_count && error == 0; i++) {
        error = add_subtree(constraints->permittedSubtrees, GEN_DNS, permitted[i],
                            strlen(permitted[i]));
    }
    for (size_t i = 0; i < 2 && error == 0; i++) {
        error = add_subtree(constraints->excludedSubtrees, GEN_IPADD, any_address,
                            any_address_sizes[i]);
    }
    return error;
}

static int add_name_constraints(X509 *x509, const char *const *permitted,
                                size_t permitted_count)
{
    NAME_CONSTRAINTS *constraints = NAME_CONSTRAINTS_new();
    if (constraints == NULL) {
        return openssl_error(ERROR_MEMORY);
    }
    int error = fill_constraints(constraints, permitted, permitted_count);
    if (error == 0) {
        error = add_extension(x509, NID_name_constraints, constraints, true);
    }
    NAME_CONSTRAINTS_free(constraints);
    return error;
}

static int add_address(GENERAL_NAMES *sans, const char *text)
{
    uint8_t octets[16];
    if (inet_pton(AF_INET, text, octets) == 1) {
        return openssl_add_name(sans, GEN_IPADD, octets, 4);
    }
    if (inet_pton(AF_INET6, text, octets) == 1) {
        return openssl_add_name(sans, GEN_IPADD, octets, 16);
    }
    return ERROR_SYNTAX;
}

static int add_sans(X509 *x509, const char *const *names, size_t name_count,
                    const char *const *addresses, size_t address_count)
{
    int error = 0;
    GENERAL_NAMES *sans = sk_GENERAL_NAME_new_null();
    if (sans == NULL) {
        return openssl_error(ERROR_MEMORY);
    }
    for (size_t i = 0; i < name_count && error == 0; i++) {
        error = openssl_add_name(sans, GEN_DNS, names[i], strlen(names[i]));
    }
    for (size_t i = 0; i < address_count && error == 0; i++) {
        error = add_address(sans, addresses[i]);
    }
    if (error == 0) {
        error = add_extension(x509, NID_subject_alt_name, sans, false);
    }
    sk_GENERAL_NAME_pop_free(sans, GENERAL_NAME_free);
    return error;
}

/* A version 3 certificate for KEY with serial and dates. */
static int start(const struct key *key, int64_t from_at, int64_t until_at,
                 X509 **ret_x509)
{
    X509 *x509 = X509_new();
    if (x509 == NULL || X509_set_version(x509, X509_VERSION_3) != 1 ||
        X509_set_pubkey(x509, key_evp(key)) != 1) {
        X509_free(x509);
        return openssl_error(ERROR_CRYPTO);
    }
    int error = set_serial(x509);
    if (error == 0) {
        error = set_time(X509_getm_notBefore(x509), from_at);
    }
    if (error == 0) {
        error = set_time(X509_getm_notAfter(x509), until_at);
    }
    if (error != 0) {
        X509_free(x509);
        return error;
    }
    *ret_x509 = x509;
    return 0;
}

int cert_make_identity(const struct key *identity, const char *cn,
                       const char *const *permitted, size_t permitted_count,
                       struct cert **ret_cert)
{
    const int64_t from_at = 0;
    const int64_t until_at = 253402300799; /* RFC 5280 4.1.2.5: 99991231235959Z, no end */
    X509 *x509 = NULL;
    if (!key_is_private(identity)) {
        return ERROR_STATE;
    }
    int error = start(identity, from_at, until_at, &x509);
    if (error == 0) {
        error = set_common_name(X509_get_subject_name(x509), cn);
    }
    if (error == 0 && X509_set_issuer_name(x509, X509_get_subject_name(x509)) != 1) {
        error = openssl_error(ERROR_CRYPTO);
    }
    if (error == 0) {
        error = add_basic_constraints(x509, true);
    }
    if (error == 0) {
        error = add_key_usage(x509, KEY_CERT_SIGN_BIT, KEY_CERT_SIGN_BIT);
    }
    if (error == 0) {
        error = add_server_usage(x509);
    }
    if (error == 0) {
        error = add_subject_key(x509, identity);
    }
    if (error == 0) {
        error = add_name_constraints(x509, permitted, permitted_count);
    }
    if (error == 0) {
        error = cert_sign(x509, identity);
    }
    if (error == 0) {
        error = cert_from_x509s(&x509, 1, ret_cert);
    }
    X509_free(x509);
    return error;
}

/* Everything a leaf holds but the signature. */
static int fill_leaf(X509 *x509, const struct key *identity, const struct key *key,
                     const char *const *names, size_t name_count,
                     const char *const *addresses, size_t address_count)
{
    /* People see the common name in certificate viewers; verifiers look at the SANs only.
     * An address must not stand there: OpenSSL holds it to the constraints as if it were
     * a DNS name. */
    bool is_short = name_count > 0 && strlen(names[0]) <= COMMON_NAME_MAX;
    enum key_usage_bit second =
        key_kind(key) == KEY_RSA ? KEY_ENCIPHERMENT_BIT : DIGITAL_SIGNATURE_BIT;
    int error = set_common_name(X509_get_subject_name(x509),
                                is_short ? names[0] : "latchkey device");
    if (error == 0) {
        error = add_basic_constraints(x509, false);
    }
    if (error == 0) {
        error = add_key_usage(x509, DIGITAL_SIGNATURE_BIT, second);
    }
    if (error == 0) {
        error = add_server_usage(x509);
    }
    if (error == 0) {
        error = add_subject_key(x509, key);
    }
    if (error == 0) {
        error = add_authority_key(x509, identity);
    }
    if (error == 0) {
        error = add_sans(x509, names, name_count, addresses, address_count);
    }
    return error;
}

int cert_make_leaf(const struct cert *identity_cert, const struct key *identity,
                   const struct key *key, const char *const *names, size_t name_count,
                   const char *const *addresses, size_t address_count, int64_t from_at,
                   int64_t until_at, struct cert **ret_cert)
{
    X509 *chain[2] = {NULL, cert_x509(identity_cert, 0)};
    if (!key_is_private(identity)) {
        return ERROR_STATE;
    }
    if (name_count + address_count == 0 || until_at <= from_at) {
        return ERROR_RANGE;
    }
    int error = start(key, from_at, until_at, &chain[0]);
    if (error == 0 &&
        X509_set_issuer_name(chain[0], X509_get_subject_name(chain[1])) != 1) {
        error = openssl_error(ERROR_CRYPTO);
    }
    if (error == 0) {
        error = fill_leaf(chain[0], identity, key, names, name_count, addresses,
                          address_count);
    }
    if (error == 0) {
        error = cert_sign(chain[0], identity);
    }
    if (error == 0) {
        error = cert_from_x509s(chain, 2, ret_cert);
    }
    X509_free(chain[0]);
    return error;
}
