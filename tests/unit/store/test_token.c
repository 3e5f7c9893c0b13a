#include "relay/store/token.h"

#include "base/core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/latchkey-token-XXXXXX";
static char path[sizeof(folder) + 16];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/secret", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void test_secret_is_made_once(void **state)
{
    uint8_t first[TOKEN_SECRET_SIZE];
    uint8_t second[TOKEN_SECRET_SIZE];
    struct stat info;
    (void)state;
    assert_int_equal(token_secret_read(path, false, first), ERROR_NOT_FOUND);
    assert_int_equal(token_secret_read(path, true, first), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(token_secret_read(path, true, second), 0);
    assert_memory_equal(first, second, sizeof(first));
}

static void test_secret_must_be_whole(void **state)
{
    uint8_t secret[TOKEN_SECRET_SIZE];
    (void)state;
    static const char *const bad[] = {"", "00", "zz\n",
                                      "00112233445566778899aabbccddeeff"
                                      "00112233445566778899aabbccddeeff00\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(file_write_atomic(path, bad[i], strlen(bad[i]), 0600), 0);
        assert_int_not_equal(token_secret_read(path, true, secret), 0);
    }
    unlink(path);
}

/* Independent of our code: printf 'latchkey-eab-1\0lan.example.com\0kid1' | openssl dgst
 * -sha256 -mac HMAC -macopt hexkey:000102...1f */
static void test_key_vector(void **state)
{
    static const uint8_t expected[TOKEN_KEY_SIZE] = {
        0x43, 0xd6, 0x25, 0xe9, 0x33, 0x41, 0xe8, 0x11, 0x94, 0x32, 0x31,
        0x12, 0x85, 0x34, 0x80, 0x9b, 0x84, 0x8b, 0xaa, 0xa8, 0xc0, 0x77,
        0xf4, 0x97, 0x42, 0x46, 0x9e, 0xd8, 0x31, 0xec, 0x89, 0x32};
    uint8_t secret[TOKEN_SECRET_SIZE];
    uint8_t key[TOKEN_KEY_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof(secret); i++) {
        secret[i] = (uint8_t)i;
    }
    assert_int_equal(token_key(secret, "lan.example.com", "kid1", key), 0);
    assert_memory_equal(key, expected, sizeof(key));
}

static void test_keys_differ(void **state)
{
    static const uint8_t secret[TOKEN_SECRET_SIZE] = {1};
    uint8_t a[TOKEN_KEY_SIZE];
    uint8_t b[TOKEN_KEY_SIZE];
    (void)state;
    assert_int_equal(token_key(secret, "a.example", "k", a), 0);
    assert_int_equal(token_key(secret, "b.example", "k", b), 0);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(token_key(secret, "a.example", "l", b), 0);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(token_nonce_key(secret, "a.example", b), 0);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_is_made_once),
        cmocka_unit_test(test_secret_must_be_whole),
        cmocka_unit_test(test_key_vector),
        cmocka_unit_test(test_keys_differ),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
