#include "relay/store/private_file.h"

#include "base/core/file.h"
#include "base/crypto/digest.h"

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/latchkey-private-XXXXXX";
static char path[64];

static int read_with(mode_t mode, enum private_file_readers readers)
{
    struct buffer text = buffer_init_secret(64);
    assert_int_equal(chmod(path, mode), 0);
    int error = private_file_read(path, readers, &text);
    assert_int_equal(text.size, error == 0 ? 6 : 0);
    buffer_free(&text);
    return error;
}

static void test_who_may_read(void **state)
{
    static const struct {
        mode_t mode;
        int owner;
        int group;
    } cases[] = {
        {0400, 0, 0},
        {0600, 0, 0},
        {0700, 0, 0},
        {0640, ERROR_DENIED, 0},
        {0440, ERROR_DENIED, 0},
        {0660, ERROR_DENIED, ERROR_DENIED}, /* the group may not change it */
        {0604, ERROR_DENIED, ERROR_DENIED},
        {0644, ERROR_DENIED, ERROR_DENIED},
        {0602, ERROR_DENIED, ERROR_DENIED},
        {0777, ERROR_DENIED, ERROR_DENIED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_with(cases[i].mode, PRIVATE_FILE_OWNER), cases[i].owner);
        assert_int_equal(read_with(cases[i].mode, PRIVATE_FILE_GROUP), cases[i].group);
    }
}

/* A key is made once; what is read is a private one, of its owner alone. */
static void test_keys(void **state)
{
    static const char public_pem[] =
        "-----BEGIN PUBLIC KEY-----\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
        "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
        "-----END PUBLIC KEY-----\n";
    char key_path[80];
    struct key *made = NULL;
    struct key *again = NULL;
    uint8_t hashes[2][DIGEST_SHA256_SIZE];
    struct stat info;
    (void)state;
    snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
    assert_int_equal(private_file_read_key(key_path, PRIVATE_FILE_OWNER, &again),
                     ERROR_NOT_FOUND);
    assert_int_equal(private_file_make_key(key_path, &made), 0);
    assert_int_equal(stat(key_path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(private_file_make_key(key_path, &again), ERROR_EXISTS);
    assert_null(again);
    assert_int_equal(private_file_read_key(key_path, PRIVATE_FILE_OWNER, &again), 0);
    assert_true(key_is_private(again));
    assert_int_equal(key_spki_sha256(made, hashes[0]), 0);
    assert_int_equal(key_spki_sha256(again, hashes[1]), 0);
    assert_memory_equal(hashes[0], hashes[1], DIGEST_SHA256_SIZE);
    key_free(made);
    key_free(again);
    again = NULL;
    assert_int_equal(chmod(key_path, 0640), 0);
    assert_int_equal(private_file_read_key(key_path, PRIVATE_FILE_OWNER, &again),
                     ERROR_DENIED);
    assert_int_equal(
        file_write_atomic(key_path, public_pem, sizeof(public_pem) - 1, 0600), 0);
    assert_int_equal(private_file_read_key(key_path, PRIVATE_FILE_OWNER, &again),
                     ERROR_SYNTAX);
    assert_null(again);
    unlink(key_path);
}

static int read_in_child(const gid_t *groups, size_t count, gid_t own, mode_t mode)
{
    pid_t pid = fork();
    int status = -1;
    if (pid == 0) {
        bool is_set = setgroups(count, groups) == 0 && setgid(own) == 0;
        _exit(is_set ? -read_with(mode, PRIVATE_FILE_MEMBERS) : 255);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
    return -WEXITSTATUS(status);
}

/* Debian's group ssl-cert, for one: chosen members, not the group of all roles or users. */
static void test_members(void **state)
{
    enum { OWN = 5001, CERTIFICATES = 5002, OTHER = 5003 };
    static const gid_t groups[] = {OTHER, CERTIFICATES, OWN};
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chown(path, 0, CERTIFICATES), 0);
    assert_int_equal(read_in_child(groups, 3, OWN, 0640), 0);
    assert_int_equal(read_in_child(groups, 3, OWN, 0440), 0);
    assert_int_equal(read_in_child(groups, 3, OWN, 0660), ERROR_DENIED);
    assert_int_equal(read_in_child(groups, 3, OWN, 0644), ERROR_DENIED);
    assert_int_equal(read_in_child(groups, 1, OWN, 0640), ERROR_DENIED);
    assert_int_equal(read_in_child(groups, 1, OWN, 0600), 0);
    /* As its own group: all roles have that one. */
    assert_int_equal(read_in_child(groups, 3, CERTIFICATES, 0640), ERROR_DENIED);
    assert_int_equal(chown(path, 0, 0), 0);
}

static void test_a_missing_file_is_missing(void **state)
{
    struct buffer text = buffer_init_secret(64);
    (void)state;
    assert_int_equal(private_file_read("/nonexistent/key", PRIVATE_FILE_OWNER, &text),
                     ERROR_NOT_FOUND);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_may_read),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_a_missing_file_is_missing),
    };
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(path, sizeof(path), "%s/key", folder);
    if (file_write_new(path, "secret", 6, 0600) != 0) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed;
}
