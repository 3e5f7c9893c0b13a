#include "base/crypto/digest.h"

#include "tests/unit/vector.h"

static void sha256_of_abc(void **state)
{
    (void)state;
    uint8_t hash[DIGEST_SHA256_SIZE];
    char text[TEXT_HEX_SIZE(sizeof(hash)) + 1];
    assert_int_equal(digest_sha256("abc", 3, hash), 0); /* FIPS 180-2 B.1 */
    text_hex(hash, sizeof(hash), text);
    assert_string_equal(
        text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(digest_sha256(NULL, 0, hash), 0);
    text_hex(hash, sizeof(hash), text);
    assert_string_equal(
        text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmac_of_rfc4231(void **state)
{
    (void)state;
    /* RFC 4231 4.3: key "Jefe". */
    static const struct {
        enum digest_hash hash;
        const char *expected;
    } cases[] = {
        {DIGEST_SHA256,
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {DIGEST_SHA384, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
                        "8e2240ca5e69e2c78b3239ecfab21649"},
        {DIGEST_SHA512,
         "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
         "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    };
    static const char data[] = "what do ya want for nothing?";
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t mac[DIGEST_MAX_SIZE];
        char text[TEXT_HEX_SIZE(sizeof(mac)) + 1];
        size_t size = 0;
        assert_int_equal(
            digest_hmac(cases[i].hash, "Jefe", 4, data, strlen(data), mac, &size), 0);
        text_hex(mac, size, text);
        assert_string_equal(text, cases[i].expected);
    }
}

static void an_empty_key_is_not_the_last_key(void **state)
{
    (void)state;
    uint8_t mac[DIGEST_MAX_SIZE];
    uint8_t empty[DIGEST_MAX_SIZE];
    size_t size = 0;
    assert_int_equal(digest_hmac(DIGEST_SHA256, "k", 1, "d", 1, mac, &size), 0);
    assert_int_equal(digest_hmac(DIGEST_SHA256, NULL, 0, "", 0, empty, &size), 0);
    char text[TEXT_HEX_SIZE(32) + 1];
    text_hex(empty, size, text);
    assert_string_equal(
        text, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void equality_and_wiping(void **state)
{
    (void)state;
    char a[] = "secret";
    assert_true(digest_equal(a, "secret", 6));
    assert_false(digest_equal(a, "secreT", 6));
    assert_true(digest_equal(a, "x", 0));
    digest_wipe(a, sizeof(a));
    assert_memory_equal(a, "\0\0\0\0\0\0", 7);
    digest_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_abc),
        cmocka_unit_test(hmac_of_rfc4231),
        cmocka_unit_test(an_empty_key_is_not_the_last_key),
        cmocka_unit_test(equality_and_wiping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
