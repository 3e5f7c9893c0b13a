/* Both transports on real sockets: bursts, sources of answers, families, failures. */
#include "tests/unit/dns/served.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
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

enum { BURST = 1000, WINDOW = 100 /* fits the buffers */ };

static struct served served;

static int tear_down(void **state)
{
    (void)state;
    served_close(&served);
    return 0;
}

static void open_at(const char *address)
{
    served_defaults(&served);
    served_open(&served, address);
}

/* A query over FD, a connected UDP socket; the answer's size. */
static size_t ask(int fd, uint16_t id, uint8_t *ret_answer, size_t capacity)
{
    uint8_t query[600];
    size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, id, query);
    assert_int_equal(send(fd, query + 2, size - 2, 0), size - 2);
    ssize_t got = recv(fd, ret_answer, capacity, 0);
    assert_true(got > DNS_HEADER_SIZE);
    assert_int_equal(ret_answer[0] << 8 | ret_answer[1], id);
    return (size_t)got;
}

static void test_bursts_over_udp(void **state)
{
    bool seen[BURST] = {false};
    uint8_t data[1500];
    open_at("127.0.0.1:0");
    int fd = served_connect(&served, SOCK_DGRAM, "127.0.0.1");
    (void)state;
    for (unsigned done = 0; done < BURST; done += WINDOW) {
        for (unsigned i = done; i < done + WINDOW; i++) {
            size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, (uint16_t)i, data);
            assert_int_equal(send(fd, data + 2, size - 2, 0), size - 2);
        }
        for (unsigned i = 0; i < WINDOW; i++) {
            assert_true(recv(fd, data, sizeof(data), 0) > DNS_HEADER_SIZE);
            unsigned id = (unsigned)data[0] << 8 | data[1];
            assert_true(id < BURST && !seen[id]);
            seen[id] = true;
        }
    }
    struct dns_tally_sum udp;
    struct dns_tally_sum tcp;
    dns_listen_tally(served.listen, &udp, &tcp);
    assert_true(dns_tally_answer_count(&udp) >= BURST);
    assert_int_equal(dns_tally_answer_count(&tcp), 0);
    close(fd);
}

/* The next thing that arrives is the answer to the good query behind each. */
static void test_silence(void **state)
{
    static const uint8_t answer_to_nothing[DNS_HEADER_SIZE] = {0, 0, 0x80};
    static uint8_t zeros[1501];
    uint8_t answer[1500];
    open_at("127.0.0.1:0");
    int fd = served_connect(&served, SOCK_DGRAM, "127.0.0.1");
    (void)state;
    assert_int_equal(send(fd, "", 0, 0), 0);
    ask(fd, 1, answer, sizeof(answer));
    assert_int_equal(send(fd, zeros, 11, 0), 11);
    ask(fd, 2, answer, sizeof(answer));
    assert_int_equal(send(fd, answer_to_nothing, sizeof(answer_to_nothing), 0),
                     sizeof(answer_to_nothing));
    ask(fd, 3, answer, sizeof(answer));
    assert_int_equal(send(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
    ask(fd, 4, answer, sizeof(answer));
    close(fd);
}

/* The answer must come from the address that was asked: a connected socket takes no
 * other. */
static void check_sources(void)
{
    static const char *const hosts[] = {"127.0.0.1", "127.0.0.2", "127.9.9.9"};
    uint8_t answer[1500];
    for (uint16_t i = 0; i < 3; i++) {
        int fd = served_connect(&served, SOCK_DGRAM, hosts[i]);
        ask(fd, i, answer, sizeof(answer));
        close(fd);
        fd = served_connect(&served, SOCK_STREAM, hosts[i]);
        close(fd);
    }
}

static void test_wildcard_answers_from_where_it_was_asked(void **state)
{
    (void)state;
    open_at("0.0.0.0:0");
    check_sources();
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&v6, sizeof(v6)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return bound;
}

static void ask_ipv6(uint16_t port, int type)
{
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(port)};
    struct timeval timeout = {.tv_sec = 10};
    uint8_t answer[1500];
    int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)),
                     0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&v6, sizeof(v6)), 0);
    if (type == SOCK_DGRAM) {
        ask(fd, 6, answer, sizeof(answer));
    }
    close(fd);
}

/* ":53" in a configuration is [::] for both families. */
static void test_ipv6_wildcard_takes_ipv4(void **state)
{
    (void)state;
    if (!has_ipv6()) {
        open_at("127.0.0.1:0");
        skip();
    }
    open_at("[::]:0");
    check_sources();
    ask_ipv6(dns_listen_port(served.listen, 0), SOCK_DGRAM);
    ask_ipv6(dns_listen_port(served.listen, 0), SOCK_STREAM);
}

/* The default configuration: 0.0.0.0 and [::] with one port. */
static void test_both_wildcards_with_one_port(void **state)
{
    struct address addresses[2];
    struct dns_listen *listen = NULL;
    struct dns_listen_options options = {.addresses = addresses,
                                         .address_count = 2,
                                         .max_connections = 8,
                                         .max_connections_per_source = 8,
                                         .idle_ms = 9000,
                                         .partial_ms = 9000};
    size_t failed = 0;
    int result = ERROR_IO;
    (void)state;
    open_at("127.0.0.1:0"); /* for its loop and view */
    if (!has_ipv6()) {
        skip();
    }
    assert_int_equal(address_parse("0.0.0.0:0", 0, &addresses[0]), 0);
    assert_int_equal(address_parse("[::]:0", 0, &addresses[1]), 0);
    for (int i = 0; i < 50 && result != 0; i++) {
        uint16_t port = (uint16_t)(20000 + (getpid() + i * 37) % 10000);
        address_set_port(&addresses[0], port);
        address_set_port(&addresses[1], port);
        result = dns_listen_new(served.loop, &served.fixture.view, served.fixture.probes,
                                &options, &failed, &listen);
    }
    assert_int_equal(result, 0);
    assert_int_equal(dns_listen_port(listen, 0), dns_listen_port(listen, 1));
    ask_ipv6(dns_listen_port(listen, 1), SOCK_DGRAM);
    dns_listen_free(listen);
}

static void test_port_is_taken(void **state)
{
    struct address addresses[2];
    struct dns_listen *listen = NULL;
    struct dns_listen_options options = {.addresses = addresses, .address_count = 2};
    size_t failed = 9;
    (void)state;
    open_at("127.0.0.1:0");
    assert_int_equal(address_parse("127.0.0.1:0", 0, &addresses[0]), 0);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &addresses[1]), 0);
    address_set_port(&addresses[1], dns_listen_port(served.listen, 0));
    errno = 0;
    assert_int_equal(dns_listen_new(served.loop, &served.fixture.view, NULL, &options,
                                    &failed, &listen),
                     ERROR_IO);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(failed, 1);
    assert_null(listen);
}

static void test_too_many_addresses(void **state)
{
    struct dns_listen *listen = NULL;
    struct dns_listen_options options = {.address_count = 1000};
    size_t failed = 9;
    (void)state;
    open_at("127.0.0.1:0");
    assert_int_equal(dns_listen_new(served.loop, &served.fixture.view, NULL, &options,
                                    &failed, &listen),
                     ERROR_LIMIT);
    assert_int_equal(failed, 1000);
    dns_listen_free(NULL);
}

/* What is changed under the lock is in the next answer. */
static void test_change_under_lock(void **state)
{
    uint8_t query[600];
    uint8_t answer[1500];
    (void)state;
    open_at("127.0.0.1:0");
    int fd = served_connect(&served, SOCK_DGRAM, "127.0.0.1");
    size_t size = served_query("home." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_A, 1, query);
    for (int count = 0; count < 50; count++) {
        dns_listen_lock(served.listen);
        assert_int_equal(
            dns_view_put_addresses(&served.fixture.view, FIXTURE_ID,
                                   count % 2 == 0 ? "10.0.0.1 10.0.0.2" : "10.0.0.1"),
            0);
        dns_listen_unlock(served.listen);
        assert_int_equal(send(fd, query + 2, size - 2, 0), size - 2);
        assert_true(recv(fd, answer, sizeof(answer), 0) > DNS_HEADER_SIZE);
        assert_int_equal(answer[7], count % 2 == 0 ? 2 : 1);
    }
    close(fd);
}

/* The time is the test's: only the threads' turns are real. */
static void test_a_thread_that_is_stuck_is_noticed(void **state)
{
    enum { STALL_MS = 10000 };
    uint8_t data[1500];
    int64_t now_mono_ms = 1000;
    (void)state;
    open_at("127.0.0.1:0");
    int fd = served_connect(&served, SOCK_DGRAM, "127.0.0.1");
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    assert_true(dns_listen_is_alive(served.listen, now_mono_ms, STALL_MS));
    assert_true(dns_listen_is_alive(served.listen, now_mono_ms + STALL_MS - 1, STALL_MS));
    /* The second answer comes after a turn that began behind the first. */
    ask(fd, 1, data, sizeof(data));
    ask(fd, 2, data, sizeof(data));
    now_mono_ms += STALL_MS;
    assert_true(dns_listen_is_alive(served.listen, now_mono_ms, STALL_MS));

    /* A thread with nothing to do turns within a second; one that waits for the view never. */
    size_t size = served_query(ADDRESS_NAME, DNS_TYPE_A, 3, data);
    dns_listen_lock(served.listen);
    ssize_t sent = send(fd, data + 2, size - 2, 0);
    int answered = poll(&waiting, 1, 1500);
    (void)dns_listen_is_alive(served.listen, now_mono_ms, STALL_MS);
    now_mono_ms += STALL_MS;
    bool alive = dns_listen_is_alive(served.listen, now_mono_ms, STALL_MS);
    dns_listen_unlock(served.listen);
    assert_int_equal(sent, size - 2);
    assert_int_equal(answered, 0);
    assert_false(alive);

    assert_true(recv(fd, data, sizeof(data), 0) > DNS_HEADER_SIZE);
    ask(fd, 4, data, sizeof(data));
    assert_true(dns_listen_is_alive(served.listen, now_mono_ms, STALL_MS));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_bursts_over_udp, tear_down),
        cmocka_unit_test_teardown(test_silence, tear_down),
        cmocka_unit_test_teardown(test_wildcard_answers_from_where_it_was_asked,
                                  tear_down),
        cmocka_unit_test_teardown(test_ipv6_wildcard_takes_ipv4, tear_down),
        cmocka_unit_test_teardown(test_both_wildcards_with_one_port, tear_down),
        cmocka_unit_test_teardown(test_port_is_taken, tear_down),
        cmocka_unit_test_teardown(test_too_many_addresses, tear_down),
        cmocka_unit_test_teardown(test_change_under_lock, tear_down),
        cmocka_unit_test_teardown(test_a_thread_that_is_stuck_is_noticed, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
