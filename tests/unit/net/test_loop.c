#include "base/net/loop.h"

#include "tests/unit/net/pump.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct trace {
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_watch *watch;
    char text[32];
    size_t size;
    unsigned seen;
    int signal;
};

static void note(struct trace *trace, char what)
{
    assert_true(trace->size < sizeof(trace->text) - 1);
    trace->text[trace->size++] = what;
}

static void on_a(void *arg)
{
    note(arg, 'a');
}

static void on_b(void *arg)
{
    note(arg, 'b');
}

static void on_last(void *arg)
{
    struct trace *trace = arg;
    note(trace, 'z');
    loop_stop(trace->loop);
}

static void test_timers(void **state)
{
    (void)state;
    struct trace trace = {.loop = NULL};
    struct loop_timer *a = NULL;
    struct loop_timer *b = NULL;
    struct loop_timer *cancelled = NULL;
    struct loop_timer *last = NULL;
    assert_int_equal(loop_new(&trace.loop), 0);
    assert_int_equal(loop_timer_new(trace.loop, on_a, &trace, &a), 0);
    assert_int_equal(loop_timer_new(trace.loop, on_b, &trace, &b), 0);
    assert_int_equal(loop_timer_new(trace.loop, on_a, &trace, &cancelled), 0);
    assert_int_equal(loop_timer_new(trace.loop, on_last, &trace, &last), 0);
    loop_timer_set(a, 5000);
    loop_timer_set(a, 20); /* moves it */
    loop_timer_set(b, -7); /* the past is now */
    loop_timer_set(cancelled, 1);
    loop_timer_cancel(cancelled);
    loop_timer_set(last, 40);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_string_equal(trace.text, "baz");
    /* One-shot: nothing comes again, and the loop can be run again. */
    loop_timer_set(last, 10);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_string_equal(trace.text, "bazz");
    loop_timer_free(a);
    loop_timer_free(b);
    loop_timer_free(cancelled);
    loop_timer_free(last);
    loop_timer_free(NULL);
    loop_free(trace.loop);
    loop_free(NULL);
}

static void on_free_self(void *arg)
{
    struct trace *trace = arg;
    loop_timer_free(trace->timer);
    trace->timer = NULL;
    loop_stop(trace->loop);
}

static void on_readable_free_self(int fd, unsigned events, void *arg)
{
    struct trace *trace = arg;
    (void)fd;
    trace->seen |= events;
    loop_watch_free(trace->watch);
    trace->watch = NULL;
    loop_stop(trace->loop);
}

static void test_free_in_callback(void **state)
{
    (void)state;
    struct trace trace = {.loop = NULL};
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(loop_new(&trace.loop), 0);
    assert_int_equal(loop_timer_new(trace.loop, on_free_self, &trace, &trace.timer), 0);
    loop_timer_set(trace.timer, 0);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_null(trace.timer);
    assert_int_equal(loop_watch_new(trace.loop, fds[0], LOOP_READ, on_readable_free_self,
                                    &trace, &trace.watch),
                     0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_int_equal(trace.seen, LOOP_READ);
    assert_null(trace.watch);
    close(fds[0]);
    close(fds[1]);
    loop_free(trace.loop);
}

static void on_ready(int fd, unsigned events, void *arg)
{
    struct trace *trace = arg;
    (void)fd;
    trace->seen |= events;
    trace->size++;
    loop_stop(trace->loop);
}

static void test_watch(void **state)
{
    (void)state;
    struct trace trace = {.loop = NULL};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(loop_new(&trace.loop), 0);
    /* Nothing wanted, nothing told. */
    assert_int_equal(
        loop_watch_new(trace.loop, fds[0], 0, on_ready, &trace, &trace.watch), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    pump_for(trace.loop, 20);
    assert_int_equal(trace.seen, 0);
    assert_int_equal(loop_watch_set(trace.watch, LOOP_WRITE), 0);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_int_equal(trace.seen, LOOP_WRITE);
    trace.seen = 0;
    assert_int_equal(loop_watch_set(trace.watch, LOOP_READ | LOOP_WRITE), 0);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_int_equal(trace.seen, LOOP_READ | LOOP_WRITE);
    /* Level-triggered: what was not read is told again. */
    trace.seen = 0;
    trace.size = 0;
    assert_int_equal(loop_watch_set(trace.watch, LOOP_READ), 0);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_int_equal(trace.size, 2);
    assert_int_equal(trace.seen, LOOP_READ);
    assert_int_equal(loop_watch_set(trace.watch, 0), 0);
    pump_for(trace.loop, 20);
    assert_int_equal(trace.size, 2);
    loop_watch_free(trace.watch);
    loop_watch_free(NULL);
    close(fds[0]);
    close(fds[1]);
    loop_free(trace.loop);
}

static void on_signal(int signal, void *arg)
{
    struct trace *trace = arg;
    trace->signal = signal;
    loop_stop(trace->loop);
}

static void test_signal(void **state)
{
    (void)state;
    struct trace trace = {.loop = NULL};
    struct loop_signal *handle = NULL;
    assert_int_equal(loop_new(&trace.loop), 0);
    assert_int_equal(loop_signal_new(trace.loop, SIGUSR1, on_signal, &trace, &handle), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_int_equal(trace.signal, SIGUSR1);
    loop_signal_free(handle);
    loop_signal_free(NULL);
    loop_free(trace.loop);
}

static void test_broken_pipe_is_an_error(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    int fds[2];
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    close(fds[0]);
    assert_int_equal(write(fds[1], "x", 1), -1); /* and not the end of this process */
    close(fds[1]);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_free_in_callback),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_broken_pipe_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
