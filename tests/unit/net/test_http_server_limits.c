/* What one network may cost the server. The peers are socket pairs that it is told to come from
 * elsewhere, as loopback has no limits. */
#include "base/net/http_server.h"

#include "tests/unit/net/peer.h"

#include <fcntl.h>
#include <stdio.h>

struct fixture {
    struct loop *loop;
    struct http_server *server;
};

static const struct http_server_options usual = {
    .max_connections = 100,
    .handshake_s = 5,
    .request_s = 5,
    .idle_s = 5,
    .response_s = 5,
    .max_header_bytes = 2048,
    .max_body_bytes = 4096,
};

static void on_request(struct http_exchange *exchange, void *arg)
{
    (void)arg;
    if (strcmp(http_exchange_path(exchange), "/known") == 0) {
        http_exchange_set_known(exchange);
    }
    http_exchange_respond(exchange, http_exchange_wait_s(exchange) > 0 ? 429 : 200, NULL,
                          "", 0);
}

static void start(struct fixture *fixture, const struct http_server_limits *limits)
{
    struct http_server_options options = usual;
    options.limits = *limits;
    assert_int_equal(loop_new(&fixture->loop), 0);
    assert_int_equal(
        http_server_new(fixture->loop, &options, on_request, NULL, &fixture->server), 0);
}

static void stop(struct fixture *fixture)
{
    http_server_free(fixture->server);
    loop_free(fixture->loop);
}

/* A connection that the server believes to come from ADDRESS. */
static void take_from(struct fixture *fixture, const char *address_text,
                      struct peer *ret_peer)
{
    int ends[2] = {-1, -1};
    struct address address;
    struct timeval short_time = {.tv_usec = 1000};
    assert_int_equal(address_parse(address_text, 1, &address), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    *ret_peer = (struct peer){.fd = ends[1], .got = buffer_init(1 << 20)};
    setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof(short_time));
    http_server_take(fixture->server, ends[0], &address);
}

/* Of CONNECTIONS from NETWORK ("192.0.2."), how many were turned away at once. */
static unsigned count_turned_away(struct fixture *fixture, const char *network,
                                  unsigned connections, struct peer *ret_peers)
{
    unsigned ended = 0;
    for (unsigned i = 0; i < connections; i++) {
        char address[64];
        snprintf(address, sizeof(address), "%s%u", network, i + 1);
        take_from(fixture, address, &ret_peers[i]);
        peer_step(&ret_peers[i]);
        ended += ret_peers[i].is_ended ? 1 : 0;
    }
    return ended;
}

static void close_peers(struct peer *peers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        peer_close(&peers[i]);
    }
}

static void test_connection_rate(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct peer peers[9];
    struct prefix monitoring;
    assert_int_equal(prefix_parse("203.0.113.0/24", &monitoring), 0);
    const struct http_server_limits limits = {
        .connection_rate = {1, 3}, .unlimited = &monitoring, .unlimited_count = 1};
    start(&fixture, &limits);
    assert_int_equal(count_turned_away(&fixture, "198.51.100.", 9, peers), 6);
    close_peers(peers, 9);
    assert_int_equal(count_turned_away(&fixture, "192.0.2.", 3, peers), 0);
    close_peers(peers, 3);
    assert_int_equal(count_turned_away(&fixture, "203.0.113.", 9, peers), 0);
    close_peers(peers, 9);
    assert_int_equal(count_turned_away(&fixture, "127.0.0.", 9, peers), 0);
    close_peers(peers, 9);
    assert_int_equal(http_server_limited_connections(fixture.server), 6);
    stop(&fixture);
}

static void test_connections_of_a_network(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct peer peers[9];
    struct peer other;
    const struct http_server_limits limits = {.connections = 4};
    start(&fixture, &limits);
    assert_int_equal(count_turned_away(&fixture, "198.51.100.", 9, peers), 5);
    take_from(&fixture, "192.0.2.1", &other);
    peer_send(&other, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect(&other, fixture.loop, "200 OK");
    close_peers(peers, 9);
    pump_for(fixture.loop, 20);
    assert_int_equal(count_turned_away(&fixture, "198.51.100.", 4, peers), 0);
    close_peers(peers, 4);
    peer_close(&other);
    stop(&fixture);
}

static void expect_one(struct fixture *fixture, struct peer *peer, const char *path,
                       const char *expected)
{
    char request[128];
    buffer_reset(&peer->got);
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    peer_send(peer, request);
    peer_expect(peer, fixture->loop, expected);
}

/* Strangers of one network share a rate, and lose the connection beyond it; who is known
 * goes on, and other networks don't notice. */
static void test_request_rate(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct peer peers[3];
    const struct http_server_limits limits = {.request_rate = {1, 4}};
    start(&fixture, &limits);
    take_from(&fixture, "198.51.100.1", &peers[0]);
    take_from(&fixture, "198.51.100.2", &peers[1]);
    take_from(&fixture, "192.0.2.1", &peers[2]);
    expect_one(&fixture, &peers[0], "/known", "200 OK");
    expect_one(&fixture, &peers[1], "/x", "200 OK");
    expect_one(&fixture, &peers[1], "/x", "200 OK");
    expect_one(&fixture, &peers[1], "/x", "200 OK");
    expect_one(&fixture, &peers[1], "/x", "429 ");
    assert_true(pump_until(fixture.loop, peer_is_ended, &peers[1]));
    for (unsigned i = 0; i < 10; i++) {
        expect_one(&fixture, &peers[0], "/x", "200 OK");
    }
    expect_one(&fixture, &peers[2], "/x", "200 OK");
    assert_int_equal(http_server_limited_requests(fixture.server), 1);
    close_peers(peers, 3);
    stop(&fixture);
}

static bool has_ended(struct fixture *fixture, struct peer *peer)
{
    pump_for(fixture->loop, 2);
    peer_step(peer);
    return peer->is_ended;
}

/* Requests that are not whole make room for each other, the oldest first; one that gets on does. */
static void test_held_bytes(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct peer peers[6];
    char request[128 + 4000] = "";
    const struct http_server_limits limits = {.held_bytes = 24 << 10};
    start(&fixture, &limits);
    snprintf(request, sizeof(request),
             "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4001\r\n\r\n%04000d", 0);
    for (unsigned i = 0; i < 6; i++) {
        take_from(&fixture, "198.51.100.1", &peers[i]);
        peer_send(&peers[i], request);
        assert_false(has_ended(&fixture, &peers[i]));
    }
    assert_true(has_ended(&fixture, &peers[0]));
    assert_in_range(http_server_limited_connections(fixture.server), 2, 4);
    for (unsigned i = 4; i < 6; i++) {
        peer_send(&peers[i], "1");
        peer_expect(&peers[i], fixture.loop, "200 OK");
    }
    close_peers(peers, 6);
    stop(&fixture);
}

static void keep(struct http_exchange *exchange, void *arg)
{
    struct http_exchange **kept = arg;
    while (*kept != NULL) {
        kept++;
    }
    http_exchange_release_body(exchange);
    assert_int_equal(http_exchange_body(exchange).size, 0);
    *kept = exchange;
}

/* What is kept for long, without its body, ends nobody who comes; and gets its response. */
static void test_held_exchanges(void **state)
{
    (void)state;
    enum { KEPT = 20, ALL = KEPT + 2 };
    struct fixture fixture = {.loop = NULL};
    struct http_server_options options = usual;
    struct http_exchange *kept[ALL + 1] = {NULL};
    struct peer peers[ALL];
    char request[128 + 4000] = "";
    options.limits.held_bytes = 24 << 10;
    assert_int_equal(loop_new(&fixture.loop), 0);
    assert_int_equal(http_server_new(fixture.loop, &options, keep, kept, &fixture.server), 0);
    snprintf(request, sizeof(request),
             "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n%04000d", 0);
    for (unsigned i = 0; i < KEPT; i++) {
        take_from(&fixture, "198.51.100.1", &peers[i]);
        peer_send(&peers[i], request);
        assert_false(has_ended(&fixture, &peers[i]));
    }
    for (unsigned i = KEPT; i < ALL; i++) {
        take_from(&fixture, "192.0.2.1", &peers[i]);
        peer_send(&peers[i], "GET /x HTTP/1.1\r\n");
        assert_false(has_ended(&fixture, &peers[i]));
        peer_send(&peers[i], "Host: x\r\n\r\n");
        assert_false(has_ended(&fixture, &peers[i]));
    }
    for (unsigned i = 0; i < ALL; i++) {
        assert_non_null(kept[i]);
        http_exchange_respond(kept[i], 200, NULL, "", 0);
        peer_expect(&peers[i], fixture.loop, "200 OK");
    }
    assert_int_equal(http_server_limited_connections(fixture.server), 0);
    close_peers(peers, ALL);
    stop(&fixture);
}

static void test_handshakes(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct http_server_options options = usual;
    struct peer peers[5];
    options.limits.handshakes = 3;
    assert_int_equal(tls_server_new(&options.tls), 0);
    assert_int_equal(loop_new(&fixture.loop), 0);
    assert_int_equal(
        http_server_new(fixture.loop, &options, on_request, NULL, &fixture.server), 0);
    for (unsigned i = 0; i < 5; i++) {
        take_from(&fixture, "198.51.100.1", &peers[i]);
    }
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(has_ended(&fixture, &peers[i]), i < 2);
    }
    assert_int_equal(http_server_connection_count(fixture.server), 3);
    assert_int_equal(http_server_limited_connections(fixture.server), 2);
    close_peers(peers, 5);
    stop(&fixture);
    tls_server_free(options.tls);
}

static void test_bad_limit(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    struct http_server *server = NULL;
    struct http_server_options options = usual;
    options.limits.request_rate = (struct rate_limit){2000000, 1};
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(http_server_new(loop, &options, on_request, NULL, &server),
                     ERROR_RANGE);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_rate),
        cmocka_unit_test(test_connections_of_a_network),
        cmocka_unit_test(test_request_rate),
        cmocka_unit_test(test_held_bytes),
        cmocka_unit_test(test_held_exchanges),
        cmocka_unit_test(test_handshakes),
        cmocka_unit_test(test_bad_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
