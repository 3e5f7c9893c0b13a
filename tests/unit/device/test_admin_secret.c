#include "device/admin_secret.h"

#include "base/core/file.h"
#include "base/core/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64];
static char path[128];

static int make_folder(void **state)
{
    (void)state;
    assert_true(text_copy(folder, sizeof(folder), "/tmp/latchkey-secret-XXXXXX"));
    assert_non_null(mkdtemp(folder));
    assert_true(text_format(path, sizeof(path), "%s/" ADMIN_SECRET_FILE, folder));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static bool matches(const struct admin_secret *secret, const char *given)
{
    return admin_secret_matches(secret, given, strlen(given));
}

static void test_made_once(void **state)
{
    (void)state;
    struct admin_secret secret = {.is_set = false};
    struct admin_secret again = {.is_set = false};
    struct buffer text = buffer_init_secret(256);
    bool made = false;
    struct stat info;
    mode_t before = umask(0);
    assert_int_equal(admin_secret_open(folder, &secret, &made), 0);
    umask(before);
    assert_true(made);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(admin_secret_read(folder, &text), 0);
    assert_int_equal(text.size, 24); /* XXXXX-XXXXX-XXXXX-XXXXX and a line end */
    assert_int_equal(admin_secret_open(folder, &again, &made), 0);
    assert_false(made);
    assert_memory_equal(secret.hash, again.hash, sizeof(secret.hash));
    assert_true(matches(&secret, buffer_text(&text)));
    /* As people type it. */
    char typed[64];
    assert_true(text_copy(typed, sizeof(typed), buffer_text(&text)));
    text_lower(typed);
    for (char *at = typed; *at != '\0'; at++) {
        *at = *at == '-' ? ' ' : *at == 'o' ? '0' : *at == 'i' ? '1' : *at;
    }
    assert_true(matches(&secret, typed));
    typed[0] = typed[0] == 'a' ? 'b' : 'a';
    assert_false(matches(&secret, typed));
    assert_false(matches(&secret, ""));
    typed[23] = '\0';
    typed[22] = '\0';
    assert_false(matches(&secret, typed));
    buffer_free(&text);
}

static void write_file(const char *text, mode_t mode)
{
    assert_int_equal(file_write_atomic(path, text, strlen(text), mode), 0);
}

static void test_a_makers_own(void **state)
{
    (void)state;
    struct admin_secret secret = {.is_set = false};
    bool made = true;
    write_file("label-7Q2M-KX4P\n", 0600);
    assert_int_equal(admin_secret_open(folder, &secret, &made), 0);
    assert_false(made);
    assert_true(matches(&secret, "LABEL7Q2MKX4P"));
    write_file("tooshort1", 0600);
    assert_int_equal(admin_secret_open(folder, &secret, &made), ERROR_SYNTAX);
    write_file("0123456789012345678901234567890123456789012345678901234567890123456789",
               0600);
    assert_int_equal(admin_secret_open(folder, &secret, &made), ERROR_SYNTAX);
    write_file("what is this?", 0600);
    assert_int_equal(admin_secret_open(folder, &secret, &made), ERROR_SYNTAX);
    write_file("label-7Q2M-KX4P\n", 0644);
    assert_int_equal(admin_secret_open(folder, &secret, &made), ERROR_DENIED);
}

static void test_without_one_nothing_matches(void **state)
{
    (void)state;
    struct admin_secret secret = {.is_set = false};
    struct buffer text = buffer_init_secret(256);
    assert_int_equal(admin_secret_read(folder, &text), ERROR_NOT_FOUND);
    assert_false(matches(&secret, "ABCDEFGHIJKLMNOPQRST"));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_once, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_makers_own, make_folder, remove_folder),
        cmocka_unit_test(test_without_one_nothing_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
