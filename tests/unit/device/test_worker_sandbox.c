#include "device/worker_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[64];
    char key[96];
    char ca[96];
};

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    snprintf(place->folder, sizeof(place->folder), "/tmp/latchkey-sandbox-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->key, sizeof(place->key), "%s/identity.pem", place->folder);
    snprintf(place->ca, sizeof(place->ca), "%s/ca.pem", place->folder);
    write_file(place->key);
    write_file(place->ca);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    unlink(place->key);
    unlink(place->ca);
    rmdir(place->folder);
    free(place);
    return 0;
}

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

/* What the child found, as its exit status; 77: no Landlock here. */
static int try_in_sandbox(const struct place *place)
{
    char made[128];
    int error = worker_sandbox_enter(place->ca);
    if (error == ERROR_UNSUPPORTED) {
        return 77;
    }
    snprintf(made, sizeof(made), "%s/made", place->folder);
    if (error != 0) {
        return 1;
    }
    if (!opens(place->ca, O_RDONLY) || !opens("/etc/passwd", O_RDONLY)) {
        return 2;
    }
    if (opens(place->key, O_RDONLY) || errno != EACCES) {
        return 3;
    }
    if (opens(place->ca, O_WRONLY) || opens(made, O_WRONLY | O_CREAT) ||
        unlink(place->ca) == 0) {
        return 4;
    }
    return opens(place->folder, O_RDONLY | O_DIRECTORY) ? 5 : 0;
}

static void test_only_what_is_needed_can_be_read(void **state)
{
    struct place *place = *state;
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(try_in_sandbox(place));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_inherited_descriptors_are_closed(void **state)
{
    int status = 0;
    (void)state;
    int kept = open("/dev/null", O_RDONLY);
    int left = open("/dev/null", O_RDONLY);
    pid_t pid = fork();
    assert_true(kept >= 0 && left >= 0 && pid >= 0);
    if (pid == 0) {
        worker_sandbox_close_descriptors(kept);
        _exit(fcntl(kept, F_GETFD) >= 0 && fcntl(left, F_GETFD) < 0 &&
                      fcntl(2, F_GETFD) >= 0
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(kept);
    close(left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_what_is_needed_can_be_read, set_up,
                                        tear_down),
        cmocka_unit_test(test_inherited_descriptors_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
