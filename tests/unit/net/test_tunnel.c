/* A tunnel between a TLS client (peer.h) and a backend, which is a socket of the test's own:
 * all in one thread. What a real agent does with it is in tests/system/test_terminator.py. */
#include "base/net/tunnel.h"

#include "tests/unit/net/pair.h"
#include "tests/unit/net/peer.h"

#include <openssl/err.h>
#include <stdio.h>
#include <sys/un.h>

struct fixture {
    struct loop *loop;
    struct tls_server *tls;
    struct pair pair;
    struct tunnel *tunnel;
    uint16_t port;
    int listener; /* the backend's */
    struct peer peer;
    int back; /* the peer's connection as the backend sees it */
    unsigned state_count;
    bool is_reachable;
    int reason;
};

static const struct tunnel_options usual = {
    .max_connections = 8,
    .handshake_s = 1,
    .connect_s = 1,
    .idle_s = 2,
    .ending_s = 1,
};

static void on_state(bool is_reachable, int reason, void *arg)
{
    struct fixture *fixture = arg;
    fixture->state_count++;
    fixture->is_reachable = is_reachable;
    fixture->reason = reason;
}

static void open_backend(struct fixture *fixture, struct address *ret_address)
{
    struct address any;
    ret_address->size = sizeof(ret_address->storage);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &any), 0);
    assert_int_equal(address_listen(&any, 16, &fixture->listener), 0);
    assert_int_equal(getsockname(fixture->listener,
                                 (struct sockaddr *)&ret_address->storage,
                                 &ret_address->size),
                     0);
}

static bool has_back(void *arg)
{
    struct fixture *fixture = arg;
    fixture->back = accept4(fixture->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fixture->back >= 0;
}

static void start_with(struct fixture *fixture, const struct tunnel_options *options)
{
    struct tunnel_options copy = *options;
    struct address address;
    *fixture = (struct fixture){.listener = -1, .back = -1};
    assert_int_equal(loop_new(&fixture->loop), 0);
    assert_int_equal(tls_server_new(&fixture->tls), 0);
    pair_make(&fixture->pair, "*.id.lan.test");
    assert_int_equal(
        tls_server_set(fixture->tls, TLS_TRUSTED, fixture->pair.cert, fixture->pair.key),
        0);
    copy.tls = fixture->tls;
    copy.state_fn = on_state;
    copy.arg = fixture;
    if (copy.backend.size == 0) {
        open_backend(fixture, &copy.backend);
    }
    assert_int_equal(tunnel_new(fixture->loop, &copy, &fixture->tunnel), 0);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &address), 0);
    assert_int_equal(tunnel_listen(fixture->tunnel, &address, &fixture->port), 0);
}

static void open_peer(struct fixture *fixture, struct peer *peer)
{
    peer_open(peer, fixture->port, true, "a.id.lan.test");
    assert_true(pump_until(fixture->loop, peer_is_shaken, peer));
}

static void start(struct fixture *fixture)
{
    start_with(fixture, &usual);
    open_peer(fixture, &fixture->peer);
    assert_true(pump_until(fixture->loop, has_back, fixture));
}

static void close_back(struct fixture *fixture)
{
    if (fixture->back >= 0) {
        close(fixture->back);
        fixture->back = -1;
    }
}

static void stop(struct fixture *fixture)
{
    if (fixture->peer.ssl != NULL) {
        peer_close(&fixture->peer);
    }
    tunnel_free(fixture->tunnel);
    close_back(fixture);
    if (fixture->listener >= 0) {
        close(fixture->listener);
    }
    tls_server_free(fixture->tls);
    pair_free(&fixture->pair);
    loop_free(fixture->loop);
}

/* What has come to the backend until now, and how it ended. */
struct taken {
    int fd;
    size_t size;
    size_t expected_size;
    int end_errno; /* -1: not ended; 0: properly */
    uint8_t data[4096];
};

static bool has_taken(void *arg)
{
    struct taken *taken = arg;
    uint8_t chunk[65536];
    for (;;) {
        ssize_t got = recv(taken->fd, chunk, sizeof(chunk), 0);
        if (got <= 0) {
            if (got == 0 || errno != EAGAIN) {
                taken->end_errno = got == 0 ? 0 : errno;
            }
            break;
        }
        for (size_t i = 0; i < (size_t)got; i++, taken->size++) {
            if (taken->size < sizeof(taken->data)) {
                taken->data[taken->size] = chunk[i];
            }
        }
    }
    return taken->size >= taken->expected_size || taken->end_errno >= 0;
}

static void take(struct fixture *fixture, struct taken *taken, size_t expected_size)
{
    taken->fd = fixture->back;
    taken->expected_size = expected_size;
    assert_true(pump_until(fixture->loop, has_taken, taken));
}

static void say(const struct fixture *fixture, const char *text)
{
    assert_int_equal(send(fixture->back, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool is_deserted(void *arg)
{
    const struct fixture *fixture = arg;
    return tunnel_connection_count(fixture->tunnel) == 0;
}

static bool had_close_notify(const struct peer *peer)
{
    return (SSL_get_shutdown(peer->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

static void test_both_ways(void **state)
{
    (void)state;
    struct fixture fixture;
    struct taken taken = {.end_errno = -1};
    start(&fixture);
    /* Nothing goes before the client's bytes, and the backend may speak first. */
    say(&fixture, "220 hello\r\n");
    peer_expect(&fixture.peer, fixture.loop, "220 hello\r\n");
    peer_send(&fixture.peer, "EHLO");
    take(&fixture, &taken, 4);
    assert_memory_equal(taken.data, "EHLO", 4);
    /* One byte at a time, in both directions. */
    for (unsigned i = 0; i < 100; i++) {
        char byte[2] = {(char)('a' + i % 26), '\0'};
        peer_send(&fixture.peer, byte);
        take(&fixture, &taken, 5 + i);
        say(&fixture, byte);
        pump_for(fixture.loop, 1);
        peer_step(&fixture.peer);
    }
    peer_expect(&fixture.peer, fixture.loop, "uv");
    assert_int_equal(taken.size, 104);
    assert_int_equal(tunnel_connection_count(fixture.tunnel), 1);
    stop(&fixture);
}

/* The client has said all (close_notify), and still gets its response. */
static void test_client_ends_first(void **state)
{
    (void)state;
    struct fixture fixture;
    struct taken taken = {.end_errno = -1};
    start(&fixture);
    peer_send(&fixture.peer, "question");
    SSL_shutdown(fixture.peer.ssl);
    take(&fixture, &taken, 100);
    assert_int_equal(taken.end_errno, 0);
    assert_int_equal(taken.size, 8);
    say(&fixture, "the answer");
    peer_expect(&fixture.peer, fixture.loop, "the answer");
    close_back(&fixture);
    assert_true(pump_until(fixture.loop, peer_is_ended, &fixture.peer));
    assert_true(had_close_notify(&fixture.peer));
    assert_true(pump_until(fixture.loop, is_deserted, &fixture));
    stop(&fixture);
}

/* The backend has said all, and still takes what comes. */
static void test_backend_ends_first(void **state)
{
    (void)state;
    struct fixture fixture;
    struct taken taken = {.end_errno = -1};
    start(&fixture);
    say(&fixture, "goodbye");
    shutdown(fixture.back, SHUT_WR);
    assert_true(pump_until(fixture.loop, peer_is_ended, &fixture.peer));
    assert_string_equal(buffer_text(&fixture.peer.got), "goodbye");
    assert_true(had_close_notify(&fixture.peer));
    peer_send(&fixture.peer, "not yet");
    take(&fixture, &taken, 7);
    pump_for(fixture.loop, 100);
    assert_int_equal(tunnel_connection_count(fixture.tunnel), 1);
    SSL_shutdown(fixture.peer.ssl);
    take(&fixture, &taken, 100);
    assert_int_equal(taken.end_errno, 0);
    assert_true(pump_until(fixture.loop, is_deserted, &fixture));
    stop(&fixture);
}

/* A client that is cut off must not look like one that has sent all. */
static void test_client_is_cut_off(void **state)
{
    (void)state;
    struct fixture fixture;
    struct taken taken = {.end_errno = -1};
    start(&fixture);
    peer_send(&fixture.peer, "half of it");
    take(&fixture, &taken, 10);
    shutdown(fixture.peer.fd, SHUT_WR); /* FIN without a close_notify */
    take(&fixture, &taken, 100);
    assert_int_equal(taken.end_errno, ECONNRESET);
    assert_true(pump_until(fixture.loop, is_deserted, &fixture));
    stop(&fixture);
}

static void test_backend_is_cut_off(void **state)
{
    (void)state;
    struct fixture fixture;
    static const struct linger at_once = {.l_onoff = 1};
    start(&fixture);
    say(&fixture, "half");
    peer_expect(&fixture.peer, fixture.loop, "half");
    setsockopt(fixture.back, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close_back(&fixture);
    assert_true(pump_until(fixture.loop, peer_is_ended, &fixture.peer));
    assert_false(had_close_notify(&fixture.peer));
    peer_close(&fixture.peer);
    fixture.peer.ssl = NULL;
    assert_true(pump_until(fixture.loop, is_deserted, &fixture));
    stop(&fixture);
}

/* A response while the request is still on its way (a 413): the client gets it. */
static void test_early_response(void **state)
{
    (void)state;
    struct fixture fixture;
    char chunk[16384];
    memset(chunk, 'x', sizeof(chunk));
    start(&fixture);
    say(&fixture, "413 too large");
    close_back(&fixture);
    for (unsigned i = 0; i < 20; i++) {
        (void)SSL_write(fixture.peer.ssl, chunk, sizeof(chunk));
        pump_for(fixture.loop, 1);
    }
    peer_expect(&fixture.peer, fixture.loop, "413 too large");
    assert_true(pump_until(fixture.loop, peer_is_ended, &fixture.peer));
    assert_true(had_close_notify(&fixture.peer));
    /* It stops, and is soon forgotten. */
    assert_true(pump_until(fixture.loop, is_deserted, &fixture));
    stop(&fixture);
}

enum { MUCH = 24 << 20 }; /* more than the kernel's buffers on the way hold */

struct stream_job {
    struct fixture *fixture;
    size_t sent;
    size_t received;
    bool is_reading; /* the receiving side */
};

static uint8_t byte_at(size_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 11));
}

static void fill(uint8_t *chunk, size_t size, size_t offset)
{
    for (size_t i = 0; i < size; i++) {
        chunk[i] = byte_at(offset + i);
    }
}

static void check(const uint8_t *chunk, size_t size, size_t offset)
{
    for (size_t i = 0; i < size; i++) {
        if (chunk[i] != byte_at(offset + i)) {
            fail_msg("byte %zu is wrong", offset + i);
        }
    }
}

static bool upload(void *arg)
{
    struct stream_job *job = arg;
    static uint8_t chunk[250000];
    size_t size = sizeof(chunk) < MUCH - job->sent ? sizeof(chunk) : MUCH - job->sent;
    if (size > 0) {
        fill(chunk, size, job->sent);
        size_t put = 0;
        SSL_set_mode(job->fixture->peer.ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        if (SSL_write_ex(job->fixture->peer.ssl, chunk, size, &put) == 1) {
            job->sent += put;
        } else {
            ERR_clear_error();
        }
    }
    ssize_t got = job->is_reading ? recv(job->fixture->back, chunk, sizeof(chunk), 0) : 0;
    if (got > 0) {
        check(chunk, (size_t)got, job->received);
        job->received += (size_t)got;
    }
    return job->received == MUCH;
}

static bool download(void *arg)
{
    struct stream_job *job = arg;
    static uint8_t chunk[250000];
    size_t size = sizeof(chunk) < MUCH - job->sent ? sizeof(chunk) : MUCH - job->sent;
    size_t got = 0;
    if (size > 0) {
        fill(chunk, size, job->sent);
        ssize_t put = send(job->fixture->back, chunk, size, MSG_NOSIGNAL);
        job->sent += put > 0 ? (size_t)put : 0;
    }
    while (job->is_reading &&
           SSL_read_ex(job->fixture->peer.ssl, chunk, sizeof(chunk), &got) == 1) {
        check(chunk, got, job->received);
        job->received += got;
    }
    ERR_clear_error();
    return job->received == MUCH;
}

/* A side that does not read holds the other one up, and then all of it comes. What is held
 * meanwhile is bounded: by sockets' buffers, and one buffer of the tunnel's. */
static void check_pressure(bool (*step)(void *arg))
{
    struct fixture fixture;
    struct stream_job job = {.fixture = &fixture};
    struct tunnel_options options = usual;
    options.idle_s = 20;
    start_with(&fixture, &options);
    open_peer(&fixture, &fixture.peer);
    assert_true(pump_until(fixture.loop, has_back, &fixture));
    SSL_set_mode(fixture.peer.ssl,
                 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    for (unsigned quiet = 0; quiet < 50; quiet++) {
        size_t before = job.sent;
        assert_false(step(&job));
        pump_for(fixture.loop, 1);
        quiet = job.sent != before ? 0 : quiet;
    }
    assert_true(job.sent < MUCH);
    job.is_reading = true;
    assert_true(pump_until(fixture.loop, step, &job));
    stop(&fixture);
}

static void test_backend_never_reads(void **state)
{
    (void)state;
    check_pressure(upload);
}

static void test_client_never_reads(void **state)
{
    (void)state;
    check_pressure(download);
}

static void test_proxy_header(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tunnel_options options = usual;
    struct taken taken = {.end_errno = -1};
    struct sockaddr_in own;
    socklen_t size = sizeof(own);
    options.has_proxy_header = true;
    start_with(&fixture, &options);
    open_peer(&fixture, &fixture.peer);
    assert_true(pump_until(fixture.loop, has_back, &fixture));
    /* It comes without waiting for the client, once, and before its bytes. */
    take(&fixture, &taken, 28);
    assert_memory_equal(taken.data, "\r\n\r\n\0\r\nQUIT\n\x21\x11", 14);
    assert_int_equal(taken.size, 16 + taken.data[14] * 256 + taken.data[15]);
    assert_int_equal(getsockname(fixture.peer.fd, (struct sockaddr *)&own, &size), 0);
    assert_memory_equal(taken.data + 16, "\x7f\0\0\1\x7f\0\0\1", 8);
    assert_memory_equal(taken.data + 24, &own.sin_port, 2);
    assert_int_equal(taken.data[26] * 256 + taken.data[27], fixture.port);
    assert_memory_equal(taken.data + 28,
                        "\x02\x00\x0d"
                        "a.id.lan.test",
                        16);
    size_t header_size = taken.size;
    peer_send(&fixture.peer, "first");
    take(&fixture, &taken, header_size + 5);
    assert_memory_equal(taken.data + header_size, "first", 5);
    stop(&fixture);
}

/* Reported once, and once more when it is back; the clients get a proper end. */
static void test_backend_down(void **state)
{
    (void)state;
    struct fixture fixture;
    struct sockaddr_in name;
    socklen_t size = sizeof(name);
    struct peer second;
    start_with(&fixture, &usual);
    assert_int_equal(getsockname(fixture.listener, (struct sockaddr *)&name, &size), 0);
    close(fixture.listener);
    open_peer(&fixture, &fixture.peer);
    assert_true(pump_until(fixture.loop, peer_is_ended, &fixture.peer));
    assert_true(had_close_notify(&fixture.peer));
    open_peer(&fixture, &second);
    assert_true(pump_until(fixture.loop, peer_is_ended, &second));
    peer_close(&second);
    assert_int_equal(fixture.state_count, 1);
    assert_false(fixture.is_reachable);
    assert_int_equal(fixture.reason, ECONNREFUSED);
    struct address address = {.size = sizeof(name)};
    memcpy(&address.storage, &name, sizeof(name));
    assert_int_equal(address_listen(&address, 16, &fixture.listener), 0);
    open_peer(&fixture, &second);
    assert_true(pump_until(fixture.loop, has_back, &fixture));
    assert_int_equal(fixture.state_count, 2);
    assert_true(fixture.is_reachable);
    peer_close(&second);
    stop(&fixture);
}

/* A unix socket whose backlog is full: no failure, the connection waits for its place. */
static void test_full_backlog(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tunnel_options options = usual;
    struct peer peers[4];
    char path[64];
    int listener = -1;
    (void)snprintf(path, sizeof(path), "/tmp/latchkey-tunnel-%ld", (long)getpid());
    assert_int_equal(address_parse(path, 0, &options.backend), 0);
    assert_int_equal(address_listen(&options.backend, 1, &listener), 0);
    options.connect_s = 5;
    start_with(&fixture, &options);
    fixture.listener = listener;
    for (unsigned i = 0; i < 4; i++) {
        open_peer(&fixture, &peers[i]);
    }
    pump_for(fixture.loop, 50);
    assert_int_equal(tunnel_connection_count(fixture.tunnel), 4);
    for (unsigned i = 0; i < 4; i++) {
        char text[2] = {(char)('1' + i), '\0'};
        assert_true(pump_until(fixture.loop, has_back, &fixture));
        say(&fixture, text);
        close_back(&fixture);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_true(pump_until(fixture.loop, peer_is_ended, &peers[i]));
        assert_int_equal(peers[i].got.size, 1);
        peer_close(&peers[i]);
    }
    assert_int_equal(fixture.state_count, 0);
    stop(&fixture);
    unlink(path);
}

static void test_full_backlog_for_long(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tunnel_options options = usual;
    struct peer peers[3];
    char path[64];
    int listener = -1;
    (void)snprintf(path, sizeof(path), "/tmp/latchkey-tunnel-%ld", (long)getpid());
    assert_int_equal(address_parse(path, 0, &options.backend), 0);
    assert_int_equal(address_listen(&options.backend, 0, &listener), 0);
    start_with(&fixture, &options);
    fixture.listener = listener;
    for (unsigned i = 0; i < 3; i++) {
        open_peer(&fixture, &peers[i]);
    }
    assert_true(pump_until(fixture.loop, peer_is_ended, &peers[2]));
    assert_int_equal(fixture.state_count, 1);
    assert_int_equal(fixture.reason, ETIMEDOUT);
    for (unsigned i = 0; i < 3; i++) {
        peer_close(&peers[i]);
    }
    stop(&fixture);
    unlink(path);
}

static void test_deadlines(void **state)
{
    (void)state;
    struct fixture fixture;
    struct peer silent;
    struct taken taken = {.end_errno = -1};
    struct tunnel_options options = usual;
    options.idle_s = 3;
    start_with(&fixture, &options);
    open_peer(&fixture, &fixture.peer);
    assert_true(pump_until(fixture.loop, has_back, &fixture));
    int64_t start_mono_ms = clock_mono_ms();
    peer_open(&silent, fixture.port, false, "");
    assert_true(pump_until(fixture.loop, peer_is_ended, &silent));
    int64_t took_ms = clock_mono_ms() - start_mono_ms;
    assert_true(took_ms >= 900 && took_ms < 3500);
    /* Bytes move the idle deadline, in either direction. */
    for (unsigned i = 0; i < 6; i++) {
        pump_for(fixture.loop, 400);
        say(&fixture, "x");
    }
    assert_int_equal(tunnel_connection_count(fixture.tunnel), 1);
    take(&fixture, &taken, 100);
    assert_int_equal(taken.end_errno, ECONNRESET);
    took_ms = clock_mono_ms() - start_mono_ms - took_ms;
    assert_true(took_ms >= 4500 && took_ms < 12000);
    assert_true(pump_until(fixture.loop, peer_is_ended, &fixture.peer));
    peer_close(&silent);
    stop(&fixture);
}

/* The backend has ended; a client that never does is let go. */
static void test_client_never_ends(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tunnel_options options = usual;
    options.idle_s = 60;
    start_with(&fixture, &options);
    open_peer(&fixture, &fixture.peer);
    assert_true(pump_until(fixture.loop, has_back, &fixture));
    close_back(&fixture);
    assert_true(pump_until(fixture.loop, is_deserted, &fixture));
    stop(&fixture);
}

/* Who floods pushes out itself alone, with or without a handshake. */
static void test_flood(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tunnel_options options = usual;
    struct peer flood[30];
    struct taken taken = {.end_errno = -1};
    options.handshake_s = 20;
    start_with(&fixture, &options);
    peer_open_from(&fixture.peer, "127.0.0.2", fixture.port, true, "");
    assert_true(pump_until(fixture.loop, peer_is_shaken, &fixture.peer));
    assert_true(pump_until(fixture.loop, has_back, &fixture));
    for (unsigned i = 0; i < 30; i++) {
        peer_open(&flood[i], fixture.port, i % 2 == 0, "");
        for (unsigned turn = 0; turn < 5; turn++) {
            pump_for(fixture.loop, 1);
            (void)(i % 2 == 0 && peer_is_shaken(&flood[i]));
        }
        assert_true(tunnel_connection_count(fixture.tunnel) <= 8);
    }
    peer_send(&fixture.peer, "still here");
    take(&fixture, &taken, 10);
    assert_int_equal(taken.end_errno, -1);
    for (unsigned i = 0; i < 30; i++) {
        peer_close(&flood[i]);
    }
    stop(&fixture);
}

/* Another certificate for those who come; who is there keeps the one it has. */
static void test_certificate_swap(void **state)
{
    (void)state;
    struct fixture fixture;
    struct peer second;
    struct pair fresh;
    start(&fixture);
    X509 *before = SSL_get1_peer_certificate(fixture.peer.ssl);
    pair_make(&fresh, "*.id.lan.test");
    assert_int_equal(tls_server_set(fixture.tls, TLS_TRUSTED, fresh.cert, fresh.key), 0);
    say(&fixture, "on and on");
    peer_expect(&fixture.peer, fixture.loop, "on and on");
    open_peer(&fixture, &second);
    X509 *after = SSL_get1_peer_certificate(second.ssl);
    assert_int_not_equal(X509_cmp(before, after), 0);
    assert_int_equal(X509_cmp(after, cert_x509(fresh.cert, 0)), 0);
    X509_free(before);
    X509_free(after);
    peer_close(&second);
    pair_free(&fresh);
    stop(&fixture);
}

/* A protocol of its own is the backend's matter; a browser's offer gets its answer. */
static void test_alpn(void **state)
{
    (void)state;
    static const unsigned char offers[][16] = {"\x04mqtt", "\x02h2\x08http/1.1"};
    static const unsigned sizes[] = {5, 12};
    struct fixture fixture;
    start(&fixture);
    for (unsigned i = 0; i < 2; i++) {
        struct peer peer;
        const unsigned char *chosen = NULL;
        unsigned size = 0;
        peer_open(&peer, fixture.port, true, "a.id.lan.test");
        assert_int_equal(SSL_set_alpn_protos(peer.ssl, offers[i], sizes[i]), 0);
        assert_true(pump_until(fixture.loop, peer_is_shaken, &peer));
        SSL_get0_alpn_selected(peer.ssl, &chosen, &size);
        assert_int_equal(size, i == 0 ? 0 : 8);
        peer_close(&peer);
    }
    stop(&fixture);
}

/* A client that asks for thousands of KeyUpdates and takes no answer stalls itself. */
static void test_key_updates(void **state)
{
    (void)state;
    struct fixture fixture;
    int small = 4096;
    unsigned done = 0;
    start(&fixture);
    setsockopt(fixture.peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (unsigned i = 0; i < 20000; i++) {
        if (SSL_key_update(fixture.peer.ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
            SSL_do_handshake(fixture.peer.ssl) == 1) {
            done++;
        }
        ERR_clear_error();
        if (i % 100 == 0) {
            pump_for(fixture.loop, 1);
        }
    }
    assert_true(done > 100);
    stop(&fixture);
}

static void test_garbage(void **state)
{
    (void)state;
    struct fixture fixture;
    struct peer plain;
    start(&fixture);
    peer_open(&plain, fixture.port, false, "");
    peer_send(&plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(pump_until(fixture.loop, peer_is_ended, &plain));
    assert_int_equal(tunnel_connection_count(fixture.tunnel), 1);
    peer_close(&plain);
    stop(&fixture);
}

static void test_options(void **state)
{
    (void)state;
    struct tunnel_options options = usual;
    struct tunnel *tunnel = NULL;
    options.idle_s = 0;
    assert_int_equal(tunnel_new(NULL, &options, &tunnel), ERROR_RANGE);
    options = usual;
    options.max_connections = 0;
    assert_int_equal(tunnel_new(NULL, &options, &tunnel), ERROR_RANGE);
    assert_null(tunnel);
    tunnel_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_client_ends_first),
        cmocka_unit_test(test_backend_ends_first),
        cmocka_unit_test(test_client_is_cut_off),
        cmocka_unit_test(test_backend_is_cut_off),
        cmocka_unit_test(test_early_response),
        cmocka_unit_test(test_backend_never_reads),
        cmocka_unit_test(test_client_never_reads),
        cmocka_unit_test(test_proxy_header),
        cmocka_unit_test(test_backend_down),
        cmocka_unit_test(test_full_backlog),
        cmocka_unit_test(test_full_backlog_for_long),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_client_never_ends),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_certificate_swap),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_key_updates),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
