#include "device/identity.h"

#include "base/core/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "tests/unit/device/folder.h"

static int clear(void **state)
{
    (void)state;
    unlink(folder_path("identity.pem"));
    return 0;
}

static void test_made_once(void **state)
{
    (void)state;
    struct identity first;
    struct identity second;
    struct stat info;
    bool made = false;
    umask(0);
    assert_int_equal(identity_read(folder, &first), ERROR_NOT_FOUND);
    assert_int_equal(identity_open(folder, &first, &made), 0);
    assert_true(made);
    assert_int_equal(stat(folder_path("identity.pem"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(identity_open(folder, &second, &made), 0);
    assert_false(made);
    assert_string_equal(first.id, second.id);
    assert_string_equal(first.pin, second.pin);
    assert_int_equal(key_kind(first.key), KEY_P256);
    identity_free(&first);
    identity_free(&second);
}

static void test_pin_begins_with_id(void **state)
{
    (void)state;
    struct identity identity;
    assert_int_equal(identity_open(folder, &identity, NULL), 0);
    assert_int_equal(strlen(identity.id), 32);
    assert_int_equal(strlen(identity.pin), 52);
    assert_memory_equal(identity.pin, identity.id, 32);
    /* The last character holds one bit of the hash; the four below it are zero. */
    assert_non_null(strchr("aq", identity.pin[51]));
    identity_free(&identity);
}

static void test_a_damaged_file_is_never_replaced(void **state)
{
    (void)state;
    static const char *const contents[] = {
        "",
        "no key",
        "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
        "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
        "-----END PUBLIC KEY-----\n",
    };
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        struct identity identity = {.key = NULL};
        char back[512] = "";
        folder_write("identity.pem", contents[i]);
        assert_true(identity_open(folder, &identity, NULL) < 0);
        assert_null(identity.key);
        FILE *file = fopen(folder_path("identity.pem"), "r");
        assert_non_null(file);
        size_t size = fread(back, 1, sizeof(back) - 1, file);
        fclose(file);
        assert_int_equal(size, strlen(contents[i]));
        assert_memory_equal(back, contents[i], size);
    }
}

/* Two that start at the same moment end with one name. */
static void test_a_race_has_one_winner(void **state)
{
    (void)state;
    enum { RACERS = 8 };
    int results[2];
    char ids[RACERS][KEY_ID_SIZE];
    assert_int_equal(pipe(results), 0);
    for (int i = 0; i < RACERS; i++) {
        if (fork() == 0) {
            struct identity identity;
            bool fine = identity_open(folder, &identity, NULL) == 0 &&
                        write(results[1], identity.id, KEY_ID_SIZE) == KEY_ID_SIZE;
            _exit(fine ? 0 : 1);
        }
    }
    for (int i = 0; i < RACERS; i++) {
        int status = 1;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
        assert_int_equal(read(results[0], ids[i], KEY_ID_SIZE), KEY_ID_SIZE);
        assert_memory_equal(ids[i], ids[0], KEY_ID_SIZE);
    }
    close(results[0]);
    close(results[1]);
}

static void test_no_folder(void **state)
{
    (void)state;
    struct identity identity;
    char path[5000];
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_true(identity_open("/nonexistent/folder", &identity, NULL) < 0);
    assert_int_equal(identity_open(path, &identity, NULL), ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_made_once, clear),
        cmocka_unit_test_setup(test_pin_begins_with_id, clear),
        cmocka_unit_test_setup(test_a_damaged_file_is_never_replaced, clear),
        cmocka_unit_test_setup(test_a_race_has_one_winner, clear),
        cmocka_unit_test_setup(test_no_folder, clear),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
