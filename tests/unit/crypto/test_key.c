#include "base/core/json.h"
#include "base/crypto/key.h"
#include "base/crypto/key_parts.h"

#include "tests/unit/vector.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static struct key *key_of_spki(const char *suite, const char *name)
{
    uint8_t der[KEY_SPKI_MAX];
    struct key *key = NULL;
    size_t size = vector_hex(suite, name, "spki.hex", der, sizeof(der));
    assert_int_equal(key_from_spki(der, size, &key), 0);
    return key;
}

static void check_text(const char *suite, const char *name, const char *file,
                       const char *text)
{
    struct buffer expected = vector_file(suite, name, file);
    assert_string_equal(text, buffer_text(&expected));
    buffer_free(&expected);
}

static enum key_kind kind_of(const char *suite, const char *name)
{
    static const char *const kinds[] = {[KEY_P256] = "p256",
                                        [KEY_P384] = "p384",
                                        [KEY_RSA] = "rsa",
                                        [KEY_ED25519] = "ed25519"};
    struct buffer text = vector_file(suite, name, "kind");
    for (int kind = 0; kind < 4; kind++) {
        if (strcmp(kinds[kind], buffer_text(&text)) == 0) {
            buffer_free(&text);
            return (enum key_kind)kind;
        }
    }
    fail();
    return KEY_P256;
}

static void check_good(const char *suite, const char *name)
{
    uint8_t der[KEY_SPKI_MAX];
    char id[KEY_ID_SIZE + 1];
    char thumbprint[KEY_PIN_SIZE + 1];
    size_t size = vector_hex(suite, name, "spki.hex", der, sizeof(der));
    struct key *key = key_of_spki(suite, name);
    assert_int_equal(key_kind(key), kind_of(suite, name));
    assert_false(key_is_private(key));
    assert_int_equal(key_spki(key).size, size);
    assert_memory_equal(key_spki(key).data, der, size);
    assert_int_equal(key_id(key, id), 0);
    check_text(suite, name, "id", id);
    assert_int_equal(key_thumbprint(key, thumbprint), 0);
    check_text(suite, name, "thumbprint", thumbprint);
    assert_int_equal(ERR_peek_error(), 0);
    key_free(key);
}

static void good_keys(void **state)
{
    (void)state;
    vector_each("key", 6, check_good);
}

static void check_bad(const char *suite, const char *name)
{
    uint8_t der[KEY_SPKI_MAX];
    struct key *key = NULL;
    if (!vector_has(suite, name, "spki.hex")) {
        return;
    }
    struct buffer expect = vector_file(suite, name, "expect");
    size_t size = vector_hex(suite, name, "spki.hex", der, sizeof(der));
    assert_int_equal(key_from_spki(der, size, &key), vector_error(buffer_text(&expect)));
    assert_null(key);
    assert_int_equal(ERR_peek_error(), 0);
    buffer_free(&expect);
}

static void bad_keys(void **state)
{
    (void)state;
    vector_each("bad-key", 30, check_bad);
}

/* A case: the key, an input and a signature made elsewhere. */
static void check_signature(const char *suite, const char *name)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    json_t *jwk = NULL;
    struct key *key = NULL;
    struct buffer input = vector_file(suite, name, "input");
    struct buffer text = vector_file(suite, name, "signature");
    struct buffer jwk_text = vector_file(suite, name, "jwk.json");
    assert_int_equal(json_parse(jwk_text.data, jwk_text.size, 10000, &jwk), 0);
    assert_int_equal(key_from_jwk(jwk, &key), 0);
    assert_int_equal(text_base64url_decode(buffer_text(&text), text.size, signature,
                                           sizeof(signature), &size),
                     0);
    assert_int_equal(key_verify(key, input.data, input.size, signature, size), 0);
    for (size_t i = 0; i < size; i += 7) {
        signature[i] ^= 0x10;
        assert_int_equal(key_verify(key, input.data, input.size, signature, size),
                         ERROR_SIGNATURE);
        signature[i] ^= 0x10;
    }
    assert_int_equal(key_verify(key, input.data, input.size - 1, signature, size),
                     ERROR_SIGNATURE);
    assert_int_equal(key_verify(key, input.data, input.size, signature, size - 1),
                     ERROR_SIGNATURE);
    assert_int_equal(key_verify(key, input.data, input.size, signature, 0),
                     ERROR_SIGNATURE);
    assert_int_equal(key_sign(key, "x", 1, signature, &size), ERROR_STATE);
    assert_int_equal(ERR_peek_error(), 0);
    key_free(key);
    json_decref(jwk);
    buffer_free(&input);
    buffer_free(&text);
    buffer_free(&jwk_text);
}

static void signatures_from_elsewhere_verify(void **state)
{
    (void)state;
    vector_each("jws", 5, check_signature);
}

/* Reads the private half, checks that it is the same key, signs and verifies. */
static void check_private_pem(const char *suite, const char *name)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    struct key *key = NULL;
    if (!vector_has(suite, name, "private.pem")) {
        return;
    }
    struct buffer pem = vector_file(suite, name, "private.pem");
    struct buffer input = vector_file(suite, name, "input");
    struct buffer expected = vector_file(suite, name, "signature");
    assert_int_equal(key_from_pem(pem.data, pem.size, &key), 0);
    assert_true(key_is_private(key));
    assert_int_equal(key_sign(key, input.data, input.size, signature, &size), 0);
    assert_int_equal(key_verify(key, input.data, input.size, signature, size), 0);
    assert_int_equal(TEXT_BASE64URL_SIZE(size), expected.size);
    if (key_kind(key) == KEY_RSA || key_kind(key) == KEY_ED25519) {
        char text[TEXT_BASE64URL_SIZE(KEY_SIGNATURE_MAX) + 1];
        text_base64url(signature, size, text); /* these are deterministic */
        assert_string_equal(text, buffer_text(&expected));
    }
    assert_int_equal(ERR_peek_error(), 0);
    key_free(key);
    buffer_free(&pem);
    buffer_free(&input);
    buffer_free(&expected);
}

static void private_pems_sign(void **state)
{
    (void)state;
    vector_each("jws", 5, check_private_pem);
}

static void wrong_raw_signatures_are_refused(void **state)
{
    (void)state;
    struct key *key = NULL;
    uint8_t zero[64] = {0};
    uint8_t one[64] = {0};
    uint8_t all[64];
    memset(all, 0xff, sizeof(all));
    one[31] = 1;
    one[63] = 1;
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    assert_int_equal(key_verify(key, "x", 1, zero, sizeof(zero)), ERROR_SIGNATURE);
    assert_int_equal(key_verify(key, "x", 1, one, sizeof(one)), ERROR_SIGNATURE);
    assert_int_equal(key_verify(key, "x", 1, all, sizeof(all)), ERROR_SIGNATURE);
    assert_int_equal(ERR_peek_error(), 0);
    key_free(key);
}

static void padding_holds_over_many_signatures(void **state)
{
    (void)state;
    struct key *key = NULL;
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    /* One in 128 has a short r or s. */
    for (int i = 0; i < 1500; i++) {
        uint8_t signature[KEY_SIGNATURE_MAX];
        size_t size = 0;
        assert_int_equal(key_sign(key, &i, sizeof(i), signature, &size), 0);
        assert_int_equal(size, 64);
        assert_int_equal(key_verify(key, &i, sizeof(i), signature, size), 0);
    }
    key_free(key);
}

static void generated_keys_round_trip(void **state)
{
    (void)state;
    static const enum key_kind kinds[] = {KEY_P256, KEY_RSA};
    for (size_t i = 0; i < 2; i++) {
        struct key *key = NULL;
        struct key *copy = NULL;
        struct key *public_half = NULL;
        struct buffer pem = buffer_init_secret(10000);
        assert_int_equal(key_generate(kinds[i], &key), 0);
        assert_int_equal(key_kind(key), kinds[i]);
        assert_int_equal(key_bits(key), kinds[i] == KEY_RSA ? 2048 : 256);
        assert_true(key_is_private(key));
        assert_int_equal(key_to_pem(key, &pem), 0);
        assert_true(text_starts_with(buffer_text(&pem), "-----BEGIN PRIVATE KEY-----\n"));
        assert_int_equal(key_from_pem(pem.data, pem.size, &copy), 0);
        assert_true(key_equal(key, copy));
        struct bytes spki = key_spki(key);
        assert_int_equal(key_from_spki(spki.data, spki.size, &public_half), 0);
        assert_true(key_equal(key, public_half));
        assert_false(key_is_private(public_half));
        buffer_reset(&pem);
        assert_int_equal(key_to_pem(public_half, &pem), ERROR_STATE);
        assert_int_equal(pem.size, 0);
        key_free(key);
        key_free(copy);
        key_free(public_half);
        buffer_free(&pem);
    }
    struct key *key = NULL;
    assert_int_equal(key_generate(KEY_P384, &key), ERROR_UNSUPPORTED);
    assert_int_equal(key_generate(KEY_ED25519, &key), ERROR_UNSUPPORTED);
    assert_null(key);
}

static void wrong_pems_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "x", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n"};
    struct key *key = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(key_from_pem(bad[i], strlen(bad[i]), &key), ERROR_SYNTAX);
        assert_int_equal(ERR_peek_error(), 0);
    }
    assert_null(key);
}

/* PEM of any EVP_PKEY, perhaps encrypted; takes PKEY. */
static void expect_pem(EVP_PKEY *pkey, const EVP_CIPHER *cipher, int expected)
{
    struct key *key = NULL;
    char *text = NULL;
    unsigned char passphrase[] = "pass";
    BIO *bio = BIO_new(BIO_s_mem());
    assert_non_null(pkey);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, cipher,
                                              cipher != NULL ? passphrase : NULL,
                                              cipher != NULL ? 4 : 0, NULL, NULL),
                     1);
    long size = BIO_get_mem_data(bio, &text);
    assert_int_equal(key_from_pem(text, (size_t)size, &key), expected);
    assert_int_equal(ERR_peek_error(), 0);
    key_free(key);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

static void foreign_and_weak_kinds_are_refused(void **state)
{
    (void)state;
    expect_pem(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024), NULL, ERROR_RANGE);
    expect_pem(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521"), NULL, ERROR_RANGE);
    expect_pem(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1"), NULL, ERROR_RANGE);
    expect_pem(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), NULL, ERROR_RANGE);
    expect_pem(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), NULL, ERROR_RANGE);
    expect_pem(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384"), NULL, 0);
    expect_pem(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, 0);
    /* A passphrase is never asked for. */
    expect_pem(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), EVP_aes_128_cbc(),
               ERROR_SYNTAX);
}

static void parameters_before_the_key_are_fine(void **state)
{
    (void)state;
    /* As `openssl ecparam -genkey` writes it. */
    struct buffer sec1 = vector_file("jws", "es256-padded", "private.pem");
    struct buffer pem = buffer_init(4096);
    struct key *key = NULL;
    buffer_append_text(&pem, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                             "-----END EC PARAMETERS-----\n");
    buffer_append(&pem, sec1.data, sec1.size);
    assert_int_equal(key_from_pem(pem.data, pem.size, &key), 0);
    assert_int_equal(key_kind(key), KEY_P256);
    key_free(key);
    buffer_free(&sec1);
    buffer_free(&pem);
}

static void a_public_pem_is_a_public_key(void **state)
{
    (void)state;
    struct key *key = NULL;
    struct key *copy = NULL;
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    assert_int_equal(PEM_write_bio_PUBKEY(bio, key_evp(key)), 1);
    long size = BIO_get_mem_data(bio, &text);
    assert_int_equal(key_from_pem(text, (size_t)size, &copy), 0);
    assert_false(key_is_private(copy));
    assert_true(key_equal(key, copy));
    BIO_free(bio);
    key_free(key);
    key_free(copy);
}

static void references_are_counted(void **state)
{
    (void)state;
    struct key *key = NULL;
    uint8_t hash[32];
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    struct key *same = key_ref(key);
    assert_ptr_equal(same, key);
    key_free(key);
    assert_int_equal(key_spki_sha256(same, hash), 0);
    key_free(same);
    key_free(NULL);
}

/* A signer elsewhere: it may speak DER, be silent, or lie. */
struct elsewhere {
    struct key *key;
    bool is_der, is_lying;
    int error;
    unsigned calls;
};

static int sign_elsewhere(void *arg, const void *data, size_t size, uint8_t *ret_signature,
                          size_t *ret_size)
{
    struct elsewhere *elsewhere = arg;
    struct buffer der = buffer_init(KEY_SIGNATURE_MAX);
    uint8_t raw[KEY_SIGNATURE_MAX];
    size_t raw_size = 0;
    elsewhere->calls++;
    if (elsewhere->error != 0) {
        return elsewhere->error;
    }
    assert_int_equal(key_sign(elsewhere->key, data, size, raw, &raw_size), 0);
    raw[0] ^= elsewhere->is_lying ? 1 : 0;
    memcpy(ret_signature, raw, raw_size);
    *ret_size = raw_size;
    if (elsewhere->is_der) {
        assert_int_equal(key_signature_der(elsewhere->key, raw, raw_size, &der), 0);
        memcpy(ret_signature, der.data, der.size);
        *ret_size = der.size;
    }
    buffer_free(&der);
    return 0;
}

static void check_elsewhere(struct elsewhere *elsewhere)
{
    struct bytes spki = key_spki(elsewhere->key);
    struct buffer pem = buffer_init_secret(4096);
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    struct key *key = NULL;
    assert_int_equal(
        key_new_external(spki.data, spki.size, sign_elsewhere, elsewhere, &key), 0);
    assert_int_equal(elsewhere->calls, 1);
    assert_true(key_is_private(key));
    assert_true(key_equal(key, elsewhere->key));
    assert_int_equal(key_to_pem(key, &pem), ERROR_STATE);
    assert_int_equal(key_sign(key, "x", 1, signature, &size), 0);
    assert_int_equal(key_verify(elsewhere->key, "x", 1, signature, size), 0);
    elsewhere->is_lying = true;
    assert_int_equal(key_sign(key, "x", 1, signature, &size), ERROR_CRYPTO);
    elsewhere->is_lying = false;
    elsewhere->error = ERROR_DENIED;
    assert_int_equal(key_sign(key, "x", 1, signature, &size), ERROR_DENIED);
    key_free(key);
    buffer_free(&pem);
}

static void a_key_kept_elsewhere_signs(void **state)
{
    (void)state;
    static const enum key_kind kinds[] = {KEY_P256, KEY_RSA};
    for (size_t i = 0; i < 2; i++) {
        for (int is_der = 0; is_der < 2; is_der++) {
            struct elsewhere elsewhere = {.is_der = is_der == 1};
            assert_int_equal(key_generate(kinds[i], &elsewhere.key), 0);
            check_elsewhere(&elsewhere);
            key_free(elsewhere.key);
        }
    }
    struct elsewhere liar = {.is_lying = true};
    struct key *key = NULL;
    assert_int_equal(key_generate(KEY_P256, &liar.key), 0);
    struct bytes spki = key_spki(liar.key);
    assert_int_equal(key_new_external(spki.data, spki.size, sign_elsewhere, &liar, &key),
                     ERROR_CRYPTO);
    assert_null(key);
    key_free(liar.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_keys),
        cmocka_unit_test(bad_keys),
        cmocka_unit_test(signatures_from_elsewhere_verify),
        cmocka_unit_test(private_pems_sign),
        cmocka_unit_test(wrong_raw_signatures_are_refused),
        cmocka_unit_test(padding_holds_over_many_signatures),
        cmocka_unit_test(generated_keys_round_trip),
        cmocka_unit_test(wrong_pems_are_refused),
        cmocka_unit_test(foreign_and_weak_kinds_are_refused),
        cmocka_unit_test(parameters_before_the_key_are_fine),
        cmocka_unit_test(a_public_pem_is_a_public_key),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(a_key_kept_elsewhere_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
