#include "base/core/limits.h"
#include "base/crypto/cert.h"
#include "base/crypto/cert_parts.h"

#include "tests/unit/vector.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { NOW_AT = 1795242600 };

static const char *const names[] = {"*.a.example", "a.example"};
static const char *const addresses[] = {"192.168.1.51", "fd00::1"};

/* A small CA that makes what ours would refuse to make. */
struct recipe {
    const char *sans; /* as in openssl.cnf */
    const char *usage;
    const char *constraints;
    int serial;
    int64_t from_at, until_at;
};

static void add_conf(X509 *x509, int nid, const char *text)
{
    if (text == NULL) {
        return;
    }
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, text);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *cook(const struct recipe *recipe, const struct key *key, const char *subject,
                  const char *issuer, const struct key *issuer_key)
{
    X509 *x509 = X509_new();
    assert_int_equal(X509_set_version(x509, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), recipe->serial), 1);
    assert_int_equal(X509_set_pubkey(x509, key_evp(key)), 1);
    ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)recipe->from_at);
    ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)recipe->until_at);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const uint8_t *)subject, -1, -1, 0);
    X509_NAME_add_entry_by_txt(X509_get_issuer_name(x509), "CN", MBSTRING_ASC,
                               (const uint8_t *)issuer, -1, -1, 0);
    add_conf(x509, NID_subject_alt_name, recipe->sans);
    add_conf(x509, NID_ext_key_usage, recipe->usage);
    add_conf(x509, NID_basic_constraints, recipe->constraints);
    assert_true(X509_sign(x509, key_evp(issuer_key), EVP_sha256()) > 0);
    return x509;
}

static const struct recipe good = {.sans = "DNS:*.a.example,DNS:a.example",
                                   .usage = "serverAuth,clientAuth",
                                   .constraints = "critical,CA:FALSE",
                                   .serial = 0x1234,
                                   .from_at = NOW_AT - 3600,
                                   .until_at = NOW_AT + 86400};
static const struct recipe ca = {.constraints = "critical,CA:TRUE",
                                 .serial = 1,
                                 .from_at = NOW_AT - 3600,
                                 .until_at = NOW_AT + 86400};

static struct key *leaf_key;
static struct key *ca_key;
static struct key *other_key;

static int make_keys(void **state)
{
    (void)state;
    return key_generate(KEY_P256, &leaf_key) | key_generate(KEY_P256, &ca_key) |
           key_generate(KEY_RSA, &other_key);
}

static int free_keys(void **state)
{
    (void)state;
    key_free(leaf_key);
    key_free(ca_key);
    key_free(other_key);
    return 0;
}

/* The chain leaf, CA. */
static struct cert *chain_of(const struct recipe *recipe)
{
    struct cert *cert = NULL;
    X509 *x509s[2] = {cook(recipe, leaf_key, "leaf", "ca", ca_key),
                      cook(&ca, ca_key, "ca", "ca", ca_key)};
    assert_int_equal(cert_from_x509s(x509s, 2, &cert), 0);
    X509_free(x509s[0]);
    X509_free(x509s[1]);
    return cert;
}

static void rfc9773_appendix_a(void **state)
{
    (void)state;
    struct buffer pem = vector_file("cert", "rfc9773", "chain.pem");
    struct buffer id_expected = vector_file("cert", "rfc9773", "id");
    struct buffer serial_expected = vector_file("cert", "rfc9773", "serial");
    struct cert *cert = NULL;
    char id[CERT_ID_MAX];
    char serial[CERT_SERIAL_MAX];
    char issuer[64];
    assert_int_equal(cert_from_pem(pem.data, pem.size, &cert), 0);
    assert_int_equal(cert_id(cert, id), 0);
    assert_string_equal(id, buffer_text(&id_expected));
    cert_serial(cert, serial);
    assert_string_equal(serial, buffer_text(&serial_expected));
    cert_issuer_text(cert, issuer, sizeof(issuer));
    assert_string_equal(issuer, "CN=Example CA");
    assert_int_equal(cert_count(cert), 1);
    assert_int_equal(cert_name_count(cert), 0);
    assert_null(cert_name(cert, 0));
    /* Its validity is 00010101000000Z, both. */
    assert_int_equal(cert_not_before_at(cert), -62135596800);
    assert_int_equal(cert_not_after_at(cert), -62135596800);
    cert_free(cert);
    buffer_free(&pem);
    buffer_free(&id_expected);
    buffer_free(&serial_expected);
}

static void facts_about_the_leaf(void **state)
{
    (void)state;
    struct cert *cert = chain_of(&good);
    struct cert *again = NULL;
    struct key *key = NULL;
    char serial[CERT_SERIAL_MAX];
    char id[CERT_ID_MAX];
    uint8_t hash[32];
    uint8_t expected[32];
    unsigned size = 0;
    cert_serial(cert, serial);
    assert_string_equal(serial, "1234");
    assert_int_equal(cert_id(cert, id), ERROR_NOT_FOUND); /* no AKI */
    assert_int_equal(cert_not_before_at(cert), NOW_AT - 3600);
    assert_int_equal(cert_not_after_at(cert), NOW_AT + 86400);
    assert_int_equal(cert_name_count(cert), 2);
    assert_string_equal(cert_name(cert, 0), "*.a.example");
    assert_string_equal(cert_name(cert, 1), "a.example");
    assert_null(cert_name(cert, 2));
    assert_int_equal(cert_key(cert, &key), 0);
    assert_true(key_equal(key, leaf_key));
    assert_int_equal(cert_fingerprint(cert, hash), 0);
    assert_int_equal(X509_digest(cert_x509(cert, 0), EVP_sha256(), expected, &size), 1);
    assert_memory_equal(hash, expected, 32);
    assert_non_null(cert_x509(cert, 1));
    assert_null(cert_x509(cert, 2));
    struct bytes der = cert_leaf_der(cert);
    assert_int_equal(cert_from_der(der.data, der.size, &again), 0);
    assert_int_equal(cert_count(again), 1);
    assert_int_equal(cert_not_after_at(again), NOW_AT + 86400);
    key_free(key);
    cert_free(cert);
    cert_free(again);
    cert_free(NULL);
}

static void pem_round_trips(void **state)
{
    (void)state;
    struct cert *cert = chain_of(&good);
    struct cert *again = NULL;
    struct buffer pem = buffer_init(LIMIT_CHAIN_BYTES);
    struct buffer text = buffer_init(LIMIT_CHAIN_BYTES);
    assert_int_equal(cert_to_pem(cert, &pem), 0);
    assert_int_equal(cert_from_pem(pem.data, pem.size, &again), 0);
    assert_int_equal(cert_count(again), 2);
    cert_free(again);
    again = NULL;
    /* Explanatory text, CRLF, no newline at the end (RFC 7468 2). */
    buffer_append_text(&text, "subject: leaf\r\n");
    for (size_t i = 0; i + 1 < pem.size; i++) {
        if (pem.data[i] == '\n') {
            buffer_append_u8(&text, '\r');
        }
        buffer_append_u8(&text, pem.data[i]);
    }
    assert_int_equal(cert_from_pem(text.data, text.size, &again), 0);
    buffer_reset(&text);
    assert_int_equal(cert_to_pem(again, &text), 0);
    assert_string_equal(buffer_text(&text), buffer_text(&pem));
    struct buffer small = buffer_init(100);
    assert_int_equal(cert_to_pem(again, &small), ERROR_LIMIT);
    buffer_free(&small);
    buffer_free(&text);
    buffer_free(&pem);
    cert_free(again);
    cert_free(cert);
}

static int read_pem(const struct buffer *pem)
{
    struct cert *cert = NULL;
    int error = cert_from_pem(pem->data, pem->size, &cert);
    assert_true((error == 0) == (cert != NULL));
    assert_int_equal(ERR_peek_error(), 0);
    cert_free(cert);
    return error;
}

static void wrong_pems_are_refused(void **state)
{
    (void)state;
    struct cert *cert = chain_of(&good);
    struct buffer pem = buffer_init(LIMIT_CHAIN_BYTES);
    struct buffer text = buffer_init(LIMIT_CHAIN_BYTES + 1);
    assert_int_equal(cert_to_pem(cert, &pem), 0);
    assert_int_equal(read_pem(&text), ERROR_SYNTAX); /* empty */
    buffer_append_text(&text, "no certificate here\n");
    assert_int_equal(read_pem(&text), ERROR_SYNTAX);
    buffer_append(&text, pem.data, pem.size);
    buffer_append_u8(&text, '\0');
    assert_int_equal(read_pem(&text), ERROR_SYNTAX);
    /* A foreign block, before and behind. */
    struct buffer key = buffer_init_secret(4096);
    assert_int_equal(key_to_pem(leaf_key, &key), 0);
    buffer_reset(&text);
    buffer_append(&text, pem.data, pem.size);
    buffer_append(&text, key.data, key.size);
    assert_int_equal(read_pem(&text), ERROR_SYNTAX);
    buffer_reset(&text);
    buffer_append(&text, key.data, key.size);
    buffer_append(&text, pem.data, pem.size);
    assert_int_equal(read_pem(&text), ERROR_SYNTAX);
    buffer_free(&key);
    /* A damaged begin line must not shorten the chain. */
    buffer_reset(&text);
    buffer_append(&text, pem.data, pem.size);
    char *second = strstr((char *)text.data + 10, "-----BEGIN");
    assert_non_null(second);
    second[strlen("-----BEGIN CERTIFICATE-----") - 1] = '_';
    assert_int_equal(read_pem(&text), ERROR_SYNTAX);
    /* Cut in the second block. */
    buffer_reset(&text);
    buffer_append(&text, pem.data, pem.size - 40);
    assert_int_equal(read_pem(&text), ERROR_SYNTAX);
    /* Too many, too large. */
    buffer_reset(&text);
    for (int i = 0; i < LIMIT_CHAIN_COUNT + 1; i++) {
        buffer_append(&text, pem.data, pem.size);
    }
    assert_int_equal(read_pem(&text), ERROR_LIMIT);
    buffer_reset(&text);
    buffer_append(&text, pem.data, pem.size);
    while (text.size <= LIMIT_CHAIN_BYTES) {
        buffer_append_u8(&text, '\n');
    }
    assert_int_equal(read_pem(&text), ERROR_LIMIT);
    buffer_free(&text);
    buffer_free(&pem);
    cert_free(cert);
}

static void links_must_be_signed(void **state)
{
    (void)state;
    struct cert *cert = NULL;
    X509 *leaf = cook(&good, leaf_key, "leaf", "ca", ca_key);
    X509 *impostor = cook(&ca, other_key, "ca", "ca", other_key);
    X509 *renamed = cook(&ca, ca_key, "cb", "cb", ca_key);
    X509 *swapped[2] = {impostor, leaf};
    assert_int_equal(cert_from_x509s((X509 *[]){leaf, impostor}, 2, &cert),
                     ERROR_SIGNATURE);
    assert_int_equal(cert_from_x509s((X509 *[]){leaf, renamed}, 2, &cert),
                     ERROR_SIGNATURE);
    assert_int_equal(cert_from_x509s(swapped, 2, &cert), ERROR_SIGNATURE);
    assert_int_equal(cert_from_x509s(swapped, 0, &cert), ERROR_SYNTAX);
    assert_null(cert);
    assert_int_equal(ERR_peek_error(), 0);
    X509_free(leaf);
    X509_free(impostor);
    X509_free(renamed);
}

static void wrong_der_is_refused(void **state)
{
    (void)state;
    struct cert *cert = chain_of(&good);
    struct cert *again = NULL;
    struct buffer der = buffer_init(LIMIT_CHAIN_BYTES);
    buffer_append(&der, cert_leaf_der(cert).data, cert_leaf_der(cert).size);
    buffer_append_u8(&der, 0);
    assert_int_equal(cert_from_der(der.data, der.size, &again), ERROR_SYNTAX);
    for (size_t size = 0; size < der.size - 1; size += 13) {
        assert_int_equal(cert_from_der(der.data, size, &again), ERROR_SYNTAX);
    }
    assert_null(again);
    buffer_free(&der);
    cert_free(cert);
}

static int check(const struct recipe *recipe, const struct key *key, size_t name_count,
                 const char *words)
{
    char reason[LIMIT_DETAIL_BYTES] = "";
    struct cert *cert = chain_of(recipe);
    int error = cert_check_issued(cert, key, names, name_count, NOW_AT, 60, reason,
                                  sizeof(reason));
    if (error != 0 && strstr(reason, words) == NULL) {
        fail_msg("'%s' is not in '%s'", words, reason);
    }
    assert_int_equal(ERR_peek_error(), 0);
    cert_free(cert);
    return error;
}

static void issued_chains_are_held_to_the_request(void **state)
{
    (void)state;
    struct recipe recipe = good;
    assert_int_equal(check(&recipe, leaf_key, 2, ""), 0);
    assert_int_equal(check(&recipe, other_key, 2, "another key"), ERROR_RANGE);
    assert_int_equal(check(&recipe, leaf_key, 1, "holds the name 'a.example', too"),
                     ERROR_RANGE);
    recipe.sans = "DNS:*.a.example";
    assert_int_equal(check(&recipe, leaf_key, 2, "lacks the name 'a.example'"),
                     ERROR_RANGE);
    recipe.sans = "DNS:*.a.example,DNS:a.example,IP:10.0.0.1";
    assert_int_equal(check(&recipe, leaf_key, 2, "no DNS names"), ERROR_RANGE);
    recipe.sans = NULL;
    assert_int_equal(check(&recipe, leaf_key, 2, "lacks the name"), ERROR_RANGE);
    recipe = good;
    recipe.constraints = "critical,CA:TRUE";
    assert_int_equal(check(&recipe, leaf_key, 2, "one of a CA"), ERROR_RANGE);
    recipe = good;
    recipe.usage = "clientAuth";
    assert_int_equal(check(&recipe, leaf_key, 2, "not for TLS servers"), ERROR_RANGE);
    recipe.usage = NULL;
    assert_int_equal(check(&recipe, leaf_key, 2, ""), 0);
    recipe = good;
    recipe.from_at = NOW_AT + 60;
    assert_int_equal(check(&recipe, leaf_key, 2, ""), 0); /* within the skew */
    recipe.from_at = NOW_AT + 61;
    assert_int_equal(check(&recipe, leaf_key, 2, "not valid yet"), ERROR_RANGE);
    recipe = good;
    recipe.until_at = NOW_AT + 1;
    assert_int_equal(check(&recipe, leaf_key, 2, ""), 0);
    recipe.until_at = NOW_AT;
    assert_int_equal(check(&recipe, leaf_key, 2, "expired"), ERROR_RANGE);
    recipe = good;
    recipe.sans = "DNS:A.example,DNS:*.a.EXAMPLE"; /* names have no case */
    assert_int_equal(check(&recipe, leaf_key, 2, ""), 0);
}

static void odd_leaves_are_refused(void **state)
{
    (void)state;
    struct recipe recipe = good;
    struct cert *cert = NULL;
    recipe.serial = -5;
    X509 *x509 = cook(&recipe, leaf_key, "leaf", "ca", ca_key);
    assert_int_equal(cert_from_x509s(&x509, 1, &cert), ERROR_SYNTAX);
    X509_free(x509);
    /* A NUL in a name: "a.example\0.evil.example". */
    x509 = cook(&ca, leaf_key, "leaf", "ca", ca_key);
    GENERAL_NAMES *sans = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();
    ASN1_STRING_set(value, "a.example\0.evil.example", 23);
    GENERAL_NAME_set0_value(name, GEN_DNS, value);
    sk_GENERAL_NAME_push(sans, name);
    assert_int_equal(X509_add1_ext_i2d(x509, NID_subject_alt_name, sans, 0, 0), 1);
    GENERAL_NAMES_free(sans);
    assert_true(X509_sign(x509, key_evp(ca_key), EVP_sha256()) > 0);
    assert_int_equal(cert_from_x509s(&x509, 1, &cert), ERROR_SYNTAX);
    X509_free(x509);
    assert_null(cert);
    /* Two SAN extensions: which one would another parser read? */
    recipe = good;
    x509 = cook(&recipe, leaf_key, "leaf", "ca", ca_key);
    add_conf(x509, NID_subject_alt_name, "DNS:evil.example");
    assert_true(X509_sign(x509, key_evp(ca_key), EVP_sha256()) > 0);
    assert_int_equal(cert_from_x509s(&x509, 1, &cert), ERROR_SYNTAX);
    X509_free(x509);
    assert_null(cert);
}

static void the_serial_keeps_its_zero_in_the_id(void **state)
{
    (void)state;
    struct key *key = NULL;
    struct cert *identity = NULL;
    struct cert *leaf = NULL;
    char id[CERT_ID_MAX];
    char serial[CERT_SERIAL_MAX];
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    assert_int_equal(cert_make_identity(ca_key, "id", NULL, 0, &identity), 0);
    assert_int_equal(cert_make_leaf(identity, ca_key, key, names, 2, addresses, 2, NOW_AT,
                                    NOW_AT + 10, &leaf),
                     0);
    assert_int_equal(cert_id(leaf, id), 0);
    cert_serial(leaf, serial);
    /* The part behind the dot is the serial's octets; ours never need the zero. */
    uint8_t octets[32];
    size_t size = 0;
    const char *dot = strchr(id, '.');
    assert_non_null(dot);
    assert_int_equal(
        text_base64url_decode(dot + 1, strlen(dot + 1), octets, sizeof(octets), &size),
        0);
    char text[65];
    text_hex(octets, size, text);
    assert_string_equal(text, serial);
    key_free(key);
    cert_free(identity);
    cert_free(leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc9773_appendix_a),
        cmocka_unit_test(facts_about_the_leaf),
        cmocka_unit_test(pem_round_trips),
        cmocka_unit_test(wrong_pems_are_refused),
        cmocka_unit_test(links_must_be_signed),
        cmocka_unit_test(wrong_der_is_refused),
        cmocka_unit_test(issued_chains_are_held_to_the_request),
        cmocka_unit_test(odd_leaves_are_refused),
        cmocka_unit_test(the_serial_keeps_its_zero_in_the_id),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
