#include "base/crypto/key_backup.h"

#include "tests/unit/vector.h"

#include <openssl/err.h>

#define PASSPHRASE "correct horse"

static void what_is_written_comes_back(void **state)
{
    (void)state;
    static const enum key_kind kinds[] = {KEY_P256, KEY_RSA};
    for (size_t i = 0; i < 2; i++) {
        struct key *key = NULL;
        struct key *back = NULL;
        struct buffer pem = buffer_init(8192);
        struct buffer plain = buffer_init_secret(8192);
        assert_int_equal(key_generate(kinds[i], &key), 0);
        assert_int_equal(buffer_append_text(&pem, "some words before\n"), 0);
        assert_int_equal(key_backup_write(key, PASSPHRASE, &pem), 0);
        assert_non_null(strstr(buffer_text(&pem), "BEGIN ENCRYPTED PRIVATE KEY"));
        assert_int_equal(key_backup_read(pem.data, pem.size, PASSPHRASE, &back), 0);
        assert_true(key_equal(key, back));
        assert_true(key_is_private(back));
        key_free(back);
        back = NULL;
        assert_int_equal(key_backup_read(pem.data, pem.size, "correct horsf", &back),
                         ERROR_DENIED);
        assert_int_equal(key_backup_read(pem.data, pem.size, "", &back), ERROR_DENIED);
        assert_int_equal(key_to_pem(key, &plain), 0);
        assert_int_equal(key_backup_read(plain.data, plain.size, PASSPHRASE, &back),
                         ERROR_SYNTAX);
        assert_int_equal(key_backup_read("", 0, PASSPHRASE, &back), ERROR_SYNTAX);
        /* Any octet of the block that is lost is noticed. */
        pem.data[pem.size / 2] = pem.data[pem.size / 2] == 'A' ? 'B' : 'A';
        assert_true(key_backup_read(pem.data, pem.size, PASSPHRASE, &back) < 0);
        assert_null(back);
        assert_int_equal(ERR_peek_error(), 0);
        buffer_free(&plain);
        buffer_free(&pem);
        key_free(key);
    }
}

static void bad_wishes(void **state)
{
    (void)state;
    struct key *key = NULL;
    struct key *public_half = NULL;
    struct buffer pem = buffer_init(8192);
    char large[KEY_BACKUP_PASSPHRASE_MAX + 2];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    struct bytes spki = key_spki(key);
    assert_int_equal(key_from_spki(spki.data, spki.size, &public_half), 0);
    assert_int_equal(key_backup_write(key, "seven77", &pem), ERROR_RANGE);
    assert_int_equal(key_backup_write(key, large, &pem), ERROR_RANGE);
    assert_int_equal(key_backup_write(public_half, PASSPHRASE, &pem), ERROR_STATE);
    assert_int_equal(pem.size, 0);
    assert_int_equal(key_backup_write(key, large + 1, &pem), 0);
    struct key *back = NULL;
    assert_int_equal(key_backup_read(pem.data, pem.size, large + 1, &back), 0);
    key_free(back);
    key_free(public_half);
    key_free(key);
    buffer_free(&pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(bad_wishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
