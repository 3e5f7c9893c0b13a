/* A connection's bytes, by read(2)/send(2) or by OpenSSL on the same descriptor.
 *
 * OpenSSL is driven on the descriptor itself, not through libevent's bufferevents: they
 * allocate two evbuffers and a rate-limit group per connection, write through a path of
 * their own where memory runs out, and free descriptors later than told. Here a
 * connection costs its SSL and nothing else.
 *
 * After a fatal TLS error no alert and no close_notify may follow (SSL_shutdown(3));
 * `failed` keeps stream_finish from trying. */
#include "base/net/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct stream {
    int fd;
    SSL *ssl; /* NULL: plain */
    bool failed;
};

int stream_new(int fd, struct tls_server *tls, struct stream **ret_stream)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        return ERROR_MEMORY;
    }
    if (tls != NULL) {
        stream->ssl = SSL_new(tls_server_context(tls));
        if (stream->ssl == NULL || SSL_set_fd(stream->ssl, fd) != 1) {
            SSL_free(stream->ssl);
            free(stream);
            ERR_clear_error();
            return ERROR_MEMORY;
        }
        SSL_set_accept_state(stream->ssl);
    }
    stream->fd = fd;
    *ret_stream = stream;
    return ERROR_NONE;
}

void stream_free(struct stream *stream)
{
    if (stream == NULL) {
        return;
    }
    SSL_free(
        stream
            ->ssl); /* its BIO was made by SSL_set_fd, which leaves the descriptor open */
    close(stream->fd);
    free(stream);
}

int stream_fd(const struct stream *stream)
{
    return stream->fd;
}

static enum stream_result fail(struct stream *stream)
{
    stream->failed = true;
    return STREAM_FAILED;
}

/* The result of an SSL call that returned RESULT <= 0. */
static enum stream_result ssl_result(struct stream *stream, int result)
{
    int reason = SSL_get_error(stream->ssl, result);
    ERR_clear_error();
    if (reason == SSL_ERROR_WANT_READ) {
        return STREAM_WANT_READ;
    }
    if (reason == SSL_ERROR_WANT_WRITE) {
        return STREAM_WANT_WRITE;
    }
    if (reason == SSL_ERROR_ZERO_RETURN) {
        return STREAM_END;
    }
    return fail(stream);
}

enum stream_result stream_handshake(struct stream *stream)
{
    if (stream->ssl == NULL) {
        return STREAM_OK;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(stream->ssl);
    if (result == 1) {
        return STREAM_OK;
    }
    enum stream_result outcome = ssl_result(stream, result);
    return outcome == STREAM_END ? fail(stream) : outcome;
}

enum stream_result stream_read(struct stream *stream, void *data, size_t capacity,
                               size_t *ret_size)
{
    if (stream->ssl != NULL) {
        ERR_clear_error();
        int result = SSL_read_ex(stream->ssl, data, capacity, ret_size);
        return result == 1 ? STREAM_OK : ssl_result(stream, result);
    }
    for (;;) {
        ssize_t got = recv(stream->fd, data, capacity, 0);
        if (got > 0) {
            *ret_size = (size_t)got;
            return STREAM_OK;
        }
        if (got == 0) {
            return STREAM_END;
        }
        if (errno == EAGAIN) {
            return STREAM_WANT_READ;
        }
        if (errno != EINTR) {
            return fail(stream);
        }
    }
}

enum stream_result stream_write(struct stream *stream, const void *data, size_t size,
                                size_t *ret_size)
{
    if (stream->ssl != NULL) {
        ERR_clear_error();
        int result = SSL_write_ex(stream->ssl, data, size, ret_size);
        if (result == 1) {
            return STREAM_OK;
        }
        enum stream_result outcome = ssl_result(stream, result);
        return outcome == STREAM_END ? fail(stream) : outcome;
    }
    for (;;) {
        ssize_t put = send(stream->fd, data, size, MSG_NOSIGNAL);
        if (put > 0) {
            *ret_size = (size_t)put;
            return STREAM_OK;
        }
        if (put < 0 && errno == EAGAIN) {
            return STREAM_WANT_WRITE;
        }
        if (put == 0 || errno != EINTR) {
            return fail(stream);
        }
    }
}

bool stream_has_partial(const struct stream *stream)
{
    return stream->ssl != NULL && SSL_has_pending(stream->ssl) == 1;
}

void stream_finish(struct stream *stream)
{
    if (stream->failed) {
        return;
    }
    if (stream->ssl != NULL && SSL_is_init_finished(stream->ssl)) {
        ERR_clear_error();
        SSL_shutdown(stream->ssl);
        ERR_clear_error();
    }
    shutdown(stream->fd, SHUT_WR);
}

const char *stream_server_name(const struct stream *stream)
{
    const char *name = NULL;
    if (stream->ssl != NULL) {
        name = SSL_get_servername(stream->ssl, TLSEXT_NAMETYPE_host_name);
    }
    return name != NULL ? name : "";
}

int stream_leaf_hash(const struct stream *stream, uint8_t ret_hash[static 32])
{
    return stream->ssl != NULL ? tls_leaf_hash(stream->ssl, ret_hash) : ERROR_STATE;
}

bool stream_is_trusted(const struct stream *stream)
{
    return stream->ssl != NULL && tls_slot_of(stream->ssl) == TLS_TRUSTED;
}

bool stream_is_app(const struct stream *stream)
{
    return stream->ssl != NULL && tls_is_app(stream->ssl);
}

int stream_peer_key(const struct stream *stream, struct key **ret_key)
{
    return stream->ssl != NULL ? tls_peer_key(stream->ssl, ret_key) : ERROR_NOT_FOUND;
}
