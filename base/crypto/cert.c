/* A chain is read once, completely: the order and the signatures of its links, the leaf's
 * dates, serial and names are settled when the struct exists, so that the getters cannot
 * fail. Whether the chain ends at a trusted root is the TLS layer's question; whether it
 * is what was ordered is cert_check_issued's. */
#include "base/crypto/cert.h"

#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/crypto/cert_parts.h"
#include "base/crypto/digest.h"
#include "base/crypto/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERIAL_MAX_OCTETS = 20, /* RFC 5280 4.1.2.2 */
    KEY_ID_MAX_OCTETS = 40, /* of an authority key identifier; in practice 20 */
    DAY_S = 86400,
};

struct cert {
    X509 *x509s[LIMIT_CHAIN_COUNT];
    size_t count;
    uint8_t *leaf_der;
    size_t leaf_der_size;
    int64_t not_before_at;
    int64_t not_after_at;
    char **names;
    size_t name_count;
    bool has_other_names; /* SANs that are no dNSName */
};

int cert_read_time(const ASN1_TIME *time, int64_t *ret_at)
{
    int days = 0;
    int seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int error = 0;
    if (epoch == NULL) {
        error = openssl_error(ERROR_MEMORY);
    } else if (ASN1_TIME_diff(&days, &seconds, epoch, time) != 1) {
        error = openssl_error(ERROR_SYNTAX);
    } else {
        *ret_at = (int64_t)days * DAY_S + seconds;
    }
    ASN1_TIME_free(epoch);
    return error;
}

static int take_name(struct cert *cert, const GENERAL_NAME *name)
{
    int type = GEN_DNS;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    if (type != GEN_DNS) {
        cert->has_other_names = true;
        return 0;
    }
    const char *text = (const char *)ASN1_STRING_get0_data(value);
    size_t size = (size_t)ASN1_STRING_length(value);
    if (size == 0 || memchr(text, '\0', size) != NULL) {
        return ERROR_SYNTAX;
    }
    cert->names[cert->name_count] = strndup(text, size);
    if (cert->names[cert->name_count] == NULL) {
        return ERROR_MEMORY;
    }
    cert->name_count++;
    return 0;
}

static int read_names(struct cert *cert)
{
    int found = -1;
    int error = 0;
    GENERAL_NAMES *sans =
        X509_get_ext_d2i(cert->x509s[0], NID_subject_alt_name, &found, NULL);
    if (sans == NULL) {
        int reading = openssl_error(0);
        return found == -1 && reading == 0 ? 0 : reading != 0 ? reading : ERROR_SYNTAX;
    }
    int count = sk_GENERAL_NAME_num(sans);
    cert->names = calloc((size_t)count + 1, sizeof(*cert->names));
    if (cert->names == NULL) {
        error = ERROR_MEMORY;
    }
    for (int i = 0; i < count && error == 0; i++) {
        error = take_name(cert, sk_GENERAL_NAME_value(sans, i));
    }
    GENERAL_NAMES_free(sans);
    return error;
}

/* Positive and of 20 octets at most. */
static int check_serial(const X509 *x509)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
    bool is_good = ASN1_STRING_type(serial) == V_ASN1_INTEGER &&
                   ASN1_STRING_length(serial) > 0 &&
                   ASN1_STRING_length(serial) <= SERIAL_MAX_OCTETS;
    return is_good ? 0 : ERROR_SYNTAX;
}

static int read_leaf(struct cert *cert)
{
    X509 *leaf = cert->x509s[0];
    int size = i2d_X509(leaf, &cert->leaf_der);
    if (size <= 0) {
        return openssl_error(ERROR_SYNTAX);
    }
    cert->leaf_der_size = (size_t)size;
    int error = check_serial(leaf);
    if (error == 0) {
        error = cert_read_time(X509_get0_notBefore(leaf), &cert->not_before_at);
    }
    if (error == 0) {
        error = cert_read_time(X509_get0_notAfter(leaf), &cert->not_after_at);
    }
    return error != 0 ? error : read_names(cert);
}

/* Each certificate must be issued and signed by the next. */
static int check_links(const struct cert *cert)
{
    for (size_t i = 0; i + 1 < cert->count; i++) {
        const X509 *issuer = cert->x509s[i + 1];
        EVP_PKEY *key = X509_get0_pubkey(issuer);
        if (key == NULL) {
            return openssl_error(ERROR_SYNTAX);
        }
        if (X509_NAME_cmp(X509_get_issuer_name(cert->x509s[i]),
                          X509_get_subject_name(issuer)) != 0 ||
            X509_verify(cert->x509s[i], key) != 1) {
            return openssl_error(ERROR_SIGNATURE);
        }
    }
    return 0;
}

int cert_from_x509s(X509 *const *x509s, size_t count, struct cert **ret_cert)
{
    if (count == 0) {
        return ERROR_SYNTAX;
    }
    if (count > LIMIT_CHAIN_COUNT) {
        return ERROR_LIMIT;
    }
    struct cert *cert = calloc(1, sizeof(*cert));
    if (cert == NULL) {
        return ERROR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        X509_up_ref(x509s[i]);
        cert->x509s[cert->count++] = x509s[i];
    }
    int error = check_links(cert);
    if (error == 0) {
        error = read_leaf(cert);
    }
    ERR_clear_error();
    if (error != 0) {
        cert_free(cert);
        return error;
    }
    *ret_cert = cert;
    return 0;
}

/* How many lines begin a PEM block. OpenSSL skips what it does not take for one, and a
 * chain must not get shorter because of a damaged line. */
static size_t count_begins(const char *pem, size_t size)
{
    static const char begin[] = "-----BEGIN ";
    const size_t begin_size = sizeof(begin) - 1;
    size_t count = 0;
    for (size_t i = 0; i + begin_size <= size; i++) {
        if ((i == 0 || pem[i - 1] == '\n') && memcmp(pem + i, begin, begin_size) == 0) {
            count++;
        }
    }
    return count;
}

/* The next block. ERROR_NOT_FOUND at the end. */
static int read_block(BIO *bio, X509 **ret_x509)
{
    char *label = NULL;
    char *header = NULL;
    uint8_t *der = NULL;
    long size = 0;
    if (PEM_read_bio(bio, &label, &header, &der, &size) != 1) {
        bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
        return openssl_error(is_end ? ERROR_NOT_FOUND : ERROR_SYNTAX);
    }
    int error = ERROR_SYNTAX;
    if (strcmp(label, PEM_STRING_X509) == 0 && header[0] == '\0') {
        const uint8_t *at = der;
        X509 *x509 = d2i_X509(NULL, &at, size);
        if (x509 == NULL) {
            error = openssl_error(ERROR_SYNTAX);
        } else if (at != der + size) {
            X509_free(x509);
        } else {
            *ret_x509 = x509;
            error = 0;
        }
    }
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return error;
}

int cert_from_pem(const void *pem, size_t size, struct cert **ret_cert)
{
    X509 *x509s[LIMIT_CHAIN_COUNT] = {NULL};
    size_t count = 0;
    int error = 0;
    if (size > LIMIT_CHAIN_BYTES) {
        return ERROR_LIMIT;
    }
    if (size == 0 || memchr(pem, '\0', size) != NULL) {
        return ERROR_SYNTAX;
    }
    size_t expected_count = count_begins(pem, size);
    if (expected_count > LIMIT_CHAIN_COUNT) {
        return ERROR_LIMIT;
    }
    BIO *bio = BIO_new_mem_buf(pem, (int)size);
    if (bio == NULL) {
        return openssl_error(ERROR_MEMORY);
    }
    while (error == 0 && count < LIMIT_CHAIN_COUNT) {
        error = read_block(bio, &x509s[count]);
        count += error == 0 ? 1 : 0;
    }
    if (error == ERROR_NOT_FOUND) {
        error = 0;
    }
    if (error == 0 && count != expected_count) {
        error = ERROR_SYNTAX;
    }
    if (error == 0) {
        error = cert_from_x509s(x509s, count, ret_cert);
    }
    for (size_t i = 0; i < count; i++) {
        X509_free(x509s[i]);
    }
    BIO_free(bio);
    return error;
}

int cert_from_der(const void *der, size_t size, struct cert **ret_cert)
{
    const uint8_t *at = der;
    if (size > LIMIT_CHAIN_BYTES) {
        return ERROR_LIMIT;
    }
    X509 *x509 = d2i_X509(NULL, &at, (long)size);
    if (x509 == NULL) {
        return openssl_error(ERROR_SYNTAX);
    }
    int error = ERROR_SYNTAX;
    if (at == (const uint8_t *)der + size) {
        error = cert_from_x509s(&x509, 1, ret_cert);
    }
    X509_free(x509);
    return error;
}

int cert_to_pem(const struct cert *cert, struct buffer *pem)
{
    int error = 0;
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL) {
        return openssl_error(ERROR_MEMORY);
    }
    for (size_t i = 0; i < cert->count && error == 0; i++) {
        if (PEM_write_bio_X509(bio, cert->x509s[i]) != 1) {
            error = openssl_error(ERROR_CRYPTO);
        }
    }
    if (error == 0) {
        long size = BIO_get_mem_data(bio, &text);
        error = size > 0 ? buffer_append(pem, text, (size_t)size) : ERROR_CRYPTO;
    }
    BIO_free(bio);
    return error;
}

void cert_free(struct cert *cert)
{
    if (cert == NULL) {
        return;
    }
    for (size_t i = 0; i < cert->count; i++) {
        X509_free(cert->x509s[i]);
    }
    for (size_t i = 0; i < cert->name_count; i++) {
        free(cert->names[i]);
    }
    free(cert->names);
    OPENSSL_free(cert->leaf_der);
    free(cert);
}

int64_t cert_not_before_at(const struct cert *cert)
{
    return cert->not_before_at;
}

int64_t cert_not_after_at(const struct cert *cert)
{
    return cert->not_after_at;
}

void cert_serial(const struct cert *cert, char ret_text[static CERT_SERIAL_MAX])
{
    /* The stored octets are the magnitude, without the sign's 00. */
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert->x509s[0]);
    text_hex(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial), ret_text);
}

int cert_id(const struct cert *cert, char ret_text[static CERT_ID_MAX])
{
    uint8_t octets[1 + SERIAL_MAX_OCTETS] = {0};
    char key_text[TEXT_BASE64URL_SIZE(KEY_ID_MAX_OCTETS) + 1];
    char serial_text[TEXT_BASE64URL_SIZE(sizeof(octets)) + 1];
    const ASN1_OCTET_STRING *key_id = X509_get0_authority_key_id(cert->x509s[0]);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert->x509s[0]);
    if (key_id == NULL || ASN1_STRING_length(key_id) == 0) {
        return ERROR_NOT_FOUND;
    }
    if (ASN1_STRING_length(key_id) > KEY_ID_MAX_OCTETS) {
        return ERROR_LIMIT;
    }
    text_base64url(ASN1_STRING_get0_data(key_id), (size_t)ASN1_STRING_length(key_id),
                   key_text);
    /* RFC 9773 4.1: the INTEGER's content octets as in the DER, so with the 00 that keeps
     * a number with its highest bit set positive. */
    size_t size = (size_t)ASN1_STRING_length(serial);
    memcpy(octets + 1, ASN1_STRING_get0_data(serial), size);
    size_t skipped = (octets[1] & 0x80) != 0 ? 0 : 1;
    text_base64url(octets + skipped, size + 1 - skipped, serial_text);
    return text_format(ret_text, CERT_ID_MAX, "%s.%s", key_text, serial_text)
               ? 0
               : ERROR_LIMIT;
}

int cert_fingerprint(const struct cert *cert, uint8_t ret_hash[static 32])
{
    return digest_sha256(cert->leaf_der, cert->leaf_der_size, ret_hash);
}

int cert_key(const struct cert *cert, struct key **ret_key)
{
    uint8_t *spki = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert->x509s[0]), &spki);
    if (size <= 0) {
        return openssl_error(ERROR_SYNTAX);
    }
    int error = key_from_spki(spki, (size_t)size, ret_key);
    OPENSSL_free(spki);
    return error;
}

size_t cert_name_count(const struct cert *cert)
{
    return cert->name_count;
}

const char *cert_name(const struct cert *cert, size_t index)
{
    return index < cert->name_count ? cert->names[index] : NULL;
}

void cert_issuer_text(const struct cert *cert, char *ret_text, size_t capacity)
{
    char *text = NULL;
    const X509_NAME *issuer = X509_get_issuer_name(cert->x509s[0]);
    BIO *bio = BIO_new(BIO_s_mem());
    text_copy(ret_text, capacity, "");
    if (bio != NULL && X509_NAME_print_ex(bio, issuer, 0, XN_FLAG_RFC2253) >= 0) {
        long size = BIO_get_mem_data(bio, &text);
        text_printable(ret_text, capacity, text, size > 0 ? (size_t)size : 0);
    }
    BIO_free(bio);
    ERR_clear_error();
}

size_t cert_count(const struct cert *cert)
{
    return cert->count;
}

struct bytes cert_leaf_der(const struct cert *cert)
{
    return (struct bytes){cert->leaf_der, cert->leaf_der_size};
}

struct x509_st *cert_x509(const struct cert *cert, size_t index)
{
    return index < cert->count ? cert->x509s[index] : NULL;
}

static bool is_among(const char *name, const char *const *names, size_t name_count)
{
    for (size_t i = 0; i < name_count; i++) {
        if (text_equal_nocase(names[i], name)) {
            return true;
        }
    }
    return false;
}

/* NULL, or what is wrong. Text is written to REASON for faults that quote something. */
static const char *check_names(const struct cert *cert, const char *const *names,
                               size_t name_count, char *reason, size_t reason_capacity)
{
    if (cert->has_other_names) {
        return "the certificate holds names that are no DNS names";
    }
    const char *const *own = (const char *const *)cert->names;
    for (size_t i = 0; i < name_count; i++) {
        if (!is_among(names[i], own, cert->name_count)) {
            text_format(reason, reason_capacity, "the certificate lacks the name '%s'",
                        names[i]);
            return reason;
        }
    }
    for (size_t i = 0; i < cert->name_count; i++) {
        if (!is_among(cert->names[i], names, name_count)) {
            char quoted[80];
            text_printable(quoted, sizeof(quoted), cert->names[i],
                           strlen(cert->names[i]));
            text_format(reason, reason_capacity,
                        "the certificate holds the name '%s', too", quoted);
            return reason;
        }
    }
    return NULL;
}

static const char *check_leaf(const struct cert *cert, int64_t now_at, int64_t skew_s)
{
    X509 *leaf = cert->x509s[0];
    uint32_t flags = X509_get_extension_flags(leaf);
    if ((flags & EXFLAG_INVALID) != 0) {
        return "the certificate's extensions can't be read";
    }
    if ((flags & EXFLAG_CA) != 0 || X509_check_ca(leaf) != 0) {
        return "the certificate is one of a CA";
    }
    if ((X509_get_extended_key_usage(leaf) & XKU_SSL_SERVER) == 0) {
        return "the certificate is not for TLS servers";
    }
    if (cert->not_before_at > now_at + skew_s) {
        return "the certificate is not valid yet";
    }
    if (cert->not_after_at <= now_at) {
        return "the certificate has expired";
    }
    return NULL;
}

int cert_check_issued(const struct cert *cert, const struct key *key,
                      const char *const *names, size_t name_count, int64_t now_at,
                      int64_t skew_s, char *reason, size_t reason_capacity)
{
    struct key *own = NULL;
    const char *wrong = NULL;
    int error = cert_key(cert, &own);
    if (error == ERROR_MEMORY) {
        text_copy(reason, reason_capacity, "the certificate can't be checked now");
        return error;
    }
    if (error != 0 || !key_equal(own, key)) {
        wrong = "the certificate is for another key";
    }
    if (wrong == NULL) {
        wrong = check_names(cert, names, name_count, reason, reason_capacity);
    }
    if (wrong == NULL) {
        wrong = check_leaf(cert, now_at, skew_s);
    }
    key_free(own);
    ERR_clear_error();
    if (wrong != NULL && wrong != reason) {
        text_copy(reason, reason_capacity, wrong);
    }
    return wrong != NULL ? ERROR_RANGE : 0;
}
