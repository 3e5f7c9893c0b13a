/* Every allocation of the HTTP server fails once while a client is served over TLS: the
 * client gets its response or a closed connection, and the next one is served. */
#include "base/net/http_server.h"

#include "tests/fault/net_calls.h"
#include "tests/unit/net/pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 8000 };

static struct pair pair;
static struct tls_server *shared_tls;

struct client {
    int fd;
    SSL *ssl; /* NULL: plain */
    char text[2048];
    size_t size;
    bool is_sent;
    bool is_ended;
};

static const char request[] = "POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                              "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                              "5\r\nhello\r\n0\r\n\r\n";

static void on_request(struct http_exchange *exchange, void *arg)
{
    struct bytes body = http_exchange_body(exchange);
    (void)arg;
    http_exchange_add_header(exchange, "X-Ours", "yes");
    http_exchange_respond(exchange, 200, "text/plain", body.data, body.size);
}

/* Sends the request and takes what comes. */
static bool client_is_done(void *arg)
{
    struct client *client = arg;
    size_t room = sizeof(client->text) - 1 - client->size;
    size_t got = 0;
    size_t put = 0;
    int result = 1;
    if (client->ssl == NULL) {
        if (!client->is_sent) {
            client->is_sent =
                send(client->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0;
        }
        ssize_t size = recv(client->fd, client->text + client->size, room, 0);
        got = size > 0 ? (size_t)size : 0;
        client->is_ended = size == 0 || (size < 0 && errno != EAGAIN);
        client->size += got;
        return client->is_ended;
    }
    ERR_clear_error();
    if (!client->is_sent) {
        result = SSL_write_ex(client->ssl, request, sizeof(request) - 1, &put);
        client->is_sent = result == 1;
    }
    if (client->is_sent) {
        result = SSL_read_ex(client->ssl, client->text + client->size, room, &got);
        client->size += result == 1 ? got : 0;
    }
    int reason = result == 1 ? SSL_ERROR_NONE : SSL_get_error(client->ssl, result);
    client->is_ended = reason != SSL_ERROR_NONE && reason != SSL_ERROR_WANT_READ &&
                       reason != SSL_ERROR_WANT_WRITE;
    return client->is_ended;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&server, sizeof(server)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* One request; 0 when it was answered. The server must not leave the client without an
 * end. */
static int converse(uint16_t port, SSL_CTX *context)
{
    struct client client = {.fd = connect_to(port)};
    int error = 0;
    if (context != NULL) {
        client.ssl = SSL_new(context);
        if (client.ssl == NULL || SSL_set_fd(client.ssl, client.fd) != 1) {
            error = ERROR_MEMORY;
        } else {
            SSL_set_connect_state(client.ssl);
        }
    }
    if (error == 0) {
        assert_true(net_loop_until(client_is_done, &client, WAIT_MS));
        error = strstr(client.text, "\r\n\r\nhello") != NULL ? 0 : ERROR_IO;
        if (error == 0) {
            assert_non_null(strstr(client.text, "HTTP/1.1 200 OK\r\n"));
            assert_non_null(strstr(client.text, "X-Ours: yes\r\n"));
        }
    }
    SSL_free(client.ssl);
    close(client.fd);
    return error;
}

static int serve(struct tls_server *tls)
{
    struct http_server *server = NULL;
    struct address address;
    uint16_t port = 0;
    struct http_server_options options = {
        .tls = tls,
        .max_connections = 4,
        .handshake_s = 1,
        .request_s = 1,
        .idle_s = 1,
        .response_s = 1,
        .max_header_bytes = 2048,
        .max_body_bytes = 2048,
    };
    SSL_CTX *context = NULL;
    int error = address_parse("127.0.0.1:0", 0, &address);
    if (error == 0 && tls != NULL) {
        context = SSL_CTX_new(TLS_client_method());
        error = context == NULL ? ERROR_MEMORY : 0;
    }
    if (error == 0) {
        error = http_server_new(net_loop, &options, on_request, NULL, &server);
    }
    if (error == 0) {
        error = http_server_listen(server, &address, &port);
    }
    if (error == 0) {
        error = converse(port, context);
        if (error != 0) {
            /* The failure was that connection's; the server goes on. */
            allocation_stop();
            assert_int_equal(converse(port, context), 0);
        }
    }
    http_server_free(server);
    SSL_CTX_free(context);
    return error;
}

static int serve_plain(void)
{
    return serve(NULL);
}

static int set_certificates(void)
{
    struct tls_server *tls = NULL;
    int error = tls_server_new(&tls);
    if (error == 0) {
        error = tls_server_set(tls, TLS_FALLBACK, pair.cert, pair.key);
    }
    if (error == 0) {
        error = tls_server_set(tls, TLS_TRUSTED, pair.cert, pair.key);
    }
    tls_server_free(tls);
    return error;
}

static int make_loop(void)
{
    struct loop *loop = NULL;
    int error = loop_new(&loop);
    loop_free(loop);
    return error;
}

static void test_loop(void **state)
{
    (void)state;
    assert_true(allocation_each(make_loop, true) > 0);
}

static void test_plain(void **state)
{
    (void)state;
    assert_true(allocation_each(serve_plain, false) > 10);
}

static void test_certificates(void **state)
{
    (void)state;
    assert_true(allocation_each(set_certificates, false) > 10);
}

/* A handshake allocates some thousand times on both sides; every seventh is failed here.
 */
static void test_tls(void **state)
{
    (void)state;
    size_t failed_count = 0;
    bool was_reached = true;
    assert_int_equal(serve(shared_tls), 0);
    for (size_t index = 0; was_reached; index += 7) {
        allocation_fail_at(index);
        int error = serve(shared_tls);
        was_reached = allocation_stop();
        ERR_clear_error();
        assert_true(was_reached || error == 0);
        failed_count += error != 0;
    }
    assert_true(failed_count > 10);
}

static int set_up(void **state)
{
    (void)state;
    net_loop_open();
    pair_make(&pair, "*.id.lan.test");
    assert_int_equal(tls_server_new(&shared_tls), 0);
    assert_int_equal(tls_server_set(shared_tls, TLS_TRUSTED, pair.cert, pair.key), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_server_free(shared_tls);
    pair_free(&pair);
    net_loop_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_tls),
    };
    allocation_hook();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
