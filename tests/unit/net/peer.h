/* A client of our server for tests, in the same thread: it does a step whenever the loop
 * has had a turn. */
#ifndef TESTS_UNIT_NET_PEER_H
#define TESTS_UNIT_NET_PEER_H

#include "base/core/buffer.h"
#include "tests/unit/net/pump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
    int fd;
    SSL_CTX *context;
    SSL *ssl; /* NULL: plain */
    struct buffer got;
    bool is_ended;        /* the server has closed, in whatever manner */
    const char *expected; /* what peer_has_expected waits for */
};

/* SOURCE is one of 127/8, where the server sees the peer. */
static inline void peer_open_from(struct peer *peer, const char *source, uint16_t port,
                                  bool with_tls, const char *name)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in own = {.sin_family = AF_INET};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(inet_pton(AF_INET, source, &own.sin_addr), 1);
    *peer = (struct peer){.got = buffer_init(1 << 20)};
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->fd >= 0);
    assert_int_equal(bind(peer->fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(peer->fd, (struct sockaddr *)&server, sizeof(server)), 0);
    if (with_tls) {
        peer->context = SSL_CTX_new(TLS_client_method());
        assert_non_null(peer->context);
        peer->ssl = SSL_new(peer->context);
        assert_non_null(peer->ssl);
        assert_int_equal(SSL_set_fd(peer->ssl, peer->fd), 1);
        SSL_set_connect_state(peer->ssl);
        SSL_ctrl(peer->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 (void *)(uintptr_t)name);
    }
    struct timeval short_time = {.tv_usec = 1000};
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof(short_time));
    setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &short_time, sizeof(short_time));
}

static inline void peer_open(struct peer *peer, uint16_t port, bool with_tls,
                             const char *name)
{
    peer_open_from(peer, "127.0.0.1", port, with_tls, name);
}

static inline void peer_close(struct peer *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    close(peer->fd);
    buffer_free(&peer->got);
}

/* Takes what is there now. */
static inline void peer_step(struct peer *peer)
{
    char chunk[16384];
    if (peer->is_ended) {
        return;
    }
    if (peer->ssl == NULL) {
        ssize_t size = recv(peer->fd, chunk, sizeof(chunk), 0);
        if (size > 0) {
            assert_int_equal(buffer_append(&peer->got, chunk, (size_t)size), 0);
        }
        peer->is_ended = size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
        return;
    }
    int size = SSL_read(peer->ssl, chunk, sizeof(chunk));
    if (size > 0) {
        assert_int_equal(buffer_append(&peer->got, chunk, (size_t)size), 0);
        return;
    }
    int reason = SSL_get_error(peer->ssl, size);
    peer->is_ended = reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE;
}

static inline bool peer_is_ended(void *arg)
{
    struct peer *peer = arg;
    peer_step(peer);
    return peer->is_ended;
}

static inline bool peer_has_expected(void *arg)
{
    struct peer *peer = arg;
    peer_step(peer);
    return strstr(buffer_text(&peer->got), peer->expected) != NULL;
}

static inline bool peer_is_shaken(void *arg)
{
    struct peer *peer = arg;
    return SSL_do_handshake(peer->ssl) == 1;
}

/* A TLS peer must have shaken hands. */
static inline void peer_send_bytes(struct peer *peer, const void *data, size_t size)
{
    if (peer->ssl != NULL) {
        assert_int_equal(SSL_write(peer->ssl, data, (int)size), (int)size);
    } else {
        assert_int_equal(send(peer->fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
    }
}

static inline void peer_send(struct peer *peer, const char *text)
{
    peer_send_bytes(peer, text, strlen(text));
}

/* Runs LOOP until TEXT has come. */
static inline void peer_expect(struct peer *peer, struct loop *loop, const char *text)
{
    peer->expected = text;
    if (!pump_until(loop, peer_has_expected, peer)) {
        fail_msg("'%s' did not come; what came: '%s'", text, buffer_text(&peer->got));
    }
}

#endif
