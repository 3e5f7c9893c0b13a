#include "base/net/watchdog.h"

#include "base/core/notify.h"
#include "tests/unit/net/pump.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ASKED_MAX = 5 };

struct asked {
    struct loop *loop;
    unsigned count;
    bool alive;
};

static bool is_alive(void *arg)
{
    struct asked *asked = arg;
    if (++asked->count == ASKED_MAX) {
        loop_stop(asked->loop);
    }
    return asked->alive;
}

/* A manager that watches at a time so short that the test need not wait. */
static int open_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    memcpy(address.sun_path + 1, "latchkey-watchdog-test", 22);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 23), 0);
    setenv("NOTIFY_SOCKET", "@latchkey-watchdog-test", 1);
    setenv("WATCHDOG_USEC", "10000", 1);
    assert_int_equal(notify_open(), 0);
    return fd;
}

/* How many signs of life came while the question was asked ASKED_MAX times. */
static unsigned signs_of_life(bool alive)
{
    struct asked asked = {.alive = alive};
    struct watchdog *watchdog = NULL;
    char message[64];
    unsigned count = 0;
    int fd = open_manager();
    assert_int_equal(loop_new(&asked.loop), 0);
    assert_int_equal(watchdog_new(asked.loop, is_alive, &asked, &watchdog), 0);
    assert_int_equal(loop_run(asked.loop), 0);
    watchdog_free(watchdog);
    loop_free(asked.loop);
    for (ssize_t size = recv(fd, message, sizeof(message), MSG_DONTWAIT); size > 0;
         size = recv(fd, message, sizeof(message), MSG_DONTWAIT)) {
        assert_int_equal(size, 10);
        assert_memory_equal(message, "WATCHDOG=1", 10);
        count++;
    }
    notify_close();
    close(fd);
    return count;
}

static void test_the_living_say_so(void **state)
{
    (void)state;
    assert_int_equal(signs_of_life(true), ASKED_MAX);
}

static void test_a_stuck_part_is_silence(void **state)
{
    (void)state;
    assert_int_equal(signs_of_life(false), 0);
}

static void on_late(void *arg)
{
    struct asked *asked = arg;
    loop_stop(asked->loop);
}

static void test_without_a_manager_nobody_asks(void **state)
{
    struct asked asked = {.alive = true};
    struct watchdog *watchdog = NULL;
    struct loop_timer *timer = NULL;
    (void)state;
    assert_int_equal(notify_open(), 0);
    assert_int_equal(loop_new(&asked.loop), 0);
    assert_int_equal(watchdog_new(asked.loop, is_alive, &asked, &watchdog), 0);
    assert_int_equal(loop_timer_new(asked.loop, on_late, &asked, &timer), 0);
    loop_timer_set(timer, 30);
    assert_int_equal(loop_run(asked.loop), 0);
    assert_int_equal(asked.count, 0);
    loop_timer_free(timer);
    watchdog_free(watchdog);
    watchdog_free(NULL);
    loop_free(asked.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_living_say_so),
        cmocka_unit_test(test_a_stuck_part_is_silence),
        cmocka_unit_test(test_without_a_manager_nobody_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
