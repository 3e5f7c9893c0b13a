/* Every allocation of base/crypto, and of OpenSSL and jansson below it, fails once on a
 * path that would succeed: the result is an error and nothing else, or the right result.
 */
#include "base/core/json.h"
#include "base/core/limits.h"
#include "base/crypto/cert.h"
#include "base/crypto/digest.h"

#include "tests/fault/allocation.h"
#include "tests/unit/vector.h"

enum { NOW_AT = 1795242600 };

static const char *const names[] = {"*.a.example", "a.example"};
static const char *const addresses[] = {"192.168.1.5"};
static struct key *identity;
static struct key *leaf_key;
static struct cert *identity_cert;
static struct buffer key_pem;
static struct buffer chain_pem;
static struct buffer csr_der;
static struct buffer jwk_text;

static int prepare(void **state)
{
    (void)state;
    struct cert *leaf = NULL;
    key_pem = buffer_init_secret(LIMIT_FILE_BYTES);
    chain_pem = buffer_init(LIMIT_CHAIN_BYTES);
    csr_der = buffer_init(LIMIT_CSR_BYTES);
    jwk_text = vector_file("jws", "rfc7515-a3-es256", "private.json");
    int error = key_generate(KEY_P256, &identity) | key_generate(KEY_P256, &leaf_key) |
                cert_make_identity(identity, "abc", names, 2, &identity_cert) |
                cert_make_leaf(identity_cert, identity, leaf_key, names, 2, NULL, 0,
                               NOW_AT, NOW_AT + 60, &leaf) |
                key_to_pem(leaf_key, &key_pem) | cert_to_pem(leaf, &chain_pem) |
                csr_make(leaf_key, names, 2, &csr_der);
    cert_free(leaf);
    return error;
}

static int clean_up(void **state)
{
    (void)state;
    key_free(identity);
    key_free(leaf_key);
    cert_free(identity_cert);
    buffer_free(&key_pem);
    buffer_free(&chain_pem);
    buffer_free(&csr_der);
    buffer_free(&jwk_text);
    return 0;
}

static int use_digest(void)
{
    uint8_t hash[DIGEST_MAX_SIZE];
    size_t size = 0;
    int error = digest_sha256("abc", 3, hash);
    if (error == 0) {
        assert_int_equal(hash[0], 0xba);
        error = digest_hmac(DIGEST_SHA256, "Jefe", 4, "what do ya want for nothing?", 28,
                            hash, &size);
    }
    if (error == 0) {
        assert_int_equal(size, 32);
        assert_int_equal(hash[0], 0x5b);
    }
    return error;
}

static int sign_and_verify(void)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    int error = key_sign(leaf_key, "x", 1, signature, &size);
    if (error == 0) {
        assert_int_equal(size, 64);
        error = key_verify(leaf_key, "x", 1, signature, size);
    }
    return error;
}

/* A short allocation must never make a wrong signature a right one. */
static int verify_wrong(void)
{
    static const uint8_t signature[64] = {[31] = 1, [63] = 1};
    int error = key_verify(leaf_key, "x", 1, signature, sizeof(signature));
    assert_true(error < 0);
    return error == ERROR_SIGNATURE ? 0 : error;
}

static int read_pem(void)
{
    struct key *key = NULL;
    int error = key_from_pem(key_pem.data, key_pem.size, &key);
    assert_true((error == 0) == (key != NULL));
    if (key != NULL) {
        assert_true(key_equal(key, leaf_key));
        assert_true(key_is_private(key));
    }
    key_free(key);
    return error;
}

static int write_pem(void)
{
    struct buffer pem = buffer_init_secret(LIMIT_FILE_BYTES);
    int error = key_to_pem(leaf_key, &pem);
    if (error == 0) {
        assert_string_equal(buffer_text(&pem), buffer_text(&key_pem));
    }
    buffer_free(&pem);
    return error;
}

static int use_jwk(void)
{
    json_t *jwk = NULL;
    struct key *key = NULL;
    char thumbprint[KEY_PIN_SIZE + 1];
    char id[KEY_ID_SIZE + 1];
    int error = key_to_jwk(leaf_key, &jwk);
    if (error == 0) {
        error = key_from_jwk(jwk, &key);
    }
    if (error == 0) {
        assert_true(key_equal(key, leaf_key));
        error = key_thumbprint(key, thumbprint);
    }
    if (error == 0) {
        error = key_id(key, id);
    }
    json_decref(jwk);
    key_free(key);
    return error;
}

static int read_private_jwk(void)
{
    json_t *jwk = NULL;
    struct key *key = NULL;
    int error = json_parse(jwk_text.data, jwk_text.size, LIMIT_JWS_BYTES, &jwk);
    if (error == 0) {
        error = key_from_private_jwk(jwk, &key);
    }
    assert_true((error == 0) == (key != NULL));
    json_decref(jwk);
    key_free(key);
    return error;
}

static int make_csr(void)
{
    struct buffer der = buffer_init(LIMIT_CSR_BYTES);
    struct csr csr = {0};
    char reason[LIMIT_DETAIL_BYTES];
    int error = csr_make(leaf_key, names, 2, &der);
    if (error == 0) {
        error = csr_parse(der.data, der.size, &csr, reason, sizeof(reason));
        assert_true(error == 0 || reason[0] != '\0');
    }
    if (error == 0) {
        assert_int_equal(csr.name_count, 2);
    }
    csr_free(&csr);
    buffer_free(&der);
    return error;
}

static int make_identity(void)
{
    struct cert *cert = NULL;
    int error = cert_make_identity(identity, "abc", names, 2, &cert);
    assert_true((error == 0) == (cert != NULL));
    cert_free(cert);
    return error;
}

static int make_leaf(void)
{
    struct cert *cert = NULL;
    int error = cert_make_leaf(identity_cert, identity, leaf_key, names, 2, addresses, 1,
                               NOW_AT, NOW_AT + 60, &cert);
    assert_true((error == 0) == (cert != NULL));
    if (cert != NULL) {
        assert_int_equal(cert_name_count(cert), 2);
    }
    cert_free(cert);
    return error;
}

static int use_chain(void)
{
    struct cert *cert = NULL;
    struct buffer pem = buffer_init(LIMIT_CHAIN_BYTES);
    char reason[LIMIT_DETAIL_BYTES] = "";
    char id[CERT_ID_MAX];
    int error = cert_from_pem(chain_pem.data, chain_pem.size, &cert);
    assert_true((error == 0) == (cert != NULL));
    if (error == 0) {
        assert_int_equal(cert_count(cert), 2);
        error = cert_check_issued(cert, leaf_key, names, 2, NOW_AT, 0, reason,
                                  sizeof(reason));
        assert_true(error == 0 || reason[0] != '\0');
    }
    if (error == 0) {
        error = cert_id(cert, id);
    }
    if (error == 0) {
        error = cert_to_pem(cert, &pem);
    }
    if (error == 0) {
        assert_string_equal(buffer_text(&pem), buffer_text(&chain_pem));
    }
    cert_free(cert);
    buffer_free(&pem);
    return error;
}

#define FAULT_TEST(operation)                                                            \
    static void each_##operation(void **state)                                           \
    {                                                                                    \
        (void)state;                                                                     \
        assert_true(allocation_each(operation, false) > 0);                              \
    }

FAULT_TEST(use_digest)
FAULT_TEST(sign_and_verify)
FAULT_TEST(verify_wrong)
FAULT_TEST(read_pem)
FAULT_TEST(write_pem)
FAULT_TEST(use_jwk)
FAULT_TEST(read_private_jwk)
FAULT_TEST(make_csr)
FAULT_TEST(make_identity)
FAULT_TEST(make_leaf)
FAULT_TEST(use_chain)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_use_digest),       cmocka_unit_test(each_sign_and_verify),
        cmocka_unit_test(each_verify_wrong),     cmocka_unit_test(each_read_pem),
        cmocka_unit_test(each_write_pem),        cmocka_unit_test(each_use_jwk),
        cmocka_unit_test(each_read_private_jwk), cmocka_unit_test(each_make_csr),
        cmocka_unit_test(each_make_identity),    cmocka_unit_test(each_make_leaf),
        cmocka_unit_test(each_use_chain),
    };
    allocation_hook();
    return cmocka_run_group_tests(tests, prepare, clean_up);
}
