/* The manager is a datagram socket of the test. */
#include "base/core/notify.h"

#include "tests/unit/vector.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/latchkey-notify-XXXXXX";
static char path[64];
static char message[1024];

/* Binds to NAME, '@' for an abstract one, and puts it into the environment. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    size_t size = strlen(name);
    assert_true(fd >= 0 && size < sizeof(address.sun_path));
    memcpy(address.sun_path, name, size);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    size += offsetof(struct sockaddr_un, sun_path) + (name[0] != '@');
    assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)size), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static const char *received(int fd)
{
    ssize_t size = recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT);
    message[size > 0 ? size : 0] = '\0';
    return message;
}

static int tear_down(void **state)
{
    (void)state;
    notify_close();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    unlink(path);
    return 0;
}

static void all_kinds_arrive(void **state)
{
    (void)state;
    const char *const names[] = {path, "@latchkey-notify-test"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int fd = listen_at(names[i]);
        assert_int_equal(notify_open(), 0);
        notify_ready("serves %d\nREADY=0", 3);
        assert_string_equal(received(fd), "READY=1\nSTATUS=serves 3 READY=0");
        notify_status("%s", "well");
        assert_string_equal(received(fd), "STATUS=well");
        notify_alive();
        assert_string_equal(received(fd), "WATCHDOG=1");
        notify_stopping();
        assert_string_equal(received(fd), "STOPPING=1");
        notify_close();
        close(fd);
    }
}

static void a_reload_names_its_moment(void **state)
{
    struct timespec now = {0};
    char *end = NULL;
    (void)state;
    int fd = listen_at(path);
    assert_int_equal(notify_open(), 0);
    clock_gettime(CLOCK_MONOTONIC, &now);
    notify_reloading();
    const char *text = received(fd);
    assert_memory_equal(text, "RELOADING=1\nMONOTONIC_USEC=", 27);
    long long usec = strtoll(text + 27, &end, 10);
    assert_string_equal(end, "");
    assert_true(usec >= now.tv_sec * 1000000LL + now.tv_nsec / 1000);
    close(fd);
}

static void a_long_status_is_cut(void **state)
{
    char text[2000];
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    int fd = listen_at(path);
    assert_int_equal(notify_open(), 0);
    notify_ready("%s", text);
    assert_int_equal(strlen(received(fd)), 511);
    close(fd);
}

static void the_environment_is_not_passed_on(void **state)
{
    char pid[16];
    (void)state;
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    int fd = listen_at(path);
    assert_int_equal(notify_open(), 0);
    assert_int_equal(notify_watchdog_ms(), 30000);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    close(fd);
}

static void the_watchdog_of_another_process_is_not_ours(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    int fd = listen_at(path);
    assert_int_equal(notify_open(), 0);
    assert_int_equal(notify_watchdog_ms(), 0);
    close(fd);
}

static void wrong_values_are_refused(void **state)
{
    (void)state;
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_int_equal(notify_open(), ERROR_SYNTAX);
    setenv("NOTIFY_SOCKET", "@", 1);
    assert_int_equal(notify_open(), ERROR_SYNTAX);
    setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
    assert_int_equal(notify_open(), ERROR_IO);
    assert_int_equal(errno, ENOENT);
    setenv("WATCHDOG_USEC", "soon", 1);
    int fd = listen_at(path);
    assert_int_equal(notify_open(), ERROR_SYNTAX);
    close(fd);
    notify_ready("nobody hears it");
}

static void without_a_manager_nothing_happens(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(notify_open(), 0);
    assert_int_equal(notify_watchdog_ms(), 0);
    notify_ready("serves");
    notify_reloading();
    notify_alive();
}

static void nobody_waits_for_a_manager_that_does_not_read(void **state)
{
    (void)state;
    int fd = listen_at(path);
    assert_int_equal(notify_open(), 0);
    errno = ERANGE;
    for (int i = 0; i < 5000; i++) {
        notify_alive();
    }
    close(fd);
    notify_alive();
    assert_int_equal(errno, ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(all_kinds_arrive, tear_down),
        cmocka_unit_test_teardown(a_reload_names_its_moment, tear_down),
        cmocka_unit_test_teardown(a_long_status_is_cut, tear_down),
        cmocka_unit_test_teardown(the_environment_is_not_passed_on, tear_down),
        cmocka_unit_test_teardown(the_watchdog_of_another_process_is_not_ours, tear_down),
        cmocka_unit_test_teardown(wrong_values_are_refused, tear_down),
        cmocka_unit_test_teardown(without_a_manager_nothing_happens, tear_down),
        cmocka_unit_test_teardown(nobody_waits_for_a_manager_that_does_not_read,
                                  tear_down),
    };
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(path, sizeof(path), "%s/notify", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
