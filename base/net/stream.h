/* One accepted connection, plain or TLS, never blocking. Each call does what is possible
 * now and says which readiness of the descriptor it needs to go on. */
#ifndef BASE_NET_STREAM_H
#define BASE_NET_STREAM_H

#include "base/net/tls.h"

#include <stdbool.h>
#include <stddef.h>

struct stream;

enum stream_result {
    STREAM_OK,         /* something was done */
    STREAM_WANT_READ,  /* call again when the descriptor is readable */
    STREAM_WANT_WRITE, /* ... writable */
    STREAM_END,        /* the peer has finished sending (only from stream_read) */
    STREAM_FAILED,     /* the connection is of no more use */
};

/* Takes FD (non-blocking) on success; TLS NULL: plain. A TLS stream must be shaken hands
 * with first. */
int stream_new(int fd, struct tls_server *tls, struct stream **ret_stream) MUST_CHECK;
/* Closes the descriptor. Accepts NULL. */
void stream_free(struct stream *stream);
int stream_fd(const struct stream *stream);
/* The server's side of the handshake; STREAM_OK when it is done (at once for a plain
 * stream). */
enum stream_result stream_handshake(struct stream *stream);
/* *RET_SIZE >= 1 with STREAM_OK only. CAPACITY should hold a TLS record (16 KiB): nothing
 * then stays behind in OpenSSL where no readiness would tell of it. */
enum stream_result stream_read(struct stream *stream, void *data, size_t capacity,
                               size_t *ret_size);
/* May write less than SIZE (> 0). After STREAM_WANT_* the same bytes must be offered
 * again. */
enum stream_result stream_write(struct stream *stream, const void *data, size_t size,
                                size_t *ret_size);
/* Whether a part of a TLS record has come, but not yet enough for a byte of plaintext. */
bool stream_has_partial(const struct stream *stream);
/* Tells the peer that nothing more comes (close_notify, FIN); reading goes on. Best
 * effort. */
void stream_finish(struct stream *stream);
/* The name of SNI, borrowed; "" when there is none. */
const char *stream_server_name(const struct stream *stream);
/* SHA-256 of the leaf that the peer was shown; ERROR_STATE for a plain stream. */
int stream_leaf_hash(const struct stream *stream, uint8_t ret_hash[static 32]) MUST_CHECK;
/* Whether the certificate shown was that of TLS_TRUSTED; false for a plain stream. */
bool stream_is_trusted(const struct stream *stream);
/* Whether the peer is an app (TLS_APP_PROTOCOL); false before the handshake is done. */
bool stream_is_app(const struct stream *stream);
/* The key of the certificate that the peer showed; as tls_peer_key. */
int stream_peer_key(const struct stream *stream, struct key **ret_key) MUST_CHECK;

#endif
