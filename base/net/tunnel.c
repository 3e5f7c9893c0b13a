/* From TLS to a backend, byte for byte.
 *
 *   HANDSHAKE -> CONNECTING -> OPEN -> DRAINING -> CLOSED
 *        |            |          |         |
 *        +------------+----------+---------+---- deadline, error, victim --> CLOSED
 *
 * HANDSHAKE: the backend hears of nobody who has not shaken hands. CONNECTING: nothing is
 * read from the client meanwhile. OPEN: two directions, "up" to the backend and "down" to
 * the client, each with its own end. DRAINING: all was said and the FIN is out; what the
 * client still sends is dropped for a while, since close(2) with unread bytes would make the
 * kernel answer RST and so destroy what the client has not read yet.
 *
 * Back-pressure: bytes go through buffers that all connections share. What a side does not
 * take at once is kept by the connection (at most one such buffer for each direction), and
 * until it is gone nothing more is read from the other side.
 *
 * Deadlines are those of the crowd's lists, looked at once per second while there is anybody,
 * since a timer of its own would cost each connection a heap operation for every event.
 *
 * A backend that can't be reached: the client gets a close_notify. An error page would be
 * bytes that the backend did not send, in a protocol that the client may not speak. */
#include "base/net/tunnel.h"

#include "base/core/clock.h"
#include "base/net/acceptor.h"
#include "base/net/crowd.h"
#include "base/net/proxy_header.h"
#include "base/net/tls_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = TLS_LINK_WRITE_BYTES,
    ROUNDS_AT_ONCE = 4, /* chunks in one direction, then other connections have theirs */
    SWEEP_MS = 1000,
    RETRY_MS = 20, /* a unix socket's backlog is full: connect(2) says EAGAIN */
    QUIET_MS = 2000,
    DRAIN_MAX_BYTES = 4 << 20,
    HELLO_BYTES = 4 << 10, /* of a ClientHello that is looked at */
};

enum state {
    STATE_HANDSHAKE,
    STATE_CONNECTING,
    STATE_OPEN,
    STATE_DRAINING,
    STATE_CLOSED,
};

/* The lists of the crowd. */
enum { SHAKING, CONNECTING, OPEN, ENDING };

struct connection {
    struct crowd_member member; /* first: the crowd knows connections by it */
    struct tunnel *tunnel;
    enum state state;
    struct address client;
    struct tls_link front;
    struct loop_watch *front_watch;
    int back_fd; /* -1: none yet */
    struct loop_watch *back_watch;
    bool is_looked_at; /* whether it is an app's */
    bool is_waiting;   /* for a place in the backend's backlog */
    bool is_announced; /* the PROXY header was written, or none is wanted */
    bool up_ended;     /* the client sends no more */
    bool up_shut;      /* ... and the backend was told, or takes no more */
    bool up_blocked;   /* OpenSSL must write before it reads on */
    bool down_ended;   /* the backend sends no more */
    bool down_shut;    /* ... and the client was told */
    bool is_cut;       /* draining, and the client is not to take it for a proper end */
    uint8_t *up;       /* decrypted, but not yet taken by the backend */
    size_t up_size;
    size_t up_at;
    size_t drained_bytes;
};

struct tunnel {
    struct loop *loop;
    struct tunnel_options options;
    struct acceptor *acceptor;
    struct crowd *crowd;
    struct tls_link_shared *shared;
    struct loop_timer *sweep;
    unsigned waiting_count; /* connections with is_waiting */
    bool is_sweeping;
    bool is_reachable;
    uint8_t chunk[CHUNK_BYTES];
};

static void set_state(struct connection *connection, enum state state)
{
    static const unsigned lists[] = {
        [STATE_HANDSHAKE] = SHAKING, [STATE_CONNECTING] = CONNECTING, [STATE_OPEN] = OPEN,
        [STATE_DRAINING] = ENDING,   [STATE_CLOSED] = ENDING,
    };
    connection->state = state;
    crowd_move(connection->tunnel->crowd, &connection->member, lists[state],
               clock_mono_ms());
}

static void note_activity(struct connection *connection)
{
    crowd_move(connection->tunnel->crowd, &connection->member,
               connection->down_shut ? ENDING : OPEN, clock_mono_ms());
}

static void set_reachable(struct tunnel *tunnel, bool is_reachable, int reason)
{
    if (is_reachable != tunnel->is_reachable) {
        tunnel->is_reachable = is_reachable;
        tunnel->options.state_fn(is_reachable, reason, tunnel->options.arg);
    }
}

static void set_waiting(struct connection *connection, bool is_waiting)
{
    if (is_waiting != connection->is_waiting) {
        connection->is_waiting = is_waiting;
        connection->tunnel->waiting_count += is_waiting ? 1 : -1U;
        if (is_waiting) {
            loop_timer_set(connection->tunnel->sweep, RETRY_MS);
        }
    }
}

/* The backend must not take what was cut off for complete: it gets an RST. (A unix socket
 * has none; there the end is all it sees.) */
static void cut_backend(struct connection *connection)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (connection->back_fd >= 0) {
        setsockopt(connection->back_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
}

static void cut(struct connection *connection)
{
    cut_backend(connection);
    set_state(connection, STATE_CLOSED);
}

static void close_backend(struct connection *connection)
{
    loop_watch_free(connection->back_watch);
    connection->back_watch = NULL;
    if (connection->back_fd >= 0) {
        close(connection->back_fd);
        connection->back_fd = -1;
    }
}

static void connection_free(struct connection *connection)
{
    set_waiting(connection, false);
    crowd_leave(connection->tunnel->crowd, &connection->member);
    loop_watch_free(connection->front_watch);
    close_backend(connection);
    tls_link_close(&connection->front);
    free(connection->up);
    free(connection);
}

static void start_draining(struct connection *connection)
{
    close_backend(connection);
    set_state(connection, STATE_DRAINING);
}

/* --- down: from the backend to the client --- */

/* Tells the client that this was all. True when it is told. */
static bool end_down(struct connection *connection)
{
    enum tls_link_result result = tls_link_finish(&connection->front);
    connection->down_ended = true;
    if (result == TLS_LINK_FAILED) {
        cut(connection);
        return false;
    }
    if (result == TLS_LINK_OK && !connection->down_shut) {
        connection->down_shut = true;
        note_activity(connection);
    }
    return connection->down_shut;
}

static void pump_down(struct connection *connection)
{
    uint8_t *chunk = connection->tunnel->chunk;
    for (unsigned i = 0; i < ROUNDS_AT_ONCE; i++) {
        enum tls_link_result result = tls_link_flush(&connection->front);
        if (result == TLS_LINK_FAILED) {
            cut(connection);
            return;
        }
        if (result != TLS_LINK_OK || connection->down_shut) {
            return;
        }
        if (connection->down_ended) {
            end_down(connection);
            return;
        }
        ssize_t got = recv(connection->back_fd, chunk, CHUNK_BYTES, 0);
        if (got == 0) {
            end_down(connection);
            return;
        }
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got < 0) {
            /* The backend's RST, perhaps after a response that came before the end of the
             * request. */
            connection->is_cut = true;
            shutdown(connection->front.fd, SHUT_WR);
            start_draining(connection);
            return;
        }
        if (tls_link_write(&connection->front, chunk, (size_t)got) != TLS_LINK_OK) {
            cut(connection);
            return;
        }
        note_activity(connection);
        if (got < CHUNK_BYTES) {
            return; /* for now: its readiness would bring us back */
        }
    }
}

/* --- up: from the client to the backend --- */

/* Sends what can be sent at once; *RET_SENT of SIZE bytes. False: the backend takes no
 * more. */
static bool send_up(struct connection *connection, const uint8_t *data, size_t size,
                    size_t *ret_sent)
{
    *ret_sent = 0;
    while (*ret_sent < size) {
        ssize_t put =
            send(connection->back_fd, data + *ret_sent, size - *ret_sent, MSG_NOSIGNAL);
        if (put > 0) {
            *ret_sent += (size_t)put;
        } else if (put < 0 && errno == EAGAIN) {
            return true;
        } else if (put == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* The backend has gone, perhaps with a response (a 413, say) that the client is still to
 * get: the rest of what the client sends is read and dropped. */
static void give_up_up(struct connection *connection)
{
    free(connection->up);
    connection->up = NULL;
    connection->up_size = connection->up_at = 0;
    connection->up_shut = true;
}

/* True when nothing is left over. */
static bool flush_up(struct connection *connection)
{
    size_t sent = 0;
    if (connection->up == NULL) {
        return true;
    }
    if (!send_up(connection, connection->up + connection->up_at,
                 connection->up_size - connection->up_at, &sent)) {
        give_up_up(connection);
        return true;
    }
    connection->up_at += sent;
    if (sent > 0) {
        note_activity(connection);
    }
    if (connection->up_at < connection->up_size) {
        return false;
    }
    free(connection->up);
    connection->up = NULL;
    connection->up_size = connection->up_at = 0;
    return true;
}

static bool keep_up(struct connection *connection, const uint8_t *data, size_t size)
{
    connection->up = malloc(size);
    if (connection->up == NULL) {
        return false;
    }
    memcpy(connection->up, data, size);
    connection->up_size = size;
    connection->up_at = 0;
    return true;
}

static int write_header(struct connection *connection, uint8_t *ret_data,
                        size_t *ret_size)
{
    const SSL *ssl = tls_link_ssl(&connection->front);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct proxy_header header = {
        .client = connection->client,
        .local = {.size = sizeof(header.local.storage)},
        .server_name = name != NULL ? name : "",
        .version = SSL_get_version(ssl),
        .cipher = SSL_get_cipher_name(ssl),
    };
    if (getsockname(connection->front.fd, (struct sockaddr *)&header.local.storage,
                    &header.local.size) != 0) {
        return ERROR_IO;
    }
    address_unmap(&header.local);
    return proxy_header_write(&header, ret_data, ret_size);
}

/* Fills the chunk from the client (after the header, once). False when the connection was
 * cut. */
static bool read_up(struct connection *connection, size_t *ret_size)
{
    uint8_t *chunk = connection->tunnel->chunk;
    enum tls_link_result result = TLS_LINK_OK;
    size_t size = 0;
    if (!connection->is_announced) {
        if (write_header(connection, chunk, &size) != ERROR_NONE) {
            cut(connection);
            return false;
        }
        connection->is_announced = true;
    }
    connection->up_blocked = false;
    while (result == TLS_LINK_OK && size < CHUNK_BYTES) {
        size_t got = 0;
        result =
            tls_link_read(&connection->front, chunk + size, CHUNK_BYTES - size, &got);
        size += result == TLS_LINK_OK ? got : 0;
    }
    if (result == TLS_LINK_FAILED) {
        cut(connection);
        return false;
    }
    connection->up_ended = connection->up_ended || result == TLS_LINK_END;
    connection->up_blocked = result == TLS_LINK_WANT_WRITE;
    *ret_size = size;
    return true;
}

static void end_up(struct connection *connection)
{
    if (!connection->up_shut) {
        connection->up_shut = true;
        shutdown(connection->back_fd, SHUT_WR);
    }
}

static void pump_up(struct connection *connection)
{
    const uint8_t *chunk = connection->tunnel->chunk;
    size_t size = CHUNK_BYTES;
    for (unsigned i = 0; i < ROUNDS_AT_ONCE && size == CHUNK_BYTES; i++) {
        size_t sent = 0;
        if (!flush_up(connection)) {
            return;
        }
        if (connection->up_ended) {
            end_up(connection);
            return;
        }
        if (!read_up(connection, &size)) {
            return;
        }
        if (size > 0) {
            note_activity(connection);
        }
        if (connection->up_shut || size == 0) {
            continue;
        }
        if (!send_up(connection, chunk, size, &sent)) {
            give_up_up(connection);
        } else if (sent < size && !keep_up(connection, chunk + sent, size - sent)) {
            cut(connection);
            return;
        }
    }
    if (connection->up_ended && connection->up == NULL) {
        end_up(connection);
    }
}

/* --- the states --- */

/* Both directions, each only when its own readiness says so: a recv(2) that finds nothing
 * costs as much as one that finds something. */
static void pump(struct connection *connection, bool is_up, bool is_down)
{
    tls_link_turn(&connection->front);
    if (is_up) {
        pump_up(connection);
    }
    if (is_down && connection->state == STATE_OPEN) {
        pump_down(connection);
    }
    if (connection->state == STATE_OPEN && connection->down_shut && connection->up_shut) {
        if (connection->up_ended) {
            set_state(connection, STATE_CLOSED);
        } else {
            start_draining(connection);
        }
    }
}

static void drain(struct connection *connection)
{
    uint8_t *chunk = connection->tunnel->chunk;
    enum tls_link_result result = tls_link_flush(&connection->front);
    if (!connection->is_cut && result == TLS_LINK_OK && !end_down(connection)) {
        return;
    }
    ssize_t got = recv(connection->front.fd, chunk, CHUNK_BYTES, 0);
    connection->drained_bytes += got > 0 ? (size_t)got : 0;
    if (result == TLS_LINK_FAILED || got == 0 ||
        (got < 0 && errno != EAGAIN && errno != EINTR) ||
        connection->drained_bytes > DRAIN_MAX_BYTES) {
        set_state(connection, STATE_CLOSED);
    }
}

static void refuse(struct connection *connection, int reason)
{
    set_waiting(connection, false);
    set_reachable(connection->tunnel, false, reason);
    if (end_down(connection) || connection->state != STATE_CLOSED) {
        start_draining(connection);
    }
}

static void be_open(struct connection *connection)
{
    set_waiting(connection, false);
    set_reachable(connection->tunnel, true, 0);
    set_state(connection, STATE_OPEN);
    pump(connection, true, false); /* OpenSSL may hold bytes that no readiness tells of */
}

/* Goes on with connect(2), which may be called again and again: 0 once it is done, EALREADY
 * meanwhile, then the error. On loopback the second call says 0 already. */
static void go_on_connecting(struct connection *connection)
{
    const struct address *backend = &connection->tunnel->options.backend;
    const struct sockaddr *name = (const struct sockaddr *)&backend->storage;
    int result = connect(connection->back_fd, name, backend->size);
    if (result != 0 && (errno == EINPROGRESS || errno == EINTR)) {
        result = connect(connection->back_fd, name, backend->size);
    }
    int reason = result == 0 || errno == EISCONN ? 0 : errno;
    if (reason == 0) {
        be_open(connection);
    } else if (reason == EAGAIN) {
        set_waiting(connection, true);
    } else if (reason != EALREADY && reason != EINPROGRESS && reason != EINTR) {
        refuse(connection, reason);
    }
}

static void on_back(int fd, unsigned events, void *arg);

static void start_connecting(struct connection *connection)
{
    struct tunnel *tunnel = connection->tunnel;
    int family = tunnel->options.backend.storage.ss_family;
    int on = 1;
    set_state(connection, STATE_CONNECTING);
    connection->back_fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection->back_fd < 0) {
        refuse(connection, errno);
        return;
    }
    if (family != AF_UNIX) {
        setsockopt(connection->back_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (loop_watch_new(tunnel->loop, connection->back_fd, 0, on_back, connection,
                       &connection->back_watch) != ERROR_NONE) {
        refuse(connection, ENOMEM);
        return;
    }
    go_on_connecting(connection);
}

/* An app says that it is one in its first message, in the clear, and comes to the agent
 * also where all others go to a backend. Its words are looked for anywhere in what is there
 * already: who writes them elsewhere only gets to see the agent's pages. */
static bool is_app(const struct connection *connection)
{
    static const char word[] = "\x0a" TLS_APP_PROTOCOL;
    uint8_t *hello = connection->tunnel->chunk;
    ssize_t size = recv(connection->front.fd, hello, HELLO_BYTES, MSG_PEEK);
    return size > 0 && memmem(hello, (size_t)size, word, sizeof(word) - 1) != NULL;
}

static bool hand_over(struct connection *connection)
{
    const struct tunnel *tunnel = connection->tunnel;
    int fd = fcntl(connection->front.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    tunnel->options.app_fn(fd, &connection->client, tunnel->options.arg);
    set_state(connection, STATE_CLOSED);
    return true;
}

static void shake(struct connection *connection)
{
    if (!connection->is_looked_at) {
        connection->is_looked_at = true;
        if (connection->tunnel->options.app_fn != NULL && is_app(connection) &&
            hand_over(connection)) {
            return;
        }
    }
    tls_link_turn(&connection->front);
    enum tls_link_result result = tls_link_handshake(&connection->front);
    if (result == TLS_LINK_FAILED ||
        tls_link_flush(&connection->front) == TLS_LINK_FAILED) {
        set_state(connection, STATE_CLOSED);
    } else if (result == TLS_LINK_OK) {
        start_connecting(connection);
    }
}

static unsigned front_events(const struct connection *connection)
{
    unsigned events = 0;
    bool is_reading = connection->state == STATE_HANDSHAKE ||
                      connection->state == STATE_DRAINING ||
                      (connection->state == STATE_OPEN && !connection->up_ended &&
                       !connection->up_blocked && connection->up == NULL);
    if (is_reading) {
        events |= LOOP_READ;
    }
    if (tls_link_has_pending(&connection->front)) {
        events |= LOOP_WRITE;
    }
    return events;
}

static unsigned back_events(const struct connection *connection)
{
    unsigned events = 0;
    if (connection->state == STATE_CONNECTING) {
        return connection->is_waiting ? 0 : LOOP_WRITE;
    }
    if (!connection->down_ended && !tls_link_has_pending(&connection->front)) {
        events |= LOOP_READ;
    }
    if (connection->up != NULL) {
        events |= LOOP_WRITE;
    }
    return events;
}

/* After everything that may have changed a connection, once: frees it, or sets what it waits
 * for. */
static void settle(struct connection *connection)
{
    if (connection->state != STATE_CLOSED &&
        (loop_watch_set(connection->front_watch, front_events(connection)) !=
             ERROR_NONE ||
         (connection->back_watch != NULL &&
          loop_watch_set(connection->back_watch, back_events(connection)) !=
              ERROR_NONE))) {
        cut(connection);
    }
    if (connection->state == STATE_CLOSED) {
        connection_free(connection);
    }
}

static void on_front(int fd, unsigned events, void *arg)
{
    struct connection *connection = arg;
    bool is_readable = (events & LOOP_READ) != 0;
    bool is_writable = (events & LOOP_WRITE) != 0;
    (void)fd;
    switch (connection->state) {
    case STATE_HANDSHAKE:
        shake(connection);
        break;
    case STATE_CONNECTING:
        /* Only a flight of the handshake that the client takes late. */
        if (tls_link_flush(&connection->front) == TLS_LINK_FAILED) {
            cut(connection);
        }
        break;
    case STATE_OPEN:
        pump(connection, is_readable || connection->up_blocked, is_writable);
        break;
    case STATE_DRAINING:
        drain(connection);
        break;
    case STATE_CLOSED:
        break;
    }
    settle(connection);
}

static void on_back(int fd, unsigned events, void *arg)
{
    struct connection *connection = arg;
    (void)fd;
    if (connection->state == STATE_CONNECTING) {
        go_on_connecting(connection);
    } else if (connection->state == STATE_OPEN) {
        pump(connection, (events & LOOP_WRITE) != 0, (events & LOOP_READ) != 0);
    }
    settle(connection);
}

/* --- deadlines --- */

static void end_overdue(struct connection *connection)
{
    if (connection->state == STATE_CONNECTING) {
        refuse(connection, ETIMEDOUT);
    } else {
        cut(connection);
    }
    settle(connection);
}

static void retry_waiting(struct tunnel *tunnel)
{
    struct crowd_member *next = crowd_oldest(tunnel->crowd, CONNECTING);
    while (next != NULL) {
        struct connection *connection = (struct connection *)next;
        next = crowd_next(tunnel->crowd, next);
        if (connection->is_waiting) {
            go_on_connecting(connection);
            settle(connection);
        }
    }
}

static void set_sweep(struct tunnel *tunnel)
{
    tunnel->is_sweeping = crowd_count(tunnel->crowd) > 0;
    if (tunnel->is_sweeping) {
        loop_timer_set(tunnel->sweep, tunnel->waiting_count > 0 ? RETRY_MS : SWEEP_MS);
    }
}

static void on_sweep(void *arg)
{
    struct tunnel *tunnel = arg;
    int64_t now_mono_ms = clock_mono_ms();
    struct crowd_member *member = crowd_overdue(tunnel->crowd, now_mono_ms);
    while (member != NULL) {
        end_overdue((struct connection *)member);
        member = crowd_overdue(tunnel->crowd, now_mono_ms);
    }
    retry_waiting(tunnel);
    set_sweep(tunnel);
}

/* --- coming --- */

static bool find_place(struct tunnel *tunnel, const struct address *client)
{
    if (crowd_is_full(tunnel->crowd)) {
        struct crowd_member *victim =
            crowd_victim(tunnel->crowd, client, clock_mono_ms());
        if (victim != NULL) {
            struct connection *connection = (struct connection *)victim;
            cut(connection);
            settle(connection);
        }
    }
    return !crowd_is_full(tunnel->crowd);
}

/* Takes FD in any case. */
static void on_accepted(int fd, const struct address *peer, void *arg)
{
    struct tunnel *tunnel = arg;
    struct connection *connection =
        find_place(tunnel, peer) ? calloc(1, sizeof(*connection)) : NULL;
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->tunnel = tunnel;
    connection->client = *peer;
    connection->back_fd = -1;
    connection->is_announced = !tunnel->options.has_proxy_header;
    if (tls_link_open(tunnel->shared, fd, &connection->front) != ERROR_NONE) {
        close(fd);
        connection_free(connection);
        return;
    }
    if (crowd_join(tunnel->crowd, &connection->member, peer, clock_mono_ms()) !=
            ERROR_NONE ||
        loop_watch_new(tunnel->loop, fd, LOOP_READ, on_front, connection,
                       &connection->front_watch) != ERROR_NONE) {
        connection_free(connection);
        return;
    }
    if (!tunnel->is_sweeping) {
        set_sweep(tunnel);
    }
}

int tunnel_new(struct loop *loop, const struct tunnel_options *options,
               struct tunnel **ret_tunnel)
{
    const struct crowd_list lists[CROWD_LISTS] = {
        [SHAKING] = {.deadline_ms = options->handshake_s * INT64_C(1000), .quiet_ms = 0},
        [CONNECTING] = {.deadline_ms = options->connect_s * INT64_C(1000), .quiet_ms = 0},
        [OPEN] = {.deadline_ms = options->idle_s * INT64_C(1000), .quiet_ms = QUIET_MS},
        [ENDING] = {.deadline_ms = options->ending_s * INT64_C(1000), .quiet_ms = 0},
    };
    if (options->handshake_s == 0 || options->connect_s == 0 || options->idle_s == 0 ||
        options->ending_s == 0) {
        return ERROR_RANGE;
    }
    struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
    if (tunnel == NULL) {
        return ERROR_MEMORY;
    }
    tunnel->loop = loop;
    tunnel->options = *options;
    tunnel->is_reachable = true;
    int error = crowd_new(options->max_connections, lists, &tunnel->crowd);
    if (error == ERROR_NONE) {
        error = tls_link_shared_new(options->tls, &tunnel->shared);
    }
    if (error == ERROR_NONE) {
        error = loop_timer_new(loop, on_sweep, tunnel, &tunnel->sweep);
    }
    if (error == ERROR_NONE) {
        error = acceptor_new(loop, on_accepted, tunnel, &tunnel->acceptor);
    }
    if (error != ERROR_NONE) {
        tunnel_free(tunnel);
        return error;
    }
    *ret_tunnel = tunnel;
    return ERROR_NONE;
}

int tunnel_listen(struct tunnel *tunnel, const struct address *address,
                  uint16_t *ret_port)
{
    return acceptor_listen(tunnel->acceptor, address, ret_port);
}

unsigned tunnel_connection_count(const struct tunnel *tunnel)
{
    return crowd_count(tunnel->crowd);
}

void tunnel_free(struct tunnel *tunnel)
{
    if (tunnel == NULL) {
        return;
    }
    acceptor_free(tunnel->acceptor);
    for (unsigned list = 0; tunnel->crowd != NULL && list < CROWD_LISTS; list++) {
        struct crowd_member *member = crowd_oldest(tunnel->crowd, list);
        while (member != NULL) {
            struct connection *connection = (struct connection *)member;
            cut_backend(connection);
            connection_free(connection);
            member = crowd_oldest(tunnel->crowd, list);
        }
    }
    loop_timer_free(tunnel->sweep);
    tls_link_shared_free(tunnel->shared);
    crowd_free(tunnel->crowd);
    free(tunnel);
}
