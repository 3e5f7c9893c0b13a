/* The probe against the one HTTPS server, on one loop. */
#include "base/net/tls_probe.h"

#include "base/net/http_server.h"
#include "tests/unit/net/pair.h"

#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

struct result {
    struct loop *loop;
    int calls;
    int error;
    char reason[128];
    uint8_t leaf[2048];
    size_t leaf_size;
};

static void on_probed(int error, const char *reason, struct bytes leaf, void *arg)
{
    struct result *result = arg;
    result->calls++;
    result->error = error;
    assert_true(strlen(reason) < sizeof(result->reason));
    memcpy(result->reason, reason, strlen(reason) + 1);
    assert_true(leaf.size <= sizeof(result->leaf));
    if (leaf.size > 0) {
        memcpy(result->leaf, leaf.data, leaf.size);
    }
    result->leaf_size = leaf.size;
    loop_stop(result->loop);
}

static void on_request(struct http_exchange *exchange, void *arg)
{
    (void)arg;
    http_exchange_respond(exchange, 404, "text/plain", "", 0);
}

static struct result probe(struct loop *loop, uint16_t port, const char *name)
{
    struct result result = {.loop = loop};
    struct tls_probe *running = NULL;
    struct tls_probe_target target = {.name = name, .timeout_ms = 500};
    assert_int_equal(address_parse("127.0.0.1", port, &target.address), 0);
    assert_int_equal(tls_probe_start(loop, &target, on_probed, &result, &running), 0);
    assert_int_equal(result.calls, 0);
    assert_int_equal(loop_run(loop), 0);
    assert_int_equal(result.calls, 1);
    return result;
}

static void assert_leaf(const struct result *result, const struct pair *pair)
{
    struct bytes leaf = cert_leaf_der(pair->cert);
    assert_int_equal(result->error, 0);
    assert_int_equal(result->leaf_size, leaf.size);
    assert_memory_equal(result->leaf, leaf.data, leaf.size);
}

static void test_sees_what_is_served_by_name(void **state)
{
    (void)state;
    struct pair trusted = {.key = NULL};
    struct pair fallback = {.key = NULL};
    struct loop *loop = NULL;
    struct tls_server *tls = NULL;
    struct http_server *server = NULL;
    struct address address;
    uint16_t port = 0;
    struct http_server_options options = {.max_connections = 4,
                                          .handshake_s = 5,
                                          .request_s = 5,
                                          .idle_s = 5,
                                          .response_s = 5,
                                          .max_header_bytes = 4096,
                                          .max_body_bytes = 4096};
    pair_make(&trusted, "a.lan.test");
    pair_make(&fallback, "b.lan.test");
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(tls_server_new(&tls), 0);
    assert_int_equal(tls_server_set(tls, TLS_TRUSTED, trusted.cert, trusted.key), 0);
    assert_int_equal(tls_server_set(tls, TLS_FALLBACK, fallback.cert, fallback.key), 0);
    options.tls = tls;
    assert_int_equal(http_server_new(loop, &options, on_request, NULL, &server), 0);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &address), 0);
    assert_int_equal(http_server_listen(server, &address, &port), 0);
    struct result result = probe(loop, port, "a.lan.test");
    assert_leaf(&result, &trusted);
    result = probe(loop, port, "elsewhere.test");
    assert_leaf(&result, &fallback);
    tls_server_clear(tls, TLS_TRUSTED);
    result = probe(loop, port, "a.lan.test");
    assert_leaf(&result, &fallback);
    http_server_free(server);
    tls_server_free(tls);
    loop_free(loop);
    pair_free(&trusted);
    pair_free(&fallback);
}

/* A listening socket; nobody accepts from it. */
static int listen_silently(uint16_t *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t size = sizeof(name);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    *ret_port = ntohs(name.sin_port);
    return fd;
}

static void test_says_what_is_wrong(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    uint16_t port = 0;
    assert_int_equal(loop_new(&loop), 0);
    int fd = listen_silently(&port);
    struct result result = probe(loop, port, "a.lan.test");
    assert_int_equal(result.error, ERROR_TIMEOUT);
    close(fd);
    result = probe(loop, port, "a.lan.test");
    assert_int_equal(result.error, ERROR_IO);
    assert_string_equal(result.reason, "there is no connection");
    /* Somebody is there, but speaks no TLS. */
    struct http_server *server = NULL;
    struct address address;
    struct http_server_options options = {.max_connections = 4,
                                          .handshake_s = 5,
                                          .request_s = 5,
                                          .idle_s = 5,
                                          .response_s = 5,
                                          .max_header_bytes = 4096,
                                          .max_body_bytes = 4096};
    assert_int_equal(http_server_new(loop, &options, on_request, NULL, &server), 0);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &address), 0);
    assert_int_equal(http_server_listen(server, &address, &port), 0);
    result = probe(loop, port, "a.lan.test");
    assert_int_equal(result.error, ERROR_CRYPTO);
    assert_string_equal(result.reason, "the TLS handshake failed");
    http_server_free(server);
    loop_free(loop);
}

static void test_freed_before_its_end(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    struct tls_probe *running = NULL;
    struct result result = {.calls = 0};
    uint16_t port = 0;
    int fd = listen_silently(&port);
    struct tls_probe_target target = {.name = "a.lan.test", .timeout_ms = 500};
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(address_parse("127.0.0.1", port, &target.address), 0);
    assert_int_equal(tls_probe_start(loop, &target, on_probed, &result, &running), 0);
    tls_probe_free(running);
    tls_probe_free(NULL);
    assert_int_equal(result.calls, 0);
    loop_free(loop);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sees_what_is_served_by_name),
        cmocka_unit_test(test_says_what_is_wrong),
        cmocka_unit_test(test_freed_before_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
