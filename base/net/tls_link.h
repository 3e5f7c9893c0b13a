/* One TLS connection that was accepted, for much traffic: what OpenSSL writes is gathered
 * and sent at once, what it reads comes in large pieces. Never blocks. (stream.h serves the
 * HTTP server, which needs neither.) */
#ifndef BASE_NET_TLS_LINK_H
#define BASE_NET_TLS_LINK_H

#include "base/net/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_link_shared;
struct ssl_st;

enum { TLS_LINK_WRITE_BYTES = 64 << 10 }; /* at most in one tls_link_write */

enum tls_link_result {
    TLS_LINK_OK,
    TLS_LINK_WANT_READ,  /* call again when the descriptor is readable */
    TLS_LINK_WANT_WRITE, /* ... writable: what is pending has to go first */
    TLS_LINK_END,        /* the peer has said that it sends no more */
    TLS_LINK_FAILED,     /* of no more use: broken, or ended without a close_notify */
};

/* Part of the caller's connection; its fields are tls_link.c's. */
struct tls_link {
    struct tls_link_shared *shared;
    struct ssl_st *ssl;
    int fd;
    unsigned reads; /* recv(2) calls that are left in this turn */
    bool is_eof;
    bool is_failed;
    bool is_held; /* `pending` waits for the next write, not for the socket */
    uint8_t *pending; /* TLS records that the socket did not take */
    size_t pending_size;
    size_t pending_at;
    size_t pending_capacity;
};

/* What all links of one loop share. */
int tls_link_shared_new(struct tls_server *tls,
                        struct tls_link_shared **ret_shared) MUST_CHECK;
/* After the last link is closed. Accepts NULL. */
void tls_link_shared_free(struct tls_link_shared *shared);

/* Takes FD (non-blocking) on success. */
int tls_link_open(struct tls_link_shared *shared, int fd,
                  struct tls_link *ret_link) MUST_CHECK;
/* Closes the descriptor. Fine for one that is all zero. */
void tls_link_close(struct tls_link *link);
/* A turn of the loop begins: a link reads only so much in one, so that others have theirs.
 * What stays in the socket makes it readable again. */
void tls_link_turn(struct tls_link *link);
/* The server's side of the handshake. */
enum tls_link_result tls_link_handshake(struct tls_link *link);
/* *RET_SIZE >= 1 with TLS_LINK_OK only. */
enum tls_link_result tls_link_read(struct tls_link *link, void *data,
                                   size_t capacity_bytes, size_t *ret_size);
/* Takes all of the SIZE (1 to TLS_LINK_WRITE_BYTES) bytes, or fails. Nothing may be
 * pending. */
enum tls_link_result tls_link_write(struct tls_link *link, const void *data, size_t size);
/* Whether records wait for the socket to become writable; then call tls_link_flush. */
bool tls_link_has_pending(const struct tls_link *link);
/* TLS_LINK_OK when nothing is pending any more. */
enum tls_link_result tls_link_flush(struct tls_link *link);
/* Says that no more comes (close_notify, then FIN); reading goes on. Nothing may be pending
 * before, something may be after: then the FIN is the caller's, by another call once it is
 * flushed. */
enum tls_link_result tls_link_finish(struct tls_link *link);
/* For what was agreed on; borrowed. */
const struct ssl_st *tls_link_ssl(const struct tls_link *link);

#endif
