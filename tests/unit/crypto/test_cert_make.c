#include "base/core/limits.h"
#include "base/crypto/cert.h"
#include "base/crypto/key_parts.h"

#include "tests/unit/vector.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { NOW_AT = 1795242600 };

static const char *const permitted[] = {"local", "abc.lan.example.com"};
static struct key *identity;
static struct key *leaf_key;
static struct cert *identity_cert;

static int make_pair(void **state)
{
    (void)state;
    return key_generate(KEY_P256, &identity) | key_generate(KEY_RSA, &leaf_key) |
           cert_make_identity(identity, "abc", permitted, 2, &identity_cert);
}

static int free_pair(void **state)
{
    (void)state;
    key_free(identity);
    key_free(leaf_key);
    cert_free(identity_cert);
    return 0;
}

static void the_identity_certificate_says_little(void **state)
{
    (void)state;
    X509 *x509 = cert_x509(identity_cert, 0);
    char text[TEXT_TIME_CAPACITY];
    char issuer[64];
    assert_int_equal(cert_count(identity_cert), 1);
    assert_int_equal(cert_not_before_at(identity_cert), 0);
    text_time(cert_not_after_at(identity_cert), text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    assert_int_equal(cert_name_count(identity_cert), 0);
    assert_int_equal(X509_check_ca(x509), 1);
    assert_int_equal(X509_get_pathlen(x509), 0);
    assert_int_equal(X509_get_key_usage(x509), KU_KEY_CERT_SIGN);
    assert_int_equal(X509_get_extended_key_usage(x509), XKU_SSL_SERVER);
    assert_int_equal(X509_self_signed(x509, 1), 1);
    cert_issuer_text(identity_cert, issuer, sizeof(issuer));
    assert_string_equal(issuer, "CN=abc");
    static const int critical[] = {NID_basic_constraints, NID_key_usage,
                                   NID_name_constraints};
    for (size_t i = 0; i < 3; i++) {
        int index = X509_get_ext_by_NID(x509, critical[i], -1);
        assert_true(index >= 0);
        assert_int_equal(X509_EXTENSION_get_critical(X509_get_ext(x509, index)), 1);
    }
    /* The key identifier is the id. */
    char id[KEY_ID_SIZE + 1];
    char key_id_text[KEY_ID_SIZE + 1];
    const ASN1_OCTET_STRING *key_identifier = X509_get0_subject_key_id(x509);
    assert_int_equal(ASN1_STRING_length(key_identifier), KEY_ID_BYTES);
    text_base32(ASN1_STRING_get0_data(key_identifier), KEY_ID_BYTES, key_id_text);
    assert_int_equal(key_id(identity, id), 0);
    assert_string_equal(key_id_text, id);
}

/* What OpenSSL's verifier says of a leaf for one name or address, with the identity as
 * the only root. */
static int verify(const char *name, const char *address)
{
    struct cert *leaf = NULL;
    assert_int_equal(cert_make_leaf(identity_cert, identity, leaf_key, &name,
                                    name != NULL ? 1 : 0, &address,
                                    address != NULL ? 1 : 0, NOW_AT - 60, NOW_AT + 60,
                                    &leaf),
                     0);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_add_cert(store, cert_x509(identity_cert, 0)), 1);
    assert_int_equal(X509_STORE_CTX_init(context, store, cert_x509(leaf, 0), NULL), 1);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(param, NOW_AT);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
    if (name != NULL) {
        X509_VERIFY_PARAM_set1_host(param, name, 0);
    }
    if (address != NULL) {
        X509_VERIFY_PARAM_set1_ip_asc(param, address);
    }
    int result =
        X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    cert_free(leaf);
    ERR_clear_error();
    return result;
}

static void constraints_permit_only_what_is_ours(void **state)
{
    (void)state;
    static const char *const good_names[] = {"device.local", "abc.lan.example.com",
                                             "192-168-1-5.abc.lan.example.com"};
    static const char *const bad_names[] = {"example.com", "lan.example.com",
                                            "xabc.lan.example.com", "bank.example"};
    /* Not one: an address in the leaf would take the whole chain with it. */
    static const char *const bad_addresses[] = {"10.0.0.1", "192.168.1.5", "127.0.0.1",
                                                "8.8.8.8",  "fd12::1",     "fe80::1",
                                                "::1",      "2001:db8::1"};
    for (size_t i = 0; i < sizeof(good_names) / sizeof(good_names[0]); i++) {
        print_message("%s\n", good_names[i]);
        assert_int_equal(verify(good_names[i], NULL), X509_V_OK);
    }
    for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
        print_message("%s\n", bad_names[i]);
        assert_int_equal(verify(bad_names[i], NULL), X509_V_ERR_PERMITTED_VIOLATION);
    }
    for (size_t i = 0; i < sizeof(bad_addresses) / sizeof(bad_addresses[0]); i++) {
        print_message("%s\n", bad_addresses[i]);
        assert_int_equal(verify(NULL, bad_addresses[i]), X509_V_ERR_EXCLUDED_VIOLATION);
        assert_int_equal(verify(good_names[0], bad_addresses[i]),
                         X509_V_ERR_EXCLUDED_VIOLATION);
    }
}

static void the_leaf_is_a_server(void **state)
{
    (void)state;
    static const char *const names[] = {"device.local", "*.abc.lan.example.com"};
    static const char *const addresses[] = {"192.168.1.5", "fd12::1"};
    struct cert *leaf = NULL;
    struct cert *again = NULL;
    struct buffer pem = buffer_init(LIMIT_CHAIN_BYTES);
    assert_int_equal(cert_make_leaf(identity_cert, identity, leaf_key, names, 2,
                                    addresses, 2, NOW_AT, NOW_AT + 397 * 86400, &leaf),
                     0);
    X509 *x509 = cert_x509(leaf, 0);
    assert_int_equal(cert_count(leaf), 2);
    assert_int_equal(cert_not_before_at(leaf), NOW_AT);
    assert_int_equal(cert_not_after_at(leaf), NOW_AT + 397 * 86400);
    assert_int_equal(X509_check_ca(x509), 0);
    assert_int_equal(X509_get_key_usage(x509),
                     KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
    assert_int_equal(X509_get_extended_key_usage(x509), XKU_SSL_SERVER);
    assert_int_equal(cert_name_count(leaf), 2);
    assert_int_equal(X509_check_ip_asc(x509, "192.168.1.5", 0), 1);
    assert_int_equal(X509_check_ip_asc(x509, "fd12::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(x509, "192.168.1.6", 0), 0);
    assert_int_equal(cert_to_pem(leaf, &pem), 0);
    assert_int_equal(cert_from_pem(pem.data, pem.size, &again), 0);
    cert_free(again);
    cert_free(leaf);
    buffer_free(&pem);
}

static void serials_differ(void **state)
{
    (void)state;
    static const char *const names[] = {"device.local"};
    char seen[2][CERT_SERIAL_MAX];
    for (int i = 0; i < 2; i++) {
        struct cert *leaf = NULL;
        assert_int_equal(cert_make_leaf(identity_cert, identity, leaf_key, names, 1, NULL,
                                        0, NOW_AT, NOW_AT + 1, &leaf),
                         0);
        cert_serial(leaf, seen[i]);
        assert_int_equal(strlen(seen[i]), 32);
        cert_free(leaf);
    }
    assert_string_not_equal(seen[0], seen[1]);
}

static void impossible_wishes_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"device.local"};
    static const char *const no_address[] = {"192.168.1"};
    char long_name[80];
    memset(long_name, 'x', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    struct cert *cert = NULL;
    struct key *public_half = NULL;
    struct bytes spki = key_spki(identity);
    assert_int_equal(key_from_spki(spki.data, spki.size, &public_half), 0);
    assert_int_equal(cert_make_identity(public_half, "abc", NULL, 0, &cert), ERROR_STATE);
    assert_int_equal(cert_make_identity(identity, long_name, NULL, 0, &cert),
                     ERROR_LIMIT);
    assert_int_equal(cert_make_leaf(identity_cert, public_half, leaf_key, names, 1, NULL,
                                    0, NOW_AT, NOW_AT + 1, &cert),
                     ERROR_STATE);
    assert_int_equal(cert_make_leaf(identity_cert, identity, leaf_key, names, 1,
                                    no_address, 1, NOW_AT, NOW_AT + 1, &cert),
                     ERROR_SYNTAX);
    assert_int_equal(cert_make_leaf(identity_cert, identity, leaf_key, NULL, 0, NULL, 0,
                                    NOW_AT, NOW_AT + 1, &cert),
                     ERROR_RANGE);
    assert_int_equal(cert_make_leaf(identity_cert, identity, leaf_key, names, 1, NULL, 0,
                                    NOW_AT, NOW_AT, &cert),
                     ERROR_RANGE);
    /* A leaf that the identity certificate's key has not signed is no chain. */
    assert_int_equal(cert_make_leaf(identity_cert, leaf_key, leaf_key, names, 1, NULL, 0,
                                    NOW_AT, NOW_AT + 1, &cert),
                     ERROR_SIGNATURE);
    assert_null(cert);
    assert_int_equal(ERR_peek_error(), 0);
    key_free(public_half);
}

static EVP_PKEY *any_kind(int kind)
{
    switch (kind) {
    case 0:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    case 1:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    case 2:
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    default:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
}

/* The signature is put together by hand: OpenSSL must find nothing wrong with it, nor with
 * the encoding. */
static void every_kind_of_key_signs(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct key *key = NULL;
        struct cert *cert = NULL;
        assert_int_equal(key_take_evp(any_kind(kind), true, &key), 0);
        assert_int_equal(cert_make_identity(key, "abc", permitted, 2, &cert), 0);
        struct bytes der = cert_leaf_der(cert);
        const uint8_t *at = der.data;
        X509 *again = d2i_X509(NULL, &at, (long)der.size);
        assert_non_null(again);
        assert_int_equal(X509_verify(again, key_evp(key)), 1);
        assert_int_equal(X509_self_signed(again, 1), 1);
        X509_free(again);
        cert_free(cert);
        key_free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_identity_certificate_says_little),
        cmocka_unit_test(constraints_permit_only_what_is_ours),
        cmocka_unit_test(the_leaf_is_a_server),
        cmocka_unit_test(serials_differ),
        cmocka_unit_test(every_kind_of_key_signs),
        cmocka_unit_test(impossible_wishes_are_refused),
    };
    return cmocka_run_group_tests(tests, make_pair, free_pair);
}
