#include "base/net/http_server.h"

#include "tests/unit/net/pair.h"
#include "tests/unit/net/peer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>

struct fixture {
    struct loop *loop;
    struct tls_server *tls;
    struct pair pair;
    struct http_server *server;
    uint16_t port;
    struct http_exchange *kept; /* by the handler, to be responded to later */
    struct loop_timer *later;
    unsigned handled;
    unsigned gone;
    struct peer peer;
};

static const struct http_server_options usual = {
    .max_connections = 8,
    .handshake_s = 1,
    .request_s = 1,
    .idle_s = 2,
    .response_s = 1,
    .max_header_bytes = 2048,
    .max_body_bytes = 4096,
};

static void on_later(void *arg)
{
    struct fixture *fixture = arg;
    http_exchange_respond(fixture->kept, 200, "text/plain", "later", 5);
    fixture->kept = NULL;
}

static void on_gone(struct http_exchange *exchange, void *arg)
{
    struct fixture *fixture = arg;
    assert_ptr_equal(exchange, fixture->kept);
    /* The exchange is readable until this returns, and a response to it has no effect. */
    assert_string_equal(http_exchange_method(exchange), "GET");
    http_exchange_respond(exchange, 200, NULL, NULL, 0);
    fixture->kept = NULL;
    fixture->gone++;
}

static void respond_with_facts(struct http_exchange *exchange)
{
    struct buffer text = buffer_init(4096);
    struct address peer;
    char peer_text[ADDRESS_TEXT_CAPACITY];
    const char *agent = http_exchange_header(exchange, "User-Agent");
    http_exchange_peer(exchange, &peer);
    address_text(&peer, peer_text);
    assert_string_equal(http_exchange_path(exchange), "/facts");
    buffer_printf(&text, "%s query=%s agent=%s sni=%s trusted=%d peer=%.10s",
                  http_exchange_method(exchange), http_exchange_query(exchange),
                  agent != NULL ? agent : "none", http_exchange_server_name(exchange),
                  http_exchange_is_trusted(exchange), peer_text);
    http_exchange_add_header(exchange, "X-Ours", "yes");
    http_exchange_respond(exchange, 200, "text/plain", text.data, text.size);
    buffer_free(&text);
}

static void on_request(struct http_exchange *exchange, void *arg)
{
    struct fixture *fixture = arg;
    const char *path = http_exchange_path(exchange);
    struct bytes body = http_exchange_body(exchange);
    static char large[300000];
    fixture->handled++;
    if (strcmp(path, "/facts") == 0) {
        respond_with_facts(exchange);
    } else if (strcmp(path, "/later") == 0) {
        fixture->kept = exchange;
        http_exchange_on_gone(exchange, on_gone, fixture);
        loop_timer_set(fixture->later, 50);
    } else if (strcmp(path, "/never") == 0) {
        fixture->kept = exchange;
        http_exchange_on_gone(exchange, on_gone, fixture);
    } else if (strcmp(path, "/kept") == 0) {
        fixture->kept = exchange;
    } else if (strcmp(path, "/split") == 0) {
        http_exchange_add_header(exchange, "X", "a\r\nSet-Cookie: b");
        http_exchange_respond(exchange, 200, NULL, NULL, 0);
    } else if (strcmp(path, "/large") == 0) {
        memset(large, 'x', sizeof(large));
        http_exchange_respond(exchange, 200, NULL, large, sizeof(large));
    } else if (strcmp(path, "/nothing") == 0) {
        http_exchange_respond(exchange, 204, NULL, NULL, 0);
    } else {
        http_exchange_respond(exchange, 200, "text/plain", body.data, body.size);
    }
}

static void start(struct fixture *fixture, const struct http_server_options *options,
                  bool with_tls)
{
    struct http_server_options copy = *options;
    struct address address;
    assert_int_equal(loop_new(&fixture->loop), 0);
    assert_int_equal(loop_timer_new(fixture->loop, on_later, fixture, &fixture->later),
                     0);
    if (with_tls) {
        assert_int_equal(tls_server_new(&fixture->tls), 0);
        pair_make(&fixture->pair, "*.id.lan.test");
        assert_int_equal(tls_server_set(fixture->tls, TLS_TRUSTED, fixture->pair.cert,
                                        fixture->pair.key),
                         0);
        copy.tls = fixture->tls;
    }
    assert_int_equal(
        http_server_new(fixture->loop, &copy, on_request, fixture, &fixture->server), 0);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &address), 0);
    assert_int_equal(http_server_listen(fixture->server, &address, &fixture->port), 0);
    peer_open(&fixture->peer, fixture->port, with_tls, "a.id.lan.test");
    if (with_tls) {
        assert_true(pump_until(fixture->loop, peer_is_shaken, &fixture->peer));
    }
}

static void stop(struct fixture *fixture)
{
    peer_close(&fixture->peer);
    http_server_free(fixture->server);
    loop_timer_free(fixture->later);
    tls_server_free(fixture->tls);
    pair_free(&fixture->pair);
    loop_free(fixture->loop);
}

static void clear(struct peer *peer)
{
    buffer_reset(&peer->got);
}

static void check_requests(bool with_tls)
{
    struct fixture fixture = {.loop = NULL};
    struct peer *peer = &fixture.peer;
    start(&fixture, &usual, with_tls);
    peer_send(peer, "GET /facts?a=b HTTP/1.1\r\nHost: x\r\nUser-Agent: me\r\n\r\n");
    peer_expect(peer, fixture.loop,
                with_tls ? "\r\n\r\nGET query=a=b agent=me sni=a.id.lan.test "
                           "trusted=1 peer=127.0.0.1:"
                         : "\r\n\r\nGET query=a=b agent=me sni= trusted=0 "
                           "peer=127.0.0.1:");
    const char *text = buffer_text(&peer->got);
    assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(text, "\r\nDate: "));
    assert_non_null(strstr(text, " GMT\r\n"));
    assert_non_null(strstr(text, "\r\nX-Ours: yes\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: text/plain\r\n"));
    assert_null(strstr(text, "Connection: close"));
    /* Keep-alive: the same connection, a body, byte for byte. */
    clear(peer);
    peer_send(peer, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    pump_for(fixture.loop, 20);
    peer_send(peer, "cd");
    peer_expect(peer, fixture.loop,
                "Content-Length: 4\r\nContent-Type: text/plain\r\n\r\nabcd");
    clear(peer);
    peer_send(peer, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n");
    peer_expect(peer, fixture.loop, "\r\n\r\nabcd");
    /* More than a socket buffer and many TLS records. */
    clear(peer);
    peer_send(peer, "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(pump_until(fixture.loop, peer_is_ended, peer));
    assert_non_null(strstr(buffer_text(&peer->got), "Content-Length: 300000\r\n"));
    assert_true(peer->got.size > 300000 && peer->got.data[peer->got.size - 1] == 'x');
    assert_int_equal(fixture.handled, 4);
    stop(&fixture);
}

static void test_requests_plain(void **state)
{
    (void)state;
    check_requests(false);
}

static void test_requests_tls(void **state)
{
    (void)state;
    check_requests(true);
}

static void test_head(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    start(&fixture, &usual, true);
    peer_send(&fixture.peer, "HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n"
                             "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect(&fixture.peer, fixture.loop, "HTTP/1.1 204 No Content\r\n");
    const char *text = buffer_text(&fixture.peer.got);
    const char *second = strstr(text, "HTTP/1.1 204");
    assert_non_null(strstr(text, "Content-Length: 300000\r\n"));
    assert_true(second - text < 300); /* no body between */
    assert_null(strstr(second, "Content-Length"));
    stop(&fixture);
}

static void test_pipelined_in_order(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct peer *peer = &fixture.peer;
    start(&fixture, &usual, true);
    peer_send(peer, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
                    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nsecond"
                    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nth");
    pump_for(fixture.loop, 20);
    assert_int_equal(fixture.handled, 1); /* one at a time */
    peer_send(peer, "ird");
    peer_expect(peer, fixture.loop, "third");
    const char *later = strstr(buffer_text(&peer->got), "\r\n\r\nlater");
    assert_non_null(later);
    assert_non_null(strstr(later, "\r\n\r\nsecond"));
    assert_int_equal(fixture.handled, 3);
    assert_int_equal(fixture.gone, 0);
    stop(&fixture);
}

static void test_many_pipelined_do_not_nest(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct buffer text = buffer_init(1 << 20);
    start(&fixture, &usual, false);
    for (unsigned i = 0; i < 3000; i++) {
        buffer_append_text(&text, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    buffer_append_text(&text, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    fcntl(fixture.peer.fd, F_SETFL, fcntl(fixture.peer.fd, F_GETFL) | O_NONBLOCK);
    for (size_t at = 0; at < text.size;) {
        ssize_t put = send(fixture.peer.fd, text.data + at, text.size - at, MSG_NOSIGNAL);
        at += put > 0 ? (size_t)put : 0;
        pump_for(fixture.loop, 1);
        peer_step(&fixture.peer);
    }
    assert_true(pump_until(fixture.loop, peer_is_ended, &fixture.peer));
    assert_int_equal(fixture.handled, 3001);
    buffer_free(&text);
    stop(&fixture);
}

static void test_continue(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct peer *peer = &fixture.peer;
    start(&fixture, &usual, true);
    peer_send(peer, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 4\r\n\r\n");
    peer_expect(peer, fixture.loop, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_send(peer, "body");
    peer_expect(peer, fixture.loop, "\r\n\r\nbody");
    /* Too large: refused without asking for it. */
    clear(peer);
    peer_send(peer, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 4097\r\n\r\n");
    peer_expect(peer, fixture.loop, "HTTP/1.1 413 Content Too Large\r\n");
    assert_null(strstr(buffer_text(&peer->got), "100 Continue"));
    stop(&fixture);
}

/* A client that sends its whole megabyte before it reads still sees why it was refused.
 */
static void check_refusal_is_seen(bool with_tls)
{
    struct fixture fixture = {.loop = NULL};
    struct peer *peer = &fixture.peer;
    static char chunk[16384];
    start(&fixture, &usual, with_tls);
    peer_send(peer, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
    for (unsigned i = 0; i < 64; i++) {
        peer_send_bytes(peer, chunk, sizeof(chunk));
        pump_for(fixture.loop, 2);
    }
    assert_true(pump_until(fixture.loop, peer_is_ended, peer));
    const char *text = buffer_text(&peer->got);
    assert_non_null(strstr(text, "HTTP/1.1 413 Content Too Large\r\n"));
    assert_non_null(strstr(text, "Connection: close\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nthe body is too large\n"));
    assert_int_equal(fixture.handled, 0);
    stop(&fixture);
}

static void test_refusal_is_seen(void **state)
{
    (void)state;
    check_refusal_is_seen(false);
    check_refusal_is_seen(true);
}

static void test_bad_requests(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 "},
        {"\x16\x03\x01", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: "
         "chunked\r\n\r\n",
         "HTTP/1.1 400 "},
        {"GET /split HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 500 "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture fixture = {.loop = NULL};
        start(&fixture, &usual, false);
        peer_send(&fixture.peer, rows[i][0]);
        assert_true(pump_until(fixture.loop, peer_is_ended, &fixture.peer));
        assert_int_equal(strncmp(buffer_text(&fixture.peer.got), rows[i][1], 13), 0);
        assert_null(strstr(buffer_text(&fixture.peer.got), "Set-Cookie"));
        stop(&fixture);
    }
}

static bool is_deserted(void *arg)
{
    struct fixture *fixture = arg;
    return http_server_connection_count(fixture->server) == 0;
}

struct drip {
    struct fixture *fixture;
    const char *text; /* sent byte by byte, the last one again and again */
    int64_t next_mono_ms;
};

static bool drip_is_ended(void *arg)
{
    struct drip *drip = arg;
    struct peer *peer = &drip->fixture->peer;
    if (clock_mono_ms() >= drip->next_mono_ms) {
        drip->next_mono_ms = clock_mono_ms() + 100;
        if (peer->ssl != NULL && SSL_is_init_finished(peer->ssl)) {
            SSL_write(peer->ssl, drip->text, 1);
        } else {
            (void)!send(peer->fd, drip->text, 1, MSG_NOSIGNAL);
        }
        drip->text += drip->text[1] != '\0' ? 1 : 0;
    }
    /* Not peer_step: with TLS it would shake hands properly. */
    char byte;
    ssize_t size = recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (size > 0 && peer->ssl != NULL) {
        peer_step(peer);
        return peer->is_ended;
    }
    return size == 0 || (size < 0 && errno != EAGAIN);
}

static void check_drip(struct fixture *fixture, const char *text)
{
    struct drip drip = {.fixture = fixture, .text = text};
    int64_t start_mono_ms = clock_mono_ms();
    assert_true(pump_until(fixture->loop, drip_is_ended, &drip));
    int64_t took_ms = clock_mono_ms() - start_mono_ms;
    if (took_ms < 900 || took_ms > 3000) {
        fail_msg("closed after %d ms, not after its deadline of 1 s", (int)took_ms);
    }
    assert_int_equal(fixture->handled, 0);
    assert_int_equal(http_server_connection_count(fixture->server), 0);
}

static void test_slow_head(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    start(&fixture, &usual, true);
    check_drip(&fixture, "GET / HTTP/1.1\r\nX: y");
    stop(&fixture);
}

static void test_slow_body(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    start(&fixture, &usual, true);
    peer_send(&fixture.peer,
              "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\n\r\n");
    check_drip(&fixture, "xy");
    stop(&fixture);
}

/* A TLS record that comes byte by byte: nothing of it can be read before its last one. */
static void test_slow_record(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct http_server_options patient = usual;
    patient.idle_s = 60;
    start(&fixture, &patient, true);
    SSL *ssl = fixture.peer.ssl;
    BIO *sink = BIO_new(BIO_s_mem());
    char *record = NULL;
    assert_non_null(sink);
    SSL_set0_wbio(ssl, sink);
    peer_send(&fixture.peer,
              "GET / HTTP/1.1\r\nHost: x\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyy\r\n\r\n");
    long size = BIO_get_mem_data(sink, &record);
    assert_true(size > 60);
    for (long i = 0; i < 60 && !is_deserted(&fixture); i++) {
        (void)!send(fixture.peer.fd, record + i, 1, MSG_NOSIGNAL);
        pump_for(fixture.loop, 100);
    }
    assert_true(is_deserted(&fixture));
    assert_int_equal(fixture.handled, 0);
    stop(&fixture);
}

static void test_slow_handshake(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    start(&fixture, &usual, true);
    peer_close(&fixture.peer);
    pump_for(fixture.loop, 20);
    peer_open(&fixture.peer, fixture.port, false, "");
    check_drip(&fixture, "\x16\x03\x01\x02\x01\x01");
    stop(&fixture);
}

static void test_idle_is_closed(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    start(&fixture, &usual, true);
    peer_send(&fixture.peer, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect(&fixture.peer, fixture.loop, "200 OK");
    int64_t start_mono_ms = clock_mono_ms();
    assert_true(pump_until(fixture.loop, peer_is_ended, &fixture.peer));
    int64_t took_ms = clock_mono_ms() - start_mono_ms;
    assert_true(took_ms > 1800 && took_ms < 4000);
    /* An orderly end: close_notify, so that the session may be resumed. */
    assert_true((SSL_get_shutdown(fixture.peer.ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
    stop(&fixture);
}

/* A peer that does not take its response. */
static void test_untaken_response(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    int small = 4096;
    start(&fixture, &usual, false);
    peer_close(&fixture.peer);
    peer_open(&fixture.peer, fixture.port, false, "");
    setsockopt(fixture.peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (unsigned i = 0; i < 30; i++) {
        peer_send(&fixture.peer, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    int64_t start_mono_ms = clock_mono_ms();
    assert_true(pump_until(fixture.loop, is_deserted, &fixture));
    assert_true(clock_mono_ms() - start_mono_ms < 4000);
    assert_true(fixture.handled < 30);
    stop(&fixture);
}

/* A full server closes the connection that has waited longest, but never one whose request
 * it has. */
static void test_cap(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct peer peers[8];
    start(&fixture, &usual, false);
    peer_send(&fixture.peer, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
    for (unsigned i = 0; i < 8; i++) {
        peer_open(&peers[i], fixture.port, false, "");
        pump_for(fixture.loop, 10);
    }
    assert_int_equal(http_server_connection_count(fixture.server), 8);
    assert_true(pump_until(fixture.loop, peer_is_ended, &peers[0]));
    peer_send(&peers[7], "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect(&peers[7], fixture.loop, "200 OK");
    assert_non_null(fixture.kept);
    http_exchange_respond(fixture.kept, 200, "text/plain", "kept", 4);
    peer_expect(&fixture.peer, fixture.loop, "kept");
    for (unsigned i = 0; i < 8; i++) {
        peer_close(&peers[i]);
    }
    stop(&fixture);
}

static void test_cap_of_busy(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct http_server_options one = usual;
    struct peer extra;
    one.max_connections = 1;
    start(&fixture, &one, false);
    peer_send(&fixture.peer, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
    pump_for(fixture.loop, 20);
    assert_non_null(fixture.kept);
    peer_open_from(&extra, "127.0.0.2", fixture.port, false, "");
    assert_true(pump_until(fixture.loop, peer_is_ended, &extra));
    peer_close(&extra);
    http_exchange_respond(fixture.kept, 200, NULL, NULL, 0);
    stop(&fixture);
}

/* Who floods pushes out itself alone. */
static void test_flood(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct peer flood[30];
    struct peer other;
    start(&fixture, &usual, false);
    peer_open_from(&other, "127.0.0.2", fixture.port, false, "");
    for (unsigned i = 0; i < 30; i++) {
        peer_open(&flood[i], fixture.port, false, "");
        pump_for(fixture.loop, 2);
    }
    assert_int_equal(http_server_connection_count(fixture.server), 8);
    peer_send(&other, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect(&other, fixture.loop, "200 OK");
    for (unsigned i = 0; i < 30; i++) {
        peer_close(&flood[i]);
    }
    peer_close(&other);
    stop(&fixture);
}

/* Without descriptors nobody is accepted, and the loop does not spin; then it goes on by itself. */
static void test_no_descriptors(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    struct peer waiting;
    struct rlimit old;
    struct rlimit none;
    struct rusage before;
    struct rusage after;
    start(&fixture, &usual, false);
    pump_for(fixture.loop, 20);
    peer_open(&waiting, fixture.port, false, "");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = (rlim_t)waiting.fd;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    pump_for(fixture.loop, 500);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(http_server_connection_count(fixture.server), 1);
    int64_t used_ms = (after.ru_utime.tv_sec - before.ru_utime.tv_sec +
                       after.ru_stime.tv_sec - before.ru_stime.tv_sec) *
                          1000 +
                      (after.ru_utime.tv_usec - before.ru_utime.tv_usec +
                       after.ru_stime.tv_usec - before.ru_stime.tv_usec) /
                          1000;
    assert_true(used_ms < 250);
    peer_send(&waiting, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect(&waiting, fixture.loop, "200 OK");
    peer_close(&waiting);
    stop(&fixture);
}

static bool is_kept(void *arg)
{
    struct fixture *fixture = arg;
    return fixture->kept != NULL;
}

static bool is_gone(void *arg)
{
    struct fixture *fixture = arg;
    return fixture->gone > 0;
}

static void check_gone(bool with_tls)
{
    struct fixture fixture = {.loop = NULL};
    start(&fixture, &usual, with_tls);
    peer_send(&fixture.peer, "GET /never HTTP/1.1\r\nHost: x\r\n\r\nGET");
    assert_true(pump_until(fixture.loop, is_kept, &fixture));
    pump_for(fixture.loop, 20);
    assert_int_equal(fixture.gone, 0);
    peer_close(&fixture.peer);
    assert_true(pump_until(fixture.loop, is_gone, &fixture));
    assert_int_equal(http_server_connection_count(fixture.server), 0);
    peer_open(&fixture.peer, fixture.port, false, "");
    stop(&fixture);
}

static void test_gone(void **state)
{
    (void)state;
    check_gone(false);
    check_gone(true);
}

/* Without a gone callback the exchange is its handler's until it responds. */
static void test_gone_unheard(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    start(&fixture, &usual, true);
    peer_send(&fixture.peer, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(pump_until(fixture.loop, is_kept, &fixture));
    peer_close(&fixture.peer);
    assert_true(pump_until(fixture.loop, is_deserted, &fixture));
    assert_string_equal(http_exchange_path(fixture.kept), "/kept");
    assert_string_equal(http_exchange_server_name(fixture.kept), "");
    http_exchange_add_header(fixture.kept, "X", "y");
    http_exchange_respond(fixture.kept, 200, NULL, "x", 1);
    peer_open(&fixture.peer, fixture.port, false, "");
    stop(&fixture);
}

static void test_free_tells_gone(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    start(&fixture, &usual, true);
    peer_send(&fixture.peer, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(pump_until(fixture.loop, is_kept, &fixture));
    stop(&fixture);
    assert_int_equal(fixture.gone, 1);
}

/* A handler's time is its own: no deadline of ours runs meanwhile. */
static void test_long_handling(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    start(&fixture, &usual, true);
    peer_send(&fixture.peer, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(pump_until(fixture.loop, is_kept, &fixture));
    pump_for(fixture.loop, 3000);
    assert_int_equal(http_server_connection_count(fixture.server), 1);
    http_exchange_respond(fixture.kept, 201, "text/plain", "done", 4);
    peer_expect(&fixture.peer, fixture.loop, "HTTP/1.1 201 Created\r\n");
    peer_expect(&fixture.peer, fixture.loop, "\r\n\r\ndone");
    stop(&fixture);
}

/* While its request is handled, a peer may send only so much more. */
static void test_read_ahead_is_bounded(void **state)
{
    (void)state;
    struct fixture fixture = {.loop = NULL};
    static char junk[65536];
    size_t sent = 0;
    start(&fixture, &usual, false);
    memset(junk, 'x', sizeof(junk));
    peer_send(&fixture.peer, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(pump_until(fixture.loop, is_kept, &fixture));
    fcntl(fixture.peer.fd, F_SETFL, fcntl(fixture.peer.fd, F_GETFL) | O_NONBLOCK);
    for (unsigned i = 0; i < 400; i++) {
        ssize_t put = send(fixture.peer.fd, junk, sizeof(junk), MSG_NOSIGNAL);
        sent += put > 0 ? (size_t)put : 0;
        pump_for(fixture.loop, 1);
    }
    assert_true(sent <
                400 * sizeof(junk)); /* the kernel's buffers are full: we don't read */
    http_exchange_respond(fixture.kept, 200, NULL, NULL, 0);
    peer_expect(&fixture.peer, fixture.loop, "200 OK");
    peer_expect(&fixture.peer, fixture.loop, "HTTP/1.1 414 ");
    stop(&fixture);
}

static void test_options(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    struct http_server *server = NULL;
    struct http_server_options options = usual;
    assert_int_equal(loop_new(&loop), 0);
    options.request_s = 0;
    assert_int_equal(http_server_new(loop, &options, on_request, NULL, &server),
                     ERROR_RANGE);
    assert_null(server);
    http_server_free(NULL);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_plain),
        cmocka_unit_test(test_requests_tls),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_pipelined_in_order),
        cmocka_unit_test(test_many_pipelined_do_not_nest),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_refusal_is_seen),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_slow_record),
        cmocka_unit_test(test_slow_handshake),
        cmocka_unit_test(test_idle_is_closed),
        cmocka_unit_test(test_untaken_response),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_cap_of_busy),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_gone_unheard),
        cmocka_unit_test(test_free_tells_gone),
        cmocka_unit_test(test_long_handling),
        cmocka_unit_test(test_read_ahead_is_bounded),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
