#include "base/net/status_server.h"

#include "tests/unit/net/peer.h"

#include <stdlib.h>

struct fixture {
    struct loop *loop;
    struct metrics *metrics;
    struct status_server *server;
    struct peer peer;
    unsigned collected;
    bool is_ill;
};

static const struct metrics_row rows[] = {
    {.type = METRICS_GAUGE, .name = "latchkey_test", .help = "How often it was asked."}};

static void collect(void *arg)
{
    struct fixture *fixture = arg;
    fixture->collected++;
    metrics_set(fixture->metrics, (struct metrics_at){.row = 0}, fixture->collected);
}

static bool is_well(void *arg, struct buffer *reason)
{
    struct fixture *fixture = arg;
    buffer_append_text(reason, fixture->is_ill ? "the store is gone" : "");
    return !fixture->is_ill;
}

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    assert_int_equal(loop_new(&fixture->loop), 0);
    assert_int_equal(metrics_new(rows, 1, &fixture->metrics), 0);
    const struct status_server_options options = {
        .listen = "127.0.0.1:0",
        .role = "front",
        .metrics = fixture->metrics,
        .collect = collect,
        .health = is_well,
        .arg = fixture,
    };
    assert_int_equal(status_server_new(fixture->loop, &options, &fixture->server), 0);
    peer_open(&fixture->peer, status_server_port(fixture->server), false, "");
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;
    peer_close(&fixture->peer);
    status_server_free(fixture->server);
    metrics_free(fixture->metrics);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void ask(struct fixture *fixture, const char *request, const char *want)
{
    buffer_reset(&fixture->peer.got);
    peer_send(&fixture->peer, request);
    peer_expect(&fixture->peer, fixture->loop, want);
}

static void test_metrics(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "GET /metrics HTTP/1.1\r\nHost: localhost:9441\r\n\r\n",
        "\nlatchkey_test 1\n");
    const char *text = buffer_text(&fixture->peer.got);
    assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(text, "text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(
        strstr(text, "latchkey_build_info{role=\"front\",version=\"" LATCHKEY_VERSION
                     "\"} 1\n"));
    assert_non_null(strstr(text, "\nprocess_resident_memory_bytes "));
    assert_non_null(strstr(text, "\nprocess_open_fds "));
    assert_non_null(strstr(text, "\nprocess_cpu_seconds_total "));
    assert_non_null(strstr(text, "\nprocess_start_time_seconds "));
    ask(fixture, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "\nlatchkey_test 2\n");
}

static void test_health(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "GET /healthz HTTP/1.1\r\nHost: [::1]\r\n\r\n", "\r\n\r\nok\n");
    assert_non_null(strstr(buffer_text(&fixture->peer.got), "HTTP/1.1 200 OK\r\n"));
    fixture->is_ill = true;
    ask(fixture, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\r\n\r\nthe store is gone\n");
    assert_non_null(strstr(buffer_text(&fixture->peer.got), "HTTP/1.1 503 "));
}

/* A page of somebody else's whose name was made to lead here reads nothing. */
static void test_strangers(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 421 ");
    assert_null(strstr(buffer_text(&fixture->peer.got), "latchkey_test"));
    ask(fixture, "GET /healthz HTTP/1.1\r\nHost: evil.example:9441\r\n\r\n",
        "HTTP/1.1 421 ");
    ask(fixture, "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 405 ");
    ask(fixture, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 404 ");
    assert_int_equal(fixture->collected, 0);
}

static void test_addresses(void **state)
{
    struct fixture *fixture = *state;
    struct status_server *server = NULL;
    char taken[32];
    struct status_server_options options = {.listen = "0.0.0.0:0", .role = "front"};
    assert_int_equal(status_server_new(fixture->loop, &options, &server), ERROR_DENIED);
    assert_non_null(strstr(status_server_error_text(ERROR_DENIED), "loopback"));
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", status_server_port(fixture->server));
    options.listen = taken;
    assert_int_equal(status_server_new(fixture->loop, &options, &server), ERROR_IO);
    assert_string_equal(status_server_error_text(ERROR_IO), strerror(EADDRINUSE));
    assert_null(server);
    status_server_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_metrics, start, stop),
        cmocka_unit_test_setup_teardown(test_health, start, stop),
        cmocka_unit_test_setup_teardown(test_strangers, start, stop),
        cmocka_unit_test_setup_teardown(test_addresses, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
