/* Where a role's files lie: in its own folder where there is one, never through a link; and
 * what root's commands become there. */
#include "relay/store/database.h"
#include "relay/store/place.h"
#include "relay/store/schema.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SOMEBODY = 65534 };

static int set_up(void **state)
{
    char *store = strdup("/tmp/store-place-XXXXXX");
    *state = store;
    return store == NULL || mkdtemp(store) == NULL || chmod(store, 0755) != 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"front/front.db", "front/front.db-wal",
                                        "front/front.db-shm", "front/front.db.lock",
                                        "dns.lock"};
    char path[128];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", (char *)*state, names[i]);
        (void)unlink(path);
    }
    snprintf(path, sizeof(path), "%s/front", (char *)*state);
    (void)unlink(path);
    (void)rmdir(path);
    (void)rmdir(*state);
    free(*state);
    return 0;
}

static void make_folder(const char *store, uid_t user)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/front", store);
    assert_int_equal(mkdir(path, 0750), 0);
    if (user != 0) {
        assert_int_equal(chown(path, user, SOMEBODY), 0);
    }
}

static void assert_place(const char *store, const char *expected)
{
    char path[128];
    assert_int_equal(place_path(store, "front", "front.db", path, sizeof(path)), 0);
    assert_string_equal(path + strlen(store), expected);
}

static void test_path(void **state)
{
    const char *store = *state;
    char path[8];
    assert_place(store, "/front.db");
    make_folder(store, 0);
    assert_place(store, "/front/front.db");
    assert_int_equal(place_path(store, "front", "front.db", path, sizeof(path)),
                     ERROR_LIMIT);
}

static void test_link(void **state)
{
    const char *store = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/front", store);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_place(store, "/front.db");
}

static void test_database(void **state)
{
    const char *store = *state;
    struct database *database = NULL;
    char path[128];
    make_folder(store, 0);
    assert_int_equal(
        database_open(store, "front.db", DATABASE_WRITER, schema_front, &database), 0);
    snprintf(path, sizeof(path), "%s/front/front.db", store);
    assert_int_equal(access(path, R_OK), 0);
    database_close(database);
    assert_int_equal(
        database_open(store, "front.db", DATABASE_READER, schema_front, &database), 0);
    database_close(database);
}

static void test_become_nobody(void **state)
{
    const char *store = *state;
    assert_int_equal(place_become(store, "front"), 0);
    make_folder(store, 0);
    assert_int_equal(place_become(store, "front"), 0);
    assert_int_equal(getuid(), geteuid());
}

/* In a child: there is no way back. */
static void test_become(void **state)
{
    const char *store = *state;
    if (geteuid() != 0) {
        skip();
    }
    make_folder(store, SOMEBODY);
    pid_t pid = fork();
    if (pid == 0) {
        bool became = place_become(store, "front") == 0 && getuid() == SOMEBODY &&
                      geteuid() == SOMEBODY && getgid() == SOMEBODY &&
                      getgroups(0, NULL) == 0 && setuid(0) != 0 && setgid(0) != 0;
        _exit(became ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* By another process: a lock of one's own is no news. */
static void test_hold(void **state)
{
    const char *store = *state;
    int ends[2];
    char one = 0;
    assert_int_equal(place_hold("/nonexistent", "dns"), ERROR_NOT_FOUND);
    assert_false(place_is_held(store, "dns"));
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        one = place_hold(store, "dns") == 0 && place_hold(store, "dns") == ERROR_BUSY;
        (void)!write(ends[1], &one, 1);
        pause();
    }
    assert_int_equal(read(ends[0], &one, 1), 1);
    assert_int_equal(one, 1);
    assert_true(place_is_held(store, "dns"));
    assert_false(place_is_held(store, "admin"));
    assert_false(place_is_held(store, "front"));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(place_is_held(store, "dns"));
    close(ends[0]);
    close(ends[1]);
}

static void test_a_database_is_held(void **state)
{
    const char *store = *state;
    struct database *database = NULL;
    make_folder(store, 0);
    assert_int_equal(
        database_open(store, "front.db", DATABASE_WRITER, schema_front, &database), 0);
    assert_true(place_is_held(store, "front"));
    database_close(database);
    assert_false(place_is_held(store, "front"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_database, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_become_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_become, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_database_is_held, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
