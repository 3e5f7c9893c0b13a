/* A shell script stands for the program. */
#include "device/child.h"

#include "tests/unit/device/folder.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const char *write_script(const char *text)
{
    folder_write("script", text);
    assert_int_equal(chmod(folder_path("script"), 0700), 0);
    return folder_path("script");
}

/* What it says, until it closes its end. */
static void hear(struct child *child, char *ret_text, size_t capacity)
{
    size_t size = 0;
    struct pollfd end = {.fd = child->fd, .events = POLLIN};
    for (;;) {
        assert_int_equal(poll(&end, 1, 20000), 1);
        ssize_t more = read(child->fd, ret_text + size, capacity - 1 - size);
        if (more <= 0) {
            break;
        }
        size += (size_t)more;
    }
    ret_text[size] = '\0';
}

static void test_it_gets_a_socket_and_nothing_else(void **state)
{
    (void)state;
    static char variable[] = "GIVEN=yes";
    char *environment[] = {variable, NULL};
    char said[2048];
    struct child child = {.fd = -1};
    int secret = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(secret >= 0);
    const char *script = write_script("#!/bin/sh\n"
                                      "echo \"$1 $2 GIVEN=$GIVEN HOME=$HOME\" >&3\n"
                                      "ls -l /proc/$$/fd >&3\n"
                                      "exit 7\n");
    assert_int_equal(child_start(script, "script", SOCK_STREAM, environment, &child), 0);
    hear(&child, said, sizeof(said));
    assert_non_null(strstr(said, "--socket 3 GIVEN=yes HOME=\n"));
    char inherited[32];
    snprintf(inherited, sizeof(inherited), " %d -> /dev/null", secret);
    assert_null(strstr(said, inherited));
    close(secret);
    /* It has ended, and says how. */
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
    int status = child_end(&child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(child.fd, -1);
    assert_int_equal(child.pid, 0);
    assert_int_equal(child_end(&child), 0);
}

static void test_one_that_does_not_end_is_ended(void **state)
{
    (void)state;
    char *environment[] = {NULL};
    struct child child = {.fd = -1};
    const char *script = write_script("#!/bin/sh\nwhile :; do read x <&3; done\n");
    assert_int_equal(child_start(script, "script", SOCK_SEQPACKET, environment, &child),
                     0);
    int status = child_end(&child);
    assert_true(WIFSIGNALED(status));
}

static void test_one_that_is_not_there(void **state)
{
    (void)state;
    char *environment[] = {NULL};
    struct child child = {.fd = -1};
    assert_int_equal(
        child_start("/nonexistent/program", "x", SOCK_STREAM, environment, &child),
        ERROR_IO);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(child.fd, -1);
}

static void test_beside_this_program(void **state)
{
    (void)state;
    char path[4096];
    char small[4];
    assert_int_equal(child_find("latchkey-mdns", path, sizeof(path)), 0);
    assert_int_equal(path[0], '/');
    assert_string_equal(strrchr(path, '/'), "/latchkey-mdns");
    assert_int_equal(child_find("latchkey-mdns", small, sizeof(small)), ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_gets_a_socket_and_nothing_else,
                                        folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_one_that_does_not_end_is_ended, folder_make,
                                        folder_remove),
        cmocka_unit_test(test_one_that_is_not_there),
        cmocka_unit_test(test_beside_this_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
