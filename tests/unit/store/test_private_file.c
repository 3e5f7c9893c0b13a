#include "relay/store/private_file.h"

#include "base/core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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
