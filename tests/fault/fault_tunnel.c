/* Every allocation of a tunnel fails once while a client talks to a backend through it: the
 * client gets its bytes or an end, and the next one is served. And what socket(2) and
 * connect(2) may answer. */
#include "base/net/tunnel.h"

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
static struct address backend;
static int listener = -1;

/* What the next calls of the tunnel do instead; 0: what they are. */
static int socket_errno;
static int connect_errno;
static unsigned connect_failures;

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_connect(int fd, const struct sockaddr *name, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *name, socklen_t size);

int __wrap_socket(int domain, int type, int protocol)
{
    if (socket_errno != 0) {
        errno = socket_errno;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

int __wrap_connect(int fd, const struct sockaddr *name, socklen_t size)
{
    if (connect_failures > 0) {
        connect_failures--;
        errno = connect_errno;
        return -1;
    }
    return __real_connect(fd, name, size);
}

struct talk {
    int fd;
    int back;
    SSL *ssl;
    bool is_sent;
    bool is_ended;
    bool is_answered;
};

/* The client says "hello", the backend gives it back. */
static bool talk_is_done(void *arg)
{
    struct talk *talk = arg;
    char text[64];
    size_t size = 0;
    int result = 1;
    if (talk->back < 0) {
        talk->back = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    ssize_t heard = talk->back >= 0 ? recv(talk->back, text, sizeof(text), 0) : -1;
    if (heard > 0) {
        ssize_t put = send(talk->back, text, (size_t)heard, MSG_NOSIGNAL);
        assert_true(put == heard || put < 0);
    } else if (talk->back >= 0 && (heard == 0 || errno != EAGAIN)) {
        /* One of an earlier client, whose end comes only now. */
        close(talk->back);
        talk->back = -1;
    }
    ERR_clear_error();
    if (!talk->is_sent) {
        result = SSL_write_ex(talk->ssl, "hello", 5, &size);
        talk->is_sent = result == 1;
    } else {
        result = SSL_read_ex(talk->ssl, text, sizeof(text), &size);
        if (result == 1) {
            assert_int_equal(size, 5);
            assert_memory_equal(text, "hello", 5);
            talk->is_answered = true;
        }
    }
    int reason = result == 1 ? SSL_ERROR_NONE : SSL_get_error(talk->ssl, result);
    talk->is_ended = reason != SSL_ERROR_NONE && reason != SSL_ERROR_WANT_READ &&
                     reason != SSL_ERROR_WANT_WRITE;
    return talk->is_ended || talk->is_answered;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(__real_connect(fd, (struct sockaddr *)&server, sizeof(server)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* 0 when the client got its bytes. It must not be left without an end. */
static int converse(uint16_t port, SSL_CTX *context)
{
    struct talk talk = {.fd = connect_to(port), .back = -1};
    int error = ERROR_MEMORY;
    talk.ssl = SSL_new(context);
    if (talk.ssl != NULL && SSL_set_fd(talk.ssl, talk.fd) == 1) {
        SSL_set_connect_state(talk.ssl);
        assert_true(net_loop_until(talk_is_done, &talk, WAIT_MS));
        error = talk.is_answered ? 0 : ERROR_IO;
    }
    SSL_free(talk.ssl);
    close(talk.fd);
    if (talk.back >= 0) {
        close(talk.back);
    }
    return error;
}

static unsigned state_count;
static int state_reason;

static void on_state(bool is_reachable, int reason, void *arg)
{
    (void)is_reachable;
    (void)arg;
    state_count++;
    state_reason = reason;
}

static int open_tunnel(struct tunnel **ret_tunnel, uint16_t *ret_port)
{
    struct tunnel_options options = {.tls = shared_tls,
                                     .backend = backend,
                                     .has_proxy_header = false,
                                     .max_connections = 4,
                                     .handshake_s = 1,
                                     .connect_s = 1,
                                     .idle_s = 1,
                                     .ending_s = 1,
                                     .state_fn = on_state};
    struct address address;
    int error = address_parse("127.0.0.1:0", 0, &address);
    if (error == 0) {
        error = tunnel_new(net_loop, &options, ret_tunnel);
    }
    if (error == 0) {
        error = tunnel_listen(*ret_tunnel, &address, ret_port);
    }
    return error;
}

static int serve(void)
{
    struct tunnel *tunnel = NULL;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    uint16_t port = 0;
    int error = context == NULL ? ERROR_MEMORY : open_tunnel(&tunnel, &port);
    if (error == 0) {
        error = converse(port, context);
        if (error != 0) {
            /* The failure was that connection's; the tunnel goes on. */
            allocation_stop();
            assert_int_equal(converse(port, context), 0);
        }
    }
    tunnel_free(tunnel);
    SSL_CTX_free(context);
    ERR_clear_error();
    return error;
}

/* A handshake allocates some thousand times on both sides; after the first ones, which are
 * the tunnel's own, every thirteenth is failed. */
static void test_allocations(void **state)
{
    (void)state;
    size_t failed_count = 0;
    bool was_reached = true;
    assert_int_equal(serve(), 0);
    for (size_t index = 0; was_reached; index += index < 40 ? 1 : 13) {
        allocation_fail_at(index);
        int error = serve();
        was_reached = allocation_stop();
        assert_true(was_reached || error == 0);
        failed_count += error != 0;
    }
    assert_true(failed_count > 10);
}

static void check_connect(int reason, unsigned count, bool is_served)
{
    struct tunnel *tunnel = NULL;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    uint16_t port = 0;
    assert_non_null(context);
    state_count = 0;
    assert_int_equal(open_tunnel(&tunnel, &port), 0);
    connect_errno = reason;
    connect_failures = count;
    assert_int_equal(converse(port, context), is_served ? 0 : ERROR_IO);
    assert_int_equal(state_count, is_served ? 0 : 1);
    connect_failures = 0;
    if (!is_served) {
        assert_int_equal(state_reason, reason);
        assert_int_equal(converse(port, context), 0);
        assert_int_equal(state_count, 2);
    }
    tunnel_free(tunnel);
    SSL_CTX_free(context);
}

static void test_connect(void **state)
{
    (void)state;
    check_connect(ENETUNREACH, 1, false);
    check_connect(ENOENT, 1, false);
    check_connect(EINTR, 1, true);
    check_connect(EAGAIN, 3, true); /* a full backlog */
    check_connect(ECONNREFUSED, 1, false);
}

static void test_no_descriptor(void **state)
{
    (void)state;
    struct tunnel *tunnel = NULL;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    uint16_t port = 0;
    assert_non_null(context);
    state_count = 0;
    assert_int_equal(open_tunnel(&tunnel, &port), 0);
    socket_errno = EMFILE;
    assert_int_equal(converse(port, context), ERROR_IO);
    socket_errno = 0;
    assert_int_equal(state_count, 1);
    assert_int_equal(state_reason, EMFILE);
    assert_int_equal(converse(port, context), 0);
    assert_int_equal(state_count, 2);
    tunnel_free(tunnel);
    SSL_CTX_free(context);
}

static int set_up(void **state)
{
    struct address any;
    (void)state;
    net_loop_open();
    pair_make(&pair, "*.id.lan.test");
    assert_int_equal(tls_server_new(&shared_tls), 0);
    assert_int_equal(tls_server_set(shared_tls, TLS_TRUSTED, pair.cert, pair.key), 0);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &any), 0);
    assert_int_equal(address_listen(&any, 16, &listener), 0);
    backend.size = sizeof(backend.storage);
    assert_int_equal(
        getsockname(listener, (struct sockaddr *)&backend.storage, &backend.size), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(listener);
    tls_server_free(shared_tls);
    pair_free(&pair);
    net_loop_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_no_descriptor),
    };
    allocation_hook();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
