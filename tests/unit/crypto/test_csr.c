#include "base/core/limits.h"
#include "base/crypto/csr.h"

#include "tests/unit/vector.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* "ok NAME..." */
static void check_names(const struct csr *csr, const char *names)
{
    struct buffer joined = buffer_init(1000);
    for (size_t i = 0; i < csr->name_count; i++) {
        buffer_printf(&joined, "%s%s", i > 0 ? " " : "", csr->names[i]);
    }
    assert_string_equal(buffer_text(&joined), names);
    buffer_free(&joined);
}

/* A case: `csr.der`, and `expect`: "ok NAME..." or "ERROR some words of the reason". */
static void check_case(const char *suite, const char *name)
{
    struct buffer der = vector_file(suite, name, "csr.der");
    struct buffer expect = vector_file(suite, name, "expect");
    struct csr csr;
    char reason[LIMIT_DETAIL_BYTES];
    /* An exact copy, so that a read past the end is seen. */
    uint8_t *copy = malloc(der.size > 0 ? der.size : 1);
    assert_non_null(copy);
    memcpy(copy, buffer_text(&der), der.size);
    int error = csr_parse(copy, der.size, &csr, reason, sizeof(reason));
    const char *text = buffer_text(&expect);
    if (text_starts_with(text, "ok ")) {
        assert_string_equal(reason, "");
        assert_int_equal(error, 0);
        check_names(&csr, text + 3);
        assert_non_null(csr.key);
        assert_false(key_is_private(csr.key));
    } else {
        char word[32] = "";
        memcpy(word, text, strcspn(text, " "));
        assert_int_equal(error, vector_error(word));
        const char *words = text + strlen(word) + 1;
        if (strstr(reason, words) == NULL) {
            fail_msg("'%s' is not in '%s'", words, reason);
        }
    }
    assert_int_equal(ERR_peek_error(), 0);
    csr_free(&csr);
    free(copy);
    buffer_free(&der);
    buffer_free(&expect);
}

static void vectors(void **state)
{
    (void)state;
    vector_each("csr", 40, check_case);
}

static void made_requests_are_accepted(void **state)
{
    (void)state;
    static const char *const names[] = {"*.b.example", "b.example"};
    static const enum key_kind kinds[] = {KEY_P256, KEY_RSA};
    for (size_t i = 0; i < 2; i++) {
        struct key *key = NULL;
        struct csr csr;
        char reason[LIMIT_DETAIL_BYTES];
        struct buffer der = buffer_init(LIMIT_CSR_BYTES);
        assert_int_equal(key_generate(kinds[i], &key), 0);
        assert_int_equal(csr_make(key, names, 2, &der), 0);
        assert_int_equal(csr_parse(der.data, der.size, &csr, reason, sizeof(reason)), 0);
        check_names(&csr, "*.b.example b.example");
        assert_true(key_equal(csr.key, key));
        csr_free(&csr);
        /* Every single flipped bit is noticed. */
        for (size_t at = 0; at < der.size && kinds[i] == KEY_P256; at++) {
            der.data[at] ^= 1;
            assert_true(csr_parse(der.data, der.size, &csr, reason, sizeof(reason)) < 0);
            assert_true(strlen(reason) > 0);
            csr_free(&csr);
            der.data[at] ^= 1;
        }
        buffer_free(&der);
        key_free(key);
    }
}

static void making_needs_a_private_key_and_names(void **state)
{
    (void)state;
    static const char *const names[] = {"a.example"};
    struct key *key = NULL;
    struct key *public_half = NULL;
    struct buffer der = buffer_init(LIMIT_CSR_BYTES);
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    assert_int_equal(key_from_spki(key_spki(key).data, key_spki(key).size, &public_half),
                     0);
    assert_int_equal(csr_make(public_half, names, 1, &der), ERROR_STATE);
    assert_int_equal(csr_make(key, names, 0, &der), ERROR_RANGE);
    assert_int_equal(der.size, 0);
    struct buffer small = buffer_init(10);
    assert_int_equal(csr_make(key, names, 1, &small), ERROR_LIMIT);
    buffer_free(&small);
    buffer_free(&der);
    key_free(key);
    key_free(public_half);
}

static X509_EXTENSION *san_of(const char *name)
{
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
    assert_non_null(extension);
    return extension;
}

/* A signed request whose attributes another parser might read differently. SHAPE: 0 two
 * SAN extensions, 1 two extensionRequest attributes. */
static void smuggled_names_are_refused(void **state)
{
    (void)state;
    for (int shape = 0; shape < 2; shape++) {
        struct key *key = NULL;
        struct csr csr;
        char reason[LIMIT_DETAIL_BYTES];
        uint8_t *der = NULL;
        X509_REQ *request = X509_REQ_new();
        assert_int_equal(key_generate(KEY_P256, &key), 0);
        assert_int_equal(X509_REQ_set_pubkey(request, key_evp(key)), 1);
        STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
        sk_X509_EXTENSION_push(extensions, san_of("DNS:a.example"));
        if (shape == 0) {
            sk_X509_EXTENSION_push(extensions, san_of("DNS:victim.example"));
            assert_int_equal(X509_REQ_add_extensions(request, extensions), 1);
        } else {
            assert_int_equal(X509_REQ_add_extensions(request, extensions), 1);
            assert_int_equal(
                X509_REQ_add_extensions_nid(request, extensions, NID_ms_ext_req), 1);
        }
        assert_true(X509_REQ_sign(request, key_evp(key), EVP_sha256()) > 0);
        int size = i2d_X509_REQ(request, &der);
        assert_int_equal(csr_parse(der, (size_t)size, &csr, reason, sizeof(reason)),
                         ERROR_SYNTAX);
        csr_free(&csr);
        OPENSSL_free(der);
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
        X509_REQ_free(request);
        key_free(key);
    }
}

static void a_small_reason_is_fine(void **state)
{
    (void)state;
    struct csr csr;
    char reason[1] = "x";
    assert_int_equal(csr_parse("x", 1, &csr, reason, sizeof(reason)), ERROR_SYNTAX);
    assert_string_equal(reason, "");
    csr_free(&csr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(made_requests_are_accepted),
        cmocka_unit_test(making_needs_a_private_key_and_names),
        cmocka_unit_test(smuggled_names_are_refused),
        cmocka_unit_test(a_small_reason_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
