#include "base/crypto/openssl.h"

#include "tests/unit/vector.h"

#include <openssl/err.h>

static void the_queue_is_read_and_cleared(void **state)
{
    (void)state;
    assert_int_equal(openssl_error(ERROR_SYNTAX), ERROR_SYNTAX);
    ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
    assert_int_equal(openssl_error(ERROR_CRYPTO), ERROR_CRYPTO);
    assert_int_equal(ERR_peek_error(), 0);
    ERR_raise(ERR_LIB_USER, ERR_R_MALLOC_FAILURE);
    ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
    assert_int_equal(openssl_error(ERROR_CRYPTO), ERROR_MEMORY);
    assert_int_equal(ERR_peek_error(), 0);
}

static void digests_fit_the_keys(void **state)
{
    (void)state;
    assert_ptr_equal(openssl_digest(KEY_P256), EVP_sha256());
    assert_ptr_equal(openssl_digest(KEY_P384), EVP_sha384());
    assert_ptr_equal(openssl_digest(KEY_RSA), EVP_sha256());
    assert_null(openssl_digest(KEY_ED25519));
}

static void names_keep_their_octets(void **state)
{
    (void)state;
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    assert_int_equal(openssl_add_name(names, GEN_DNS, "a.example", 9), 0);
    assert_int_equal(openssl_add_name(names, GEN_IPADD, "\x0a\x00\x00\x01", 4), 0);
    int type = 0;
    const ASN1_STRING *value =
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 0), &type);
    assert_int_equal(type, GEN_DNS);
    assert_int_equal(ASN1_STRING_length(value), 9);
    assert_memory_equal(ASN1_STRING_get0_data(value), "a.example", 9);
    value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 1), &type);
    assert_int_equal(type, GEN_IPADD);
    assert_int_equal(ASN1_STRING_length(value), 4);
    GENERAL_NAMES_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_is_read_and_cleared),
        cmocka_unit_test(digests_fit_the_keys),
        cmocka_unit_test(names_keep_their_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
