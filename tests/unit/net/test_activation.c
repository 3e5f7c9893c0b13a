/* Each case is a child whose descriptors from 3 on are what a service manager would have put
 * there. */
#include "base/net/activation.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A socket of TYPE on a free port of loopback. */
static int bound(int family, int type)
{
    struct address address;
    const char *text = family == AF_INET6 ? "[::1]:0" : "127.0.0.1:0";
    int fd = socket(family, type, 0);
    if (address_parse(text, 0, &address) != 0 ||
        bind(fd, (struct sockaddr *)&address.storage, address.size) != 0) {
        return -1;
    }
    return fd;
}

static int listening(int family)
{
    int fd = bound(family, SOCK_STREAM);
    return fd >= 0 && listen(fd, 5) == 0 ? fd : -1;
}

static void set_environment(const char *count, const char *names)
{
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", names, 1);
}

typedef int case_fn(struct activation *activation, struct buffer *report);

/* The result of FN in a child that has no descriptor from 3 on. */
static int in_child(case_fn *fn)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct activation activation = {.count = 0};
        struct buffer report = buffer_init(1024);
        closefrom(3);
        int failed = fn(&activation, &report);
        if (failed != 0) {
            fprintf(stderr, "line %d: %s\n", failed, buffer_text(&report));
        }
        buffer_free(&report);
        _exit(failed != 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* In the child an assertion would run the parent's clean-up. */
#define MUST(condition)                                                                  \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            return __LINE__;                                                             \
        }                                                                                \
    } while (0)

static int good(struct activation *activation, struct buffer *report)
{
    MUST(bound(AF_INET, SOCK_DGRAM) == 3 && listening(AF_INET) == 4 &&
         listening(AF_INET6) == 5);
    set_environment("3", "dns:dns:dns");
    MUST(activation_take("dns", activation, report) == 0);
    MUST(activation->count == 3);
    MUST(activation->at[0].datagram && activation->at[0].fd == 3);
    MUST(!activation->at[1].datagram && address_port(&activation->at[1].address) != 0);
    MUST(activation->at[2].address.storage.ss_family == AF_INET6);
    MUST(fcntl(3, F_GETFD) == FD_CLOEXEC && fcntl(5, F_GETFD) == FD_CLOEXEC);
    MUST(getenv("LISTEN_FDS") == NULL && getenv("LISTEN_PID") == NULL &&
         getenv("LISTEN_FDNAMES") == NULL);
    return 0;
}

static int none(struct activation *activation, struct buffer *report)
{
    unsetenv("LISTEN_FDS");
    MUST(activation_take("dns", activation, report) == 0 && activation->count == 0);
    set_environment("1", "dns");
    setenv("LISTEN_PID", "1", 1);
    MUST(activation_take("dns", activation, report) == 0 && activation->count == 0);
    MUST(getenv("LISTEN_FDS") == NULL);
    return 0;
}

/* Whether COUNT descriptors with NAMES are refused, and the report says WHAT. */
static int refused(struct activation *activation, struct buffer *report,
                   const char *names, const char *what)
{
    MUST(activation_take(names, activation, report) < 0);
    MUST(strstr(buffer_text(report), what) != NULL);
    MUST(activation->count == 0 && getenv("LISTEN_FDS") == NULL);
    return 0;
}

static int wrong_name(struct activation *activation, struct buffer *report)
{
    MUST(listening(AF_INET) == 3 && listening(AF_INET) == 4);
    set_environment("2", "front:latchkey.socket");
    return refused(activation, report, "front",
                   "descriptor 4 is named 'latchkey.socket': the socket unit must say "
                   "FileDescriptorName=front");
}

static int too_few_names(struct activation *activation, struct buffer *report)
{
    MUST(listening(AF_INET) == 3 && listening(AF_INET) == 4);
    set_environment("2", "front");
    return refused(activation, report, "front", "descriptor 4 is named ''");
}

static int no_socket(struct activation *activation, struct buffer *report)
{
    MUST(open("/dev/null", O_RDONLY) == 3);
    set_environment("1", "front");
    return refused(activation, report, "front", "descriptor 3 (front) is no socket");
}

static int closed(struct activation *activation, struct buffer *report)
{
    set_environment("1", "front");
    return refused(activation, report, "front", "descriptor 3 (front) is no socket");
}

static int unix_socket(struct activation *activation, struct buffer *report)
{
    MUST(socket(AF_UNIX, SOCK_STREAM, 0) == 3);
    set_environment("1", "front");
    return refused(activation, report, "front", "is no socket of IPv4 or IPv6");
}

static int silent(struct activation *activation, struct buffer *report)
{
    MUST(bound(AF_INET, SOCK_STREAM) == 3);
    set_environment("1", "front");
    return refused(activation, report, "front", "does not listen");
}

static int unbound(struct activation *activation, struct buffer *report)
{
    MUST(socket(AF_INET, SOCK_DGRAM, 0) == 3);
    set_environment("1", "dns");
    return refused(activation, report, "dns", "is not bound");
}

static int too_many(struct activation *activation, struct buffer *report)
{
    set_environment("33", "front");
    return refused(activation, report, "front", "at most 32");
}

static int no_number(struct activation *activation, struct buffer *report)
{
    set_environment("two", "front");
    return refused(activation, report, "front", "must be numbers");
}

static void sockets_are_taken(void **state)
{
    (void)state;
    assert_int_equal(in_child(good), 0);
}

static void others_sockets_are_none(void **state)
{
    (void)state;
    assert_int_equal(in_child(none), 0);
}

static void what_does_not_fit_is_refused(void **state)
{
    static case_fn *const cases[] = {wrong_name, too_few_names, no_socket,
                                     closed,     unix_socket,   silent,
                                     unbound,    too_many,      no_number};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(in_child(cases[i]), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_taken),
        cmocka_unit_test(others_sockets_are_none),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
