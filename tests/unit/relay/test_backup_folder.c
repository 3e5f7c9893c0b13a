/* The names of backups are the record of when they were made: what counts, and what goes. */
#include "relay/admin/backup_folder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* 2026-11-27T23:15:00Z */
static const int64_t now_at = 1795821300;
static const char today[] = "latchkey-2026-11-27T23-15-00Z.tar";
static const char yesterday[] = "latchkey-2026-11-26T23-15-00Z.tar";
static const char before[] = "latchkey-2026-11-25T23-15-00Z.tar";
static const char soon[] = "latchkey-2026-11-27T23-16-00Z.tar";
static const char future[] = "latchkey-2038-01-01T00-00-00Z.tar";

struct fixture {
    char folder[64];
};

static void path_of(const struct fixture *fixture, const char *name,
                    char path[static 160])
{
    snprintf(path, 160, "%s/%s", fixture->folder, name);
}

static void make(const struct fixture *fixture, const char *name)
{
    char path[160];
    path_of(fixture, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static bool is_there(const struct fixture *fixture, const char *name)
{
    char path[160];
    path_of(fixture, name, path);
    return access(path, F_OK) == 0;
}

static int64_t newest(const struct fixture *fixture)
{
    int64_t at = -1;
    assert_int_equal(backup_folder_newest(fixture->folder, now_at, &at), 0);
    return at;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    *state = fixture;
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/latchkey-backups-XXXXXX");
    return mkdtemp(fixture->folder) == NULL;
}

static int tear_down(void **state)
{
    static const char *const names[] = {today, yesterday, before, soon, future};
    struct fixture *fixture = *state;
    char path[160];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        path_of(fixture, names[i], path);
        (void)unlink(path);
    }
    int left = rmdir(fixture->folder);
    free(fixture);
    return left;
}

static void test_a_name_is_its_time(void **state)
{
    char name[BACKUP_FOLDER_NAME_CAPACITY];
    assert_true(backup_folder_name(now_at, name));
    assert_string_equal(name, today);
    assert_int_equal(newest(*state), 0);
    make(*state, before);
    make(*state, today);
    make(*state, yesterday);
    assert_int_equal(newest(*state), now_at);
}

static void test_no_folder_has_none(void **state)
{
    int64_t at = -1;
    (void)state;
    assert_int_equal(backup_folder_newest("/nonexistent/backup", now_at, &at), 0);
    assert_int_equal(at, 0);
    assert_int_not_equal(backup_folder_newest("/dev/null", now_at, &at), 0);
}

/* Whatever else an operator keeps there is no backup of ours, and not ours to remove. */
static void test_other_names_are_left_alone(void **state)
{
    static const char *const others[] = {"latchkey-before-the-upgrade.tar",
                                         "latchkey-2026-11-27T23-15-00Z.tar.age",
                                         "latchkey-2026-13-27T23-15-00Z.tar",
                                         "latchkey-2026-11-27T23:15:00Z.tar",
                                         "latchkey-2026-11-27T23-15-00Z-old.tar",
                                         ".latchkey-2026-11-27T23-15-00Z.tar",
                                         "latchkey-.tar",
                                         "relay.tar"};
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        make(fixture, others[i]);
    }
    assert_int_equal(newest(fixture), 0);
    make(fixture, yesterday);
    make(fixture, ".front.db.4711.part");
    backup_folder_prune(fixture->folder, now_at, 0);
    assert_false(is_there(fixture, yesterday));
    backup_folder_remove_parts(fixture->folder);
    assert_false(is_there(fixture, ".front.db.4711.part"));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char path[160];
        path_of(fixture, others[i], path);
        assert_int_equal(unlink(path), 0);
    }
}

static void test_the_oldest_go(void **state)
{
    const struct fixture *fixture = *state;
    make(fixture, today);
    make(fixture, before);
    make(fixture, yesterday);
    backup_folder_prune(fixture->folder, now_at, 3);
    assert_true(is_there(fixture, before));
    backup_folder_prune(fixture->folder, now_at, 2);
    assert_false(is_there(fixture, before));
    assert_true(is_there(fixture, yesterday) && is_there(fixture, today));
}

/* A clock that was years ahead leaves a name that would be the newest for as long. */
static void test_names_of_the_future(void **state)
{
    const struct fixture *fixture = *state;
    make(fixture, future);
    make(fixture, before);
    assert_int_equal(newest(fixture), now_at - 2 * 86400);
    backup_folder_prune(fixture->folder, now_at, 1);
    assert_false(is_there(fixture, future));
    make(fixture, soon);
    assert_int_equal(newest(fixture), now_at - 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_name_is_its_time, set_up, tear_down),
        cmocka_unit_test(test_no_folder_has_none),
        cmocka_unit_test_setup_teardown(test_other_names_are_left_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_oldest_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_of_the_future, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
