#include "device/key_file.h"

#include "base/core/file.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/device/folder.h"

/* RFC 7515 A.3.1's key, as certbot would keep it. */
#define JWK                                                                              \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"                                           \
    "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                   \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","                             \
    "\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}"

static void test_pem_and_jwk_are_one_key(void **state)
{
    (void)state;
    struct key *from_jwk = NULL;
    struct key *from_pem = NULL;
    struct buffer pem = buffer_init_secret(4096);
    folder_write("private_key.json", "\n  " JWK "\n");
    assert_int_equal(key_file_read(folder_path("private_key.json"), &from_jwk), 0);
    assert_true(key_is_private(from_jwk));
    assert_int_equal(key_to_pem(from_jwk, &pem), 0);
    folder_write("key.pem", buffer_text(&pem));
    assert_int_equal(key_file_read(folder_path("key.pem"), &from_pem), 0);
    assert_true(key_equal(from_jwk, from_pem));
    key_free(from_jwk);
    key_free(from_pem);
    buffer_free(&pem);
}

static void test_what_is_no_key(void **state)
{
    (void)state;
    static const char *const contents[] = {
        "",      " \n",
        "{",     "{}",
        "[]",    "{\"kty\":\"oct\",\"k\":\"AA\"}",
        "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    };
    struct key *key = NULL;
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        folder_write("bad", contents[i]);
        assert_true(key_file_read(folder_path("bad"), &key) < 0);
        assert_null(key);
    }
    assert_int_equal(key_file_read(folder_path("none"), &key), ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pem_and_jwk_are_one_key),
        cmocka_unit_test(test_what_is_no_key),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
