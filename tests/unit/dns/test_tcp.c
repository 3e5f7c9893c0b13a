/* DNS over TCP on loopback: framing, pipelining, deadlines, garbage, caps. */
#include "tests/unit/dns/served.h"

#include "base/core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#define ADDRESS_NAME "192-168-1-51." FIXTURE_ID "." FIXTURE_ZONE

enum { PIPELINED = 500, SHORT_MS = 200, EARLY_MS = 20, LATE_MS = 8000 };

static struct served served;

static int set_up(void **state)
{
    (void)state;
    served_defaults(&served);
    served_open(&served, "127.0.0.1:0");
    return 0;
}

static int set_up_short(void **state)
{
    (void)state;
    served_defaults(&served);
    served.options.idle_ms = SHORT_MS;
    served.options.partial_ms = SHORT_MS;
    served_open(&served, "127.0.0.1:0");
    return 0;
}

static int set_up_slow_idle(void **state)
{
    (void)state;
    served_defaults(&served);
    served.options.partial_ms = SHORT_MS;
    served_open(&served, "127.0.0.1:0");
    return 0;
}

static int set_up_capped(void **state)
{
    (void)state;
    served_defaults(&served);
    served.options.max_connections = 3;
    served_open(&served, "127.0.0.1:0");
    return 0;
}

static int set_up_capped_source(void **state)
{
    (void)state;
    served_defaults(&served);
    served.options.max_connections_per_source = 3;
    served_open(&served, "127.0.0.1:0");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    served_close(&served);
    return 0;
}

static int dial(void)
{
    return served_connect(&served, SOCK_STREAM, "127.0.0.1");
}

/* The next answer must be that to query number ID. */
static void expect_answer(int fd, uint16_t id)
{
    static uint8_t answer[DNS_ANSWER_MAX];
    assert_true(served_receive(fd, answer, sizeof(answer)) > DNS_HEADER_SIZE);
    assert_int_equal(answer[0] << 8 | answer[1], id);
    assert_int_equal(answer[3] & 15, 0);
}

static void ask(int fd, uint16_t id)
{
    uint8_t query[600];
    size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, id, query);
    assert_true(served_send(fd, query, size));
    expect_answer(fd, id);
}

static void expect_end(int fd)
{
    uint8_t octet;
    assert_true(recv(fd, &octet, 1, 0) <= 0);
    close(fd);
}

/* One connection, the message cut at each place. Another connection's answer in between
 * makes sure that the first part was read alone. */
static void test_split_at_every_position(void **state)
{
    uint8_t query[600];
    int fd = dial();
    int other = dial();
    (void)state;
    size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, 0, query);
    for (uint16_t cut = 1; cut < size; cut++) {
        query[2] = (uint8_t)(cut >> 8);
        query[3] = (uint8_t)cut;
        assert_true(served_send(fd, query, cut));
        ask(other, cut);
        assert_true(served_send(fd, query + cut, size - cut));
        expect_answer(fd, cut);
    }
    close(fd);
    close(other);
}

struct output {
    int fd;
    const uint8_t *data;
    size_t size;
};

static void *send_all(void *arg)
{
    const struct output *output = arg;
    (void)served_send(output->fd, output->data, output->size); /* the answers tell */
    return NULL;
}

/* COUNT queries for NAME in one write; the answers pile up at the server, the more
 * so the smaller WINDOW, what the client's kernel takes of them. A thread writes: it
 * blocks while the server does not read, which it does not while answers pile up. */
static void pipeline(const char *name, uint16_t type, unsigned count, int window)
{
    int fd = dial();
    uint8_t *queries = malloc(600u * count);
    size_t size = 0;
    pthread_t writer;
    assert_non_null(queries);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window)), 0);
    for (unsigned i = 0; i < count; i++) {
        size += served_query(name, type, (uint16_t)i, queries + size);
    }
    struct output output = {fd, queries, size};
    assert_int_equal(pthread_create(&writer, NULL, send_all, &output), 0);
    for (unsigned i = 0; i < count; i++) {
        expect_answer(fd, (uint16_t)i);
    }
    pthread_join(writer, NULL);
    free(queries);
    close(fd);
}

static void test_pipelined_in_one_write(void **state)
{
    (void)state;
    pipeline(ADDRESS_NAME, DNS_TYPE_A, PIPELINED, 1 << 20);
    pipeline(FIXTURE_ZONE, DNS_TYPE_SOA, 3000, 64 << 10);
}

/* Answers far larger than their queries fill the output again and again. */
static void test_pipelined_long_answers(void **state)
{
    char value[DNS_VIEW_CAA_BYTES];
    char ca[] = "https://a.test/dir";
    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    dns_listen_lock(served.listen);
    assert_int_equal(dns_view_put_caa(&served.fixture.view, "https://ca.test/dir", ""),
                     0);
    for (int i = 0; i < DNS_VIEW_CAA_MAX; i++) {
        ca[8] = (char)('a' + i);
        value[0] = (char)('a' + i);
        assert_int_equal(dns_view_put_caa(&served.fixture.view, ca, value), 0);
    }
    dns_listen_unlock(served.listen);
    for (int window = 64 << 10; window <= 1 << 20; window *= 4) {
        pipeline(FIXTURE_ZONE, DNS_TYPE_CAA, 20000, window);
    }
}

static void test_half_closed(void **state)
{
    uint8_t query[600];
    int fd = dial();
    (void)state;
    size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, 7, query);
    assert_true(served_send(fd, query, size));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    expect_answer(fd, 7);
    expect_end(fd);
}

/* A good query, then what is no DNS query: the first is answered, then it is over. */
static void test_garbage_closes(void **state)
{
    static const struct {
        const char *what;
        uint8_t octets[16];
        size_t size;
    } rows[] = {
        {"length 0", {0, 0}, 2},
        {"a runt", {0, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 13},
        {"an answer", {0, 12, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 14},
        {"a length beyond all queries", {8, 1}, 2},
        {"HTTP", "GET / HTTP/1.1\r\n", 16},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t octets[700];
        int fd = dial();
        size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, 9, octets);
        memcpy(octets + size, rows[i].octets, rows[i].size);
        assert_true(served_send(fd, octets, size + rows[i].size));
        expect_answer(fd, 9);
        expect_end(fd);
    }
}

/* Wrong but recognisable: FORMERR, and the connection goes on. */
static void test_malformed_is_answered(void **state)
{
    uint8_t query[600];
    uint8_t answer[600];
    int fd = dial();
    (void)state;
    size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, 5, query);
    query[7] = 2; /* QDCOUNT */
    assert_true(served_send(fd, query, size));
    assert_true(served_receive(fd, answer, sizeof(answer)) >= DNS_HEADER_SIZE);
    assert_int_equal(answer[3] & 15, 1);
    ask(fd, 6);
    close(fd);
}

static void test_idle_ends(void **state)
{
    int64_t start = clock_mono_ms();
    int fd = dial();
    (void)state;
    expect_end(fd);
    assert_in_range(clock_mono_ms() - start, SHORT_MS - EARLY_MS, LATE_MS);
    /* A connection that asks is not idle. */
    start = clock_mono_ms();
    fd = dial();
    for (uint16_t id = 0; clock_mono_ms() - start < 3 * SHORT_MS; id++) {
        ask(fd, id);
    }
    expect_end(fd);
    assert_in_range(clock_mono_ms() - start, 4 * SHORT_MS - EARLY_MS, LATE_MS);
}

/* An octet now and then does not keep a connection: the message must be whole in time. */
static void test_dripping_ends(void **state)
{
    uint8_t query[600];
    struct timeval step = {.tv_usec = SHORT_MS * 1000 / 8};
    int64_t start = clock_mono_ms();
    int fd = dial();
    size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, 1, query);
    size_t at = 0;
    uint8_t octet;
    (void)state;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &step, sizeof(step)), 0);
    while (at < size && served_send(fd, query + at, 1) && recv(fd, &octet, 1, 0) < 0) {
        at++;
    }
    assert_true(at < size - 1);
    assert_in_range(clock_mono_ms() - start, SHORT_MS - EARLY_MS, LATE_MS);
    close(fd);
    ask(fd = dial(), 2); /* others are served */
    close(fd);
}

static void test_source_cap(void **state)
{
    int fds[3];
    (void)state;
    for (uint16_t i = 0; i < 3; i++) {
        ask(fds[i] = dial(), i);
    }
    expect_end(dial());
    ask(fds[0], 10); /* the first ones stay */
    close(fds[1]);
    for (int tries = 0; tries < 100; tries++) { /* until the server has seen that */
        uint8_t query[600];
        uint8_t answer[600];
        int fd = dial();
        size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, 1, query);
        bool served_again = served_send(fd, query, size) &&
                            served_receive(fd, answer, sizeof(answer)) > 0;
        close(fd);
        if (served_again) {
            close(fds[0]);
            close(fds[2]);
            return;
        }
    }
    fail_msg("a freed place was never given again");
}

/* At the cap of all sources the oldest idle connection goes, one that is in the middle of
 * a message stays. */
static void test_total_cap(void **state)
{
    uint8_t query[600];
    int fds[4];
    (void)state;
    size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, 1, query);
    for (uint16_t i = 0; i < 3; i++) {
        ask(fds[i] = dial(), i);
    }
    assert_true(served_send(fds[0], query, 5));
    ask(fds[1], 4); /* so that those five octets have been read */
    ask(fds[2], 5);
    ask(fds[3] = dial(), 6);
    expect_end(fds[1]);
    assert_true(served_send(fds[0], query + 5, size - 5));
    expect_answer(fds[0], 1);
    ask(fds[2], 7);
    close(fds[0]);
    close(fds[2]);
    close(fds[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_split_at_every_position, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pipelined_in_one_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pipelined_long_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_garbage_closes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_malformed_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idle_ends, set_up_short, tear_down),
        cmocka_unit_test_setup_teardown(test_dripping_ends, set_up_slow_idle, tear_down),
        cmocka_unit_test_setup_teardown(test_source_cap, set_up_capped_source, tear_down),
        cmocka_unit_test_setup_teardown(test_total_cap, set_up_capped, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
