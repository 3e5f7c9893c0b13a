/* OpenSSL over a BIO of our own.
 *
 * Reading: SSL_read with read-ahead asks for as much as its buffer holds, instead of five
 * octets of header and then the record; and after a recv(2) that did not fill it, the next
 * one of the same turn is answered with "not now" without asking the kernel, which would say
 * EAGAIN. Level-triggered readiness brings the loop back if it was wrong.
 *
 * Writing: records gather in one buffer that all links share (no link is left with
 * something in it at the end of a call) and go out by one send(2): several records of a
 * download, or a handshake's flight with its tickets. What the socket does not take becomes
 * the link's own `pending`, in memory of just that size; while there is any, nothing new is
 * written, so that a peer which does not read costs no more than one such buffer. Only
 * OpenSSL itself may add to it (an alert, the answer to a KeyUpdate), up to a limit at which
 * it is told to wait; a peer that asks for thousands of KeyUpdates stalls itself.
 *
 * With SSL_MODE_RELEASE_BUFFERS (tls.c) an idle link has no buffers at all. */
#include "base/net/tls_link.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RECORD_BYTES = 16 << 10,
    RECORD_OVERHEAD_BYTES = 256, /* header, IV, tag, padding: 22 to 90 octets in truth */
    RECORDS = TLS_LINK_WRITE_BYTES / RECORD_BYTES + 1,
    SLACK_BYTES = 4 << 10, /* tickets and alerts */
    GATHER_BYTES = TLS_LINK_WRITE_BYTES + RECORDS * RECORD_OVERHEAD_BYTES + SLACK_BYTES,
    PENDING_MAX_BYTES = GATHER_BYTES + SLACK_BYTES,
    READ_BYTES = 32 << 10, /* OpenSSL's buffer, while there is something in it */
    READS_PER_TURN = 4,
};

struct tls_link_shared {
    struct tls_server *tls;
    BIO_METHOD *method;
    size_t size;
    uint8_t gathered[GATHER_BYTES];
};

/* --- sending --- */

/* What could be sent at once; less than SIZE when the socket is full. */
static size_t send_some(struct tls_link *link, const uint8_t *data, size_t size)
{
    size_t sent = 0;
    while (sent < size && !link->is_failed) {
        ssize_t put = send(link->fd, data + sent, size - sent, MSG_NOSIGNAL);
        if (put > 0) {
            sent += (size_t)put;
        } else if (put < 0 && errno == EAGAIN) {
            break;
        } else if (put == 0 || errno != EINTR) {
            link->is_failed = true;
        }
    }
    return sent;
}

/* Keeps what the socket did not take. */
static bool add_pending(struct tls_link *link, const uint8_t *data, size_t size)
{
    if (size > link->pending_capacity - link->pending_size) {
        size_t needed = link->pending_size + size;
        uint8_t *larger =
            needed <= PENDING_MAX_BYTES ? realloc(link->pending, needed) : NULL;
        if (larger == NULL) {
            return false;
        }
        link->pending = larger;
        link->pending_capacity = needed;
    }
    memcpy(link->pending + link->pending_size, data, size);
    link->pending_size += size;
    return true;
}

/* Sends what was gathered; the rest becomes pending. */
static void send_gathered(struct tls_link *link)
{
    struct tls_link_shared *shared = link->shared;
    size_t sent = 0;
    if (shared->size == 0) {
        return;
    }
    if (!tls_link_has_pending(link)) {
        sent = send_some(link, shared->gathered, shared->size);
    }
    if (sent < shared->size && !link->is_failed &&
        !add_pending(link, shared->gathered + sent, shared->size - sent)) {
        link->is_failed = true;
    }
    shared->size = 0;
}

static void free_pending(struct tls_link *link)
{
    free(link->pending);
    link->pending = NULL;
    link->pending_size = link->pending_at = link->pending_capacity = 0;
}

/* What was held back goes before what is written now. The gathering is empty then, and has
 * room for it. */
static void release_held(struct tls_link *link)
{
    struct tls_link_shared *shared = link->shared;
    link->is_held = false;
    memcpy(shared->gathered, link->pending, link->pending_size);
    shared->size = link->pending_size;
    free_pending(link);
}

static int bio_write(BIO *bio, const char *data, int size)
{
    struct tls_link *link = BIO_get_data(bio);
    struct tls_link_shared *shared = link->shared;
    size_t count = size > 0 ? (size_t)size : 0;
    BIO_clear_retry_flags(bio);
    if (link->is_held) {
        release_held(link);
    }
    if (count > GATHER_BYTES - shared->size) {
        send_gathered(link);
    }
    if (link->is_failed || count > GATHER_BYTES) {
        return -1;
    }
    if (link->pending_size + shared->size + count > PENDING_MAX_BYTES) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(shared->gathered + shared->size, data, count);
    shared->size += count;
    return size;
}

/* --- receiving --- */

static int bio_read(BIO *bio, char *data, int capacity)
{
    struct tls_link *link = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (link->is_eof || capacity <= 0) {
        return 0;
    }
    while (link->reads > 0) {
        ssize_t got = recv(link->fd, data, (size_t)capacity, 0);
        if (got > 0) {
            link->reads = got < capacity ? 0 : link->reads - 1;
            return (int)got;
        }
        if (got == 0) {
            link->is_eof = true;
            return 0;
        }
        if (errno == EAGAIN) {
            break;
        }
        if (errno != EINTR) {
            return -1;
        }
    }
    link->reads = 0;
    BIO_set_retry_read(bio);
    return -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    const struct tls_link *link = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return link->is_eof;
    }
    return 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

/* --- the links --- */

int tls_link_shared_new(struct tls_server *tls, struct tls_link_shared **ret_shared)
{
    struct tls_link_shared *shared = calloc(1, sizeof(*shared));
    if (shared == NULL) {
        return ERROR_MEMORY;
    }
    shared->tls = tls;
    shared->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "link");
    if (shared->method == NULL || BIO_meth_set_write(shared->method, bio_write) != 1 ||
        BIO_meth_set_read(shared->method, bio_read) != 1 ||
        BIO_meth_set_ctrl(shared->method, bio_ctrl) != 1 ||
        BIO_meth_set_create(shared->method, bio_create) != 1) {
        tls_link_shared_free(shared);
        ERR_clear_error();
        return ERROR_MEMORY;
    }
    *ret_shared = shared;
    return ERROR_NONE;
}

void tls_link_shared_free(struct tls_link_shared *shared)
{
    if (shared == NULL) {
        return;
    }
    BIO_meth_free(shared->method);
    free(shared);
}

int tls_link_open(struct tls_link_shared *shared, int fd, struct tls_link *ret_link)
{
    SSL *ssl = SSL_new(tls_server_context(shared->tls));
    BIO *bio = ssl != NULL ? BIO_new(shared->method) : NULL;
    if (bio == NULL) {
        SSL_free(ssl);
        ERR_clear_error();
        return ERROR_MEMORY;
    }
    *ret_link = (struct tls_link){.shared = shared, .ssl = ssl, .fd = fd};
    BIO_set_data(bio, ret_link);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_read_ahead(ssl, 1);
    SSL_set_default_read_buffer_len(ssl, READ_BYTES);
    tls_allow_any_alpn(ssl);
    SSL_set_accept_state(ssl);
    return ERROR_NONE;
}

void tls_link_close(struct tls_link *link)
{
    if (link->ssl == NULL) {
        return;
    }
    SSL_free(link->ssl);
    close(link->fd);
    free(link->pending);
    *link = (struct tls_link){.fd = -1};
}

void tls_link_turn(struct tls_link *link)
{
    link->reads = READS_PER_TURN;
}

/* SSL_get_error looks at the queue too, where calls that went well may leave something. */
static SSL *clean(const struct tls_link *link)
{
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
    return link->ssl;
}

/* After an SSL call that returned RESULT: sends what it wrote, and says what it means. */
static enum tls_link_result finish_call(struct tls_link *link, int result)
{
    int reason = result > 0 ? SSL_ERROR_NONE : SSL_get_error(link->ssl, result);
    if (reason != SSL_ERROR_NONE) {
        ERR_clear_error();
    }
    send_gathered(link); /* an alert too */
    if (link->is_failed) {
        return TLS_LINK_FAILED;
    }
    if (reason == SSL_ERROR_NONE) {
        return TLS_LINK_OK;
    }
    if (reason == SSL_ERROR_WANT_READ) {
        return TLS_LINK_WANT_READ;
    }
    if (reason == SSL_ERROR_WANT_WRITE) {
        return TLS_LINK_WANT_WRITE;
    }
    if (reason == SSL_ERROR_ZERO_RETURN) {
        return TLS_LINK_END;
    }
    link->is_failed = true;
    return TLS_LINK_FAILED;
}

/* All that is left to send after the client's Finished is the session's ticket (RFC 8446
 * 4.6.1). It goes out with the first bytes of the other direction, not by a send(2) of its
 * own: who never gets any has nothing to resume. */
static void hold_ticket(struct tls_link *link)
{
    struct tls_link_shared *shared = link->shared;
    if (shared->size > 0 && shared->size <= SLACK_BYTES && link->pending == NULL &&
        add_pending(link, shared->gathered, shared->size)) {
        link->is_held = true;
        shared->size = 0;
    }
}

enum tls_link_result tls_link_handshake(struct tls_link *link)
{
    int done = SSL_do_handshake(clean(link));
    if (done == 1 && SSL_version(link->ssl) == TLS1_3_VERSION) {
        hold_ticket(link);
    }
    enum tls_link_result result = finish_call(link, done);
    return result == TLS_LINK_END ? TLS_LINK_FAILED : result;
}

enum tls_link_result tls_link_read(struct tls_link *link, void *data,
                                   size_t capacity_bytes, size_t *ret_size)
{
    /* Without a call when nothing can come: it would cost, and change nothing. */
    if (link->reads == 0 && SSL_has_pending(link->ssl) == 0) {
        return TLS_LINK_WANT_READ;
    }
    return finish_call(link, SSL_read_ex(clean(link), data, capacity_bytes, ret_size));
}

enum tls_link_result tls_link_write(struct tls_link *link, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t at = 0;
    while (at < size) {
        size_t put = 0;
        int result = SSL_write_ex(clean(link), bytes + at, size - at, &put);
        if (result != 1) {
            /* The gathering has room for all of it: whatever it is, it won't go away. */
            finish_call(link, result);
            link->is_failed = true;
            return TLS_LINK_FAILED;
        }
        at += put;
    }
    return finish_call(link, 1);
}

bool tls_link_has_pending(const struct tls_link *link)
{
    return !link->is_held && link->pending_at < link->pending_size;
}

enum tls_link_result tls_link_flush(struct tls_link *link)
{
    if (!tls_link_has_pending(link)) {
        return TLS_LINK_OK;
    }
    link->pending_at += send_some(link, link->pending + link->pending_at,
                                  link->pending_size - link->pending_at);
    if (link->is_failed) {
        return TLS_LINK_FAILED;
    }
    if (tls_link_has_pending(link)) {
        return TLS_LINK_WANT_WRITE;
    }
    free_pending(link);
    return TLS_LINK_OK;
}

enum tls_link_result tls_link_finish(struct tls_link *link)
{
    if (link->is_failed) {
        return TLS_LINK_FAILED;
    }
    if ((SSL_get_shutdown(link->ssl) & SSL_SENT_SHUTDOWN) == 0) {
        int result = SSL_shutdown(clean(link)); /* 0: the peer's is yet to come */
        if (finish_call(link, result == 0 ? 1 : result) == TLS_LINK_FAILED) {
            return TLS_LINK_FAILED;
        }
    }
    if (tls_link_has_pending(link)) {
        return TLS_LINK_WANT_WRITE;
    }
    shutdown(link->fd, SHUT_WR);
    return TLS_LINK_OK;
}

const struct ssl_st *tls_link_ssl(const struct tls_link *link)
{
    return link->ssl;
}
