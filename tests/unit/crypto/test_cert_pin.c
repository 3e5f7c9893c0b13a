/* Each way in which a server may look like the device of a pin, and is not. */
#include "base/crypto/cert_pin.h"

#include "base/core/limits.h"
#include "base/crypto/cert.h"

#include "tests/unit/vector.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { DAY_S = 86400 };
static const int64_t floor_at = 1793491200;
#define NOW_AT (floor_at + 40 * (int64_t)DAY_S)

static const char *const names[] = {"camera.local"};
static struct key *identity;
static struct key *other;
static struct key *tls;
static struct cert *good; /* leaf, identity certificate */
static uint8_t hash[32];

static int make(void **state)
{
    (void)state;
    struct cert *root = NULL;
    int error = key_generate(KEY_P256, &identity) | key_generate(KEY_P256, &other) |
                key_generate(KEY_P256, &tls) |
                cert_make_identity(identity, "abc", names, 1, &root) |
                cert_make_leaf(root, identity, tls, names, 1, NULL, 0, NOW_AT - DAY_S,
                               NOW_AT + 397 * DAY_S, &good) |
                key_spki_sha256(identity, hash);
    cert_free(root);
    return error;
}

static int clean(void **state)
{
    (void)state;
    key_free(identity);
    key_free(other);
    key_free(tls);
    cert_free(good);
    return 0;
}

static int check_at(X509 *const *chain, size_t count, int64_t now_at, char reason[200])
{
    struct cert_pin pin = {.hash = hash, .now_at = now_at, .floor_at = floor_at};
    int error = cert_pin_check(chain, count, &pin, reason, 200);
    assert_int_equal(ERR_peek_error(), 0);
    return error;
}

static void refused(X509 *const *chain, size_t count, const char *expected)
{
    char reason[200] = "";
    assert_int_equal(check_at(chain, count, NOW_AT, reason), ERROR_DENIED);
    if (strstr(reason, expected) == NULL) {
        fail_msg("'%s' is not in '%s'", expected, reason);
    }
}

/* A copy of the leaf, to change and sign again. */
static X509 *leaf_copy(void)
{
    return X509_dup(cert_x509(good, 0));
}

static X509 *resign(X509 *x509, const struct key *key)
{
    assert_true(X509_sign(x509, key_evp(key), EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int size = i2d_X509(x509, &der);
    const unsigned char *at = der;
    X509 *again = d2i_X509(NULL, &at, size);
    assert_non_null(again);
    OPENSSL_free(der);
    X509_free(x509);
    return again;
}

static void the_device_itself(void **state)
{
    (void)state;
    char reason[200] = "";
    X509 *chain[] = {cert_x509(good, 0), cert_x509(good, 1)};
    assert_int_equal(check_at(chain, 2, NOW_AT, reason), 0);
    assert_string_equal(reason, "");
}

static void clocks_that_are_wrong(void **state)
{
    (void)state;
    static const struct {
        int64_t now_at;
        int expected;
    } rows[] = {
        {0, 0},                                 /* 1970 */
        {2145916800, 0},                        /* 2038: no clock can be right there */
        {floor_at + 437 * DAY_S - 60, 0},       /* just before the end */
        {floor_at + 437 * DAY_S, ERROR_DENIED}, /* the end */
        {floor_at + 3652 * (int64_t)DAY_S, ERROR_DENIED},
        {floor_at + 3653 * (int64_t)DAY_S, 0},
        {INT64_MAX, 0},
    };
    X509 *chain[] = {cert_x509(good, 0), cert_x509(good, 1)};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char reason[200] = "";
        assert_int_equal(check_at(chain, 2, rows[i].now_at, reason), rows[i].expected);
    }
    /* A leaf of a device whose clock stands at 2038, or at 1970 when it was made. */
    static const int64_t made_at[] = {0, 2145916800};
    for (size_t i = 0; i < 2; i++) {
        struct cert *leaf = NULL;
        struct cert *root = NULL;
        char reason[200] = "";
        assert_int_equal(cert_make_identity(identity, "abc", names, 1, &root), 0);
        assert_int_equal(
            cert_make_leaf(root, identity, tls, names, 1, NULL, 0, made_at[i],
                           (made_at[i] > floor_at ? made_at[i] : floor_at) + 397 * DAY_S,
                           &leaf),
            0);
        X509 *of_device[] = {cert_x509(leaf, 0), cert_x509(leaf, 1)};
        assert_int_equal(check_at(of_device, 2, NOW_AT, reason), 0);
        cert_free(leaf);
        cert_free(root);
    }
    /* Run out before the floor: by no clock. */
    X509 *old = leaf_copy();
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(old), floor_at - 9 * DAY_S));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(old), floor_at - 1));
    old = resign(old, identity);
    X509 *old_chain[] = {old, cert_x509(good, 1)};
    refused(old_chain, 2, "run out");
    char reason[200];
    assert_int_equal(check_at(old_chain, 2, 0, reason), ERROR_DENIED);
    X509_free(old);
}

/* The dates of the identity certificate say nothing. */
static void an_identity_certificate_that_has_expired(void **state)
{
    (void)state;
    char reason[200] = "";
    X509 *root = X509_dup(cert_x509(good, 1));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(root), 12));
    root = resign(root, identity);
    X509 *chain[] = {cert_x509(good, 0), root};
    assert_int_equal(check_at(chain, 2, NOW_AT, reason), 0);
    X509_free(root);
}

static void another_device(void **state)
{
    (void)state;
    struct cert *root = NULL;
    struct cert *leaf = NULL;
    assert_int_equal(cert_make_identity(other, "abc", names, 1, &root), 0);
    assert_int_equal(cert_make_leaf(root, other, tls, names, 1, NULL, 0, NOW_AT - DAY_S,
                                    NOW_AT + DAY_S, &leaf),
                     0);
    X509 *chain[] = {cert_x509(leaf, 0), cert_x509(leaf, 1)};
    refused(chain, 2, "another one");
    /* The right identity certificate, which did not sign the leaf. */
    X509 *mixed[] = {cert_x509(leaf, 0), cert_x509(good, 1)};
    refused(mixed, 2, "not signed by the identity key");
    /* The pin in a name does not count: CN=pin, all right but the key. */
    X509 *named = X509_dup(cert_x509(leaf, 0));
    char text[80];
    text_base32(hash, sizeof(hash), text);
    assert_int_equal(X509_NAME_add_entry_by_NID(X509_get_subject_name(named),
                                                NID_commonName, MBSTRING_UTF8,
                                                (const uint8_t *)text, -1, -1, 0),
                     1);
    named = resign(named, other);
    X509 *by_name[] = {named, cert_x509(leaf, 1)};
    refused(by_name, 2, "another one");
    X509_free(named);
    cert_free(leaf);
    cert_free(root);
}

static void chains_of_another_length(void **state)
{
    (void)state;
    X509 *leaf = cert_x509(good, 0);
    X509 *root = cert_x509(good, 1);
    X509 *chain[] = {leaf, root, root};
    refused(chain, 0, "sent 0 certificates");
    refused(chain, 1, "sent 1 certificate,");
    refused(chain, 3, "sent 3 certificates");
    X509 *turned[] = {root, leaf};
    refused(turned, 2, "another one");
    X509 *twice[] = {root, root};
    refused(twice, 2, "identity key");
}

static void leaves_that_are_none(void **state)
{
    (void)state;
    X509 *root = cert_x509(good, 1);
    BASIC_CONSTRAINTS *ca = BASIC_CONSTRAINTS_new();
    ca->ca = 0xff;
    X509 *leaf = leaf_copy();
    assert_int_equal(
        X509_add1_ext_i2d(leaf, NID_basic_constraints, ca, 1, X509V3_ADD_REPLACE), 1);
    BASIC_CONSTRAINTS_free(ca);
    leaf = resign(leaf, identity);
    refused((X509 *[]){leaf, root}, 2, "one of a CA");
    X509_free(leaf);

    leaf = leaf_copy();
    X509_EXTENSION_free(
        X509_delete_ext(leaf, X509_get_ext_by_NID(leaf, NID_ext_key_usage, -1)));
    leaf = resign(leaf, identity);
    refused((X509 *[]){leaf, root}, 2, "not one for TLS servers");
    X509_free(leaf);

    leaf = leaf_copy();
    ASN1_OBJECT *oid = OBJ_txt2obj("1.2.3.4.5", 1);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    assert_int_equal(ASN1_OCTET_STRING_set(octets, (const uint8_t *)"\x05", 2), 1);
    X509_EXTENSION *unknown = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, octets);
    assert_int_equal(X509_add_ext(leaf, unknown, -1), 1);
    X509_EXTENSION_free(unknown);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(oid);
    leaf = resign(leaf, identity);
    refused((X509 *[]){leaf, root}, 2, "not one for TLS servers");
    X509_free(leaf);

    leaf = leaf_copy();
    assert_int_equal(X509_set_pubkey(leaf, key_evp(identity)), 1);
    leaf = resign(leaf, identity);
    refused((X509 *[]){leaf, root}, 2, "serves with its identity key");
    X509_free(leaf);
}

static void identity_certificates_that_are_none(void **state)
{
    (void)state;
    X509 *leaf = cert_x509(good, 0);
    static const int removed[] = {NID_basic_constraints, NID_key_usage};
    for (size_t i = 0; i < 2; i++) {
        X509 *root = X509_dup(cert_x509(good, 1));
        X509_EXTENSION_free(
            X509_delete_ext(root, X509_get_ext_by_NID(root, removed[i], -1)));
        root = resign(root, identity);
        refused((X509 *[]){leaf, root}, 2, "second certificate");
        X509_free(root);
    }
    /* The right key, signed by another. */
    X509 *root = resign(X509_dup(cert_x509(good, 1)), other);
    refused((X509 *[]){leaf, root}, 2, "second certificate");
    X509_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_itself),
        cmocka_unit_test(clocks_that_are_wrong),
        cmocka_unit_test(an_identity_certificate_that_has_expired),
        cmocka_unit_test(another_device),
        cmocka_unit_test(chains_of_another_length),
        cmocka_unit_test(leaves_that_are_none),
        cmocka_unit_test(identity_certificates_that_are_none),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
