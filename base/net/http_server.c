/* HTTP/1.1 over TLS for hostile peers.
 *
 *   HANDSHAKE -> IDLE -> REQUEST -> HANDLING -> RESPONDING -> IDLE (keep-alive)
 *                          |                       |
 *                          +-- refused ----------->+--------> LINGER -> CLOSED
 *   any state -- deadline, error, end --------------------------------> CLOSED
 *
 * Each state has one deadline, set once by set_state() and never moved by bytes that
 * trickle in: a peer that sends one byte per second runs into it like one that sends
 * none. While a handler holds the exchange there is none, as its owner promised to
 * respond.
 *
 * `advance` runs a connection until it has to wait. It is not entered again from within:
 * a handler that responds at once only moves the state, and the loop in `advance` goes
 * on; so a thousand pipelined requests do not nest. A connection is freed in one place,
 * at the end of its outermost `advance`.
 *
 * LINGER: a refusal (413, say) that is followed by close(2) while the peer still sends
 * would be destroyed by the RST; so what still comes is read and dropped for a while (RFC
 * 9112 9.6).
 *
 * An idle connection holds its SSL (buffers released), two libevent events and this
 * struct; parser and buffers exist only while a request does. */
#include "base/net/http_server.h"

#include "base/core/clock.h"
#include "base/core/limits.h"
#include "base/net/acceptor.h"
#include "base/net/crowd.h"
#include "base/net/http_exchange.h"
#include "base/net/stream.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RECORD_BYTES = 16 << 10, /* a whole TLS record, see stream_read */
    READS_AT_ONCE = 8,       /* then other connections have their turn */
    LINGER_MAX_S = 5,
};

enum state {
    STATE_HANDSHAKE,
    STATE_IDLE,
    STATE_REQUEST,
    STATE_HANDLING,
    STATE_RESPONDING,
    STATE_LINGER,
    STATE_CLOSED,
};

/* The lists of the crowd: who has a whole request is not disturbed; of the others the one
 * that came into its state first may have to go for a newcomer, and for what they cost. */
enum { SHAKING, RESTING, READING, BUSY, LISTS };
static const struct crowd_list crowd_lists[CROWD_LISTS] = {
    [SHAKING] = {.deadline_ms = CROWD_NEVER, .quiet_ms = 0},
    [RESTING] = {.deadline_ms = CROWD_NEVER, .quiet_ms = 0},
    [READING] = {.deadline_ms = CROWD_NEVER, .quiet_ms = 0},
    [BUSY] = {.deadline_ms = CROWD_NEVER, .quiet_ms = CROWD_NEVER},
};
_Static_assert((int)LISTS == (int)CROWD_LISTS, "each list has its rule");

struct connection {
    struct crowd_member member; /* first: the crowd knows connections by it */
    struct http_server *server;
    enum state state;
    struct stream *stream;
    struct loop_watch *watch;
    struct loop_timer *deadline;
    struct address peer;
    struct http_exchange
        *exchange; /* from the first byte of a request to the last of its response */
    struct buffer input; /* read, but not yet taken by a parser */
    bool has_continue;   /* "100 Continue" is to be sent */
    size_t sent_bytes;   /* of what is being sent */
    size_t held_bytes;   /* as counted in the server's */
    size_t lingered_bytes;
    unsigned reads; /* in this advance */
    bool is_advancing;
    bool is_known; /* see http_exchange_set_known */
};

struct http_server {
    struct loop *loop;
    struct http_server_options options;
    http_server_fn *fn;
    void *arg;
    struct acceptor *acceptor;
    struct crowd *crowd;
    struct rate_limiter *connection_rate; /* NULL: no limit */
    struct rate_limiter *request_rate;
    uint64_t limited_connections;
    uint64_t limited_requests;
    size_t held_bytes; /* of all connections */
    uint8_t record[RECORD_BYTES];
};

enum step {
    STEP_AGAIN,
    STEP_WAIT_READ,
    STEP_WAIT_WRITE,
    STEP_WAIT_OWNER, /* for the handler's response */
};

static int64_t deadline_ms(const struct connection *connection, enum state state)
{
    const struct http_server_options *options = &connection->server->options;
    unsigned linger_s =
        options->response_s < LINGER_MAX_S ? options->response_s : LINGER_MAX_S;
    switch (state) {
    case STATE_HANDSHAKE:
        return options->handshake_s * INT64_C(1000);
    case STATE_IDLE:
        return options->idle_s * INT64_C(1000);
    case STATE_REQUEST:
        return options->request_s * INT64_C(1000);
    case STATE_RESPONDING:
        return options->response_s * INT64_C(1000);
    case STATE_LINGER:
        return linger_s * INT64_C(1000);
    case STATE_HANDLING:
    case STATE_CLOSED:
        return -1;
    }
    return -1;
}

static unsigned list_of(enum state state)
{
    switch (state) {
    case STATE_HANDSHAKE:
        return SHAKING;
    case STATE_REQUEST:
        return READING;
    case STATE_HANDLING:
    case STATE_RESPONDING:
        return BUSY;
    case STATE_IDLE:
    case STATE_LINGER:
    case STATE_CLOSED:
        break;
    }
    return RESTING;
}

static void set_state(struct connection *connection, enum state state)
{
    int64_t delay_ms = deadline_ms(connection, state);
    connection->state = state;
    crowd_move(connection->server->crowd, &connection->member, list_of(state),
               clock_mono_ms());
    if (delay_ms >= 0) {
        loop_timer_set(connection->deadline, delay_ms);
    } else {
        loop_timer_cancel(connection->deadline);
    }
}

static enum step close_soon(struct connection *connection)
{
    /* A handler may hold the exchange only in HANDLING; its owner hears of the end here.
     */
    if (connection->state == STATE_HANDLING && connection->exchange != NULL) {
        struct http_exchange *exchange = connection->exchange;
        connection->exchange = NULL;
        set_state(connection, STATE_CLOSED);
        http_exchange_abandon(exchange);
        return STEP_AGAIN;
    }
    set_state(connection, STATE_CLOSED);
    return STEP_AGAIN;
}

/* What to wait for after a stream call that could not go on; END and FAILED end the
 * connection. */
static enum step wait_for(struct connection *connection, enum stream_result result)
{
    switch (result) {
    case STREAM_OK:
        return STEP_AGAIN;
    case STREAM_WANT_READ:
        return STEP_WAIT_READ;
    case STREAM_WANT_WRITE:
        return STEP_WAIT_WRITE;
    case STREAM_END:
    case STREAM_FAILED:
        return close_soon(connection);
    }
    return close_soon(connection);
}

static enum step step_handshake(struct connection *connection)
{
    enum stream_result result = stream_handshake(connection->stream);
    if (result == STREAM_OK) {
        set_state(connection, STATE_IDLE);
    }
    return wait_for(connection, result);
}

static void start_response(struct connection *connection)
{
    connection->sent_bytes = 0;
    set_state(connection, STATE_RESPONDING);
}

/* The network of PEER as limits know it; 0: none binds it. */
static uint64_t limited_site(const struct http_server *server, const struct address *peer)
{
    const struct http_server_limits *limits = &server->options.limits;
    uint64_t site = prefix_site(&peer->storage);
    return site != 0 &&
                   !prefix_list_holds(limits->unlimited, limits->unlimited_count, peer)
               ? site
               : 0;
}

/* A request of a stranger is counted before it costs more than its parsing. One that is
 * over the limit costs the connection too, which is limited in its turn. */
static void count_request(struct connection *connection)
{
    struct http_server *server = connection->server;
    struct http_exchange *exchange = connection->exchange;
    if (server->request_rate == NULL || connection->is_known) {
        return;
    }
    uint64_t site = limited_site(server, &connection->peer);
    int64_t wait_ms =
        site != 0 ? rate_limiter_take(server->request_rate, site, clock_mono_ms()) : 0;
    if (wait_ms > 0) {
        exchange->wait_s = (unsigned)((wait_ms + 999) / 1000);
        exchange->must_close = true;
        server->limited_requests++;
    }
}

/* The exchange's owner has responded: the exchange is the connection's again. */
static void advance(struct connection *connection);
static void on_deadline(void *arg);
static void on_responded(struct http_exchange *exchange, void *arg)
{
    struct connection *connection = arg;
    connection->exchange = exchange;
    connection->is_known = connection->is_known || exchange->is_known;
    start_response(connection);
    if (!connection->is_advancing) {
        advance(connection);
    }
}

static void hand_over(struct connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    set_state(connection, STATE_HANDLING);
    count_request(connection);
    exchange->responded = on_responded;
    exchange->responded_arg = connection;
    connection->server->fn(exchange, connection->server->arg);
}

static enum step take_request_bytes(struct connection *connection, const void *data,
                                    size_t size, size_t *ret_used)
{
    *ret_used = 0;
    if (connection->exchange == NULL) {
        int error = http_exchange_new(&connection->server->options, connection->stream,
                                      &connection->peer, &connection->exchange);
        if (error != ERROR_NONE) {
            return close_soon(connection);
        }
        if (connection->state == STATE_IDLE) {
            set_state(connection, STATE_REQUEST);
        }
    }
    struct http_parser *parser = connection->exchange->parser;
    switch (http_parser_feed(parser, data, size, ret_used)) {
    case HTTP_PARSER_MORE:
        if (http_parser_take_continue(parser)) {
            connection->has_continue = true;
            connection->sent_bytes = 0;
        }
        return STEP_AGAIN;
    case HTTP_PARSER_DONE:
        return STEP_WAIT_OWNER;
    case HTTP_PARSER_BAD:
        http_exchange_refuse(connection->exchange);
        start_response(connection);
        return STEP_AGAIN;
    }
    return STEP_AGAIN;
}

/* Sends the rest of DATA; STREAM_OK when all of it is out. */
static enum stream_result send_rest(struct connection *connection, const void *data,
                                    size_t size)
{
    const uint8_t *bytes = data;
    while (connection->sent_bytes < size) {
        size_t put = 0;
        enum stream_result result =
            stream_write(connection->stream, bytes + connection->sent_bytes,
                         size - connection->sent_bytes, &put);
        if (result != STREAM_OK) {
            return result;
        }
        connection->sent_bytes += put;
    }
    return STREAM_OK;
}

static enum stream_result read_some(struct connection *connection, size_t *ret_size)
{
    struct http_server *server = connection->server;
    if (connection->reads == READS_AT_ONCE) {
        return STREAM_WANT_READ; /* still readable: the loop comes back after the others
                                  */
    }
    connection->reads++;
    return stream_read(connection->stream, server->record, sizeof(server->record),
                       ret_size);
}

static enum step step_request(struct connection *connection)
{
    static const char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t used = 0;
    size_t size = 0;
    enum step step;
    if (connection->has_continue) {
        enum stream_result result = send_rest(connection, proceed, sizeof(proceed) - 1);
        connection->has_continue = result != STREAM_OK;
        return wait_for(connection, result);
    }
    if (connection->input.size > 0) {
        step = take_request_bytes(connection, connection->input.data,
                                  connection->input.size, &used);
        buffer_consume(&connection->input, used);
        if (connection->input.size == 0) {
            buffer_free(&connection->input);
        }
    } else {
        enum stream_result result = read_some(connection, &size);
        if (connection->state == STATE_IDLE && stream_has_partial(connection->stream)) {
            /* A record that trickles in begins a request, though none of it can be read yet. */
            set_state(connection, STATE_REQUEST);
        }
        if (result != STREAM_OK) {
            return wait_for(connection, result);
        }
        const uint8_t *record = connection->server->record;
        step = take_request_bytes(connection, record, size, &used);
        /* Pipelined: kept for after this request's response. */
        if (used < size && connection->state == STATE_REQUEST &&
            buffer_append(&connection->input, record + used, size - used) != ERROR_NONE) {
            return close_soon(connection);
        }
    }
    if (step == STEP_WAIT_OWNER) {
        hand_over(connection);
        return STEP_AGAIN;
    }
    return step;
}

/* While the handler works: notice that the peer leaves, and take a little of what it
 * sends. */
static enum step step_handling(struct connection *connection)
{
    size_t size = 0;
    if (connection->input.size >= LIMIT_HTTP_READ_AHEAD_BYTES) {
        return STEP_WAIT_OWNER;
    }
    enum stream_result result = read_some(connection, &size);
    if (result == STREAM_OK &&
        buffer_append(&connection->input, connection->server->record, size) !=
            ERROR_NONE) {
        return close_soon(connection);
    }
    return wait_for(connection, result);
}

static enum step step_responding(struct connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    if (exchange->output.error != ERROR_NONE) {
        return close_soon(connection);
    }
    enum stream_result result =
        send_rest(connection, exchange->output.data, exchange->output.size);
    if (result != STREAM_OK) {
        return wait_for(connection, result);
    }
    bool must_close = exchange->must_close;
    connection->exchange = NULL;
    http_exchange_free(exchange);
    if (must_close) {
        stream_finish(connection->stream);
        set_state(connection, STATE_LINGER);
    } else {
        set_state(connection, STATE_IDLE);
    }
    return STEP_AGAIN;
}

static enum step step_linger(struct connection *connection)
{
    size_t size = 0;
    enum stream_result result = read_some(connection, &size);
    if (result == STREAM_OK) {
        connection->lingered_bytes += size;
        if (connection->lingered_bytes > LIMIT_HTTP_LINGER_BYTES) {
            return close_soon(connection);
        }
    }
    return wait_for(connection, result);
}

static enum step step_once(struct connection *connection)
{
    switch (connection->state) {
    case STATE_HANDSHAKE:
        return step_handshake(connection);
    case STATE_IDLE:
    case STATE_REQUEST:
        return step_request(connection);
    case STATE_HANDLING:
        return step_handling(connection);
    case STATE_RESPONDING:
        return step_responding(connection);
    case STATE_LINGER:
        return step_linger(connection);
    case STATE_CLOSED:
        break;
    }
    return STEP_AGAIN;
}

static void connection_free(struct connection *connection)
{
    struct http_server *server = connection->server;
    server->held_bytes -= connection->held_bytes;
    crowd_leave(server->crowd, &connection->member);
    loop_watch_free(connection->watch);
    loop_timer_free(connection->deadline);
    http_exchange_free(connection->exchange);
    buffer_free(&connection->input);
    if (connection->stream != NULL) {
        stream_finish(connection->stream);
        stream_free(connection->stream);
    }
    free(connection);
}

/* What an exchange at work takes is its owner's to bound (http_exchange_release_body): newcomers
 * must not have to go for it. */
static void count_held(struct connection *connection)
{
    struct http_server *server = connection->server;
    size_t bytes = connection->input.capacity;
    if (connection->exchange != NULL && connection->state != STATE_HANDLING) {
        bytes += http_exchange_held_bytes(connection->exchange);
    }
    server->held_bytes += bytes - connection->held_bytes;
    connection->held_bytes = bytes;
}

/* The one that has been longest in LIST, where nothing is lost but its time. */
static void end_oldest(struct http_server *server, unsigned list)
{
    server->limited_connections++;
    on_deadline(crowd_oldest(server->crowd, list));
}

/* Requests that are not whole yet make room for each other; what is at work stays. May end any
 * connection that reads. */
static void shed(struct http_server *server)
{
    size_t most = server->options.limits.held_bytes;
    while (most > 0 && server->held_bytes > most &&
           crowd_oldest(server->crowd, READING) != NULL) {
        end_oldest(server, READING);
    }
}

static void advance(struct connection *connection)
{
    struct http_server *server = connection->server;
    enum step step = STEP_AGAIN;
    connection->is_advancing = true;
    connection->reads = 0;
    while (step == STEP_AGAIN && connection->state != STATE_CLOSED) {
        step = step_once(connection);
    }
    if (connection->state != STATE_CLOSED) {
        unsigned events = step == STEP_WAIT_READ    ? LOOP_READ
                          : step == STEP_WAIT_WRITE ? LOOP_WRITE
                                                    : 0;
        if (loop_watch_set(connection->watch, events) != ERROR_NONE) {
            close_soon(connection);
        }
    }
    connection->is_advancing = false;
    if (connection->state == STATE_CLOSED) {
        connection_free(connection);
        return;
    }
    count_held(connection);
    shed(server);
}

static void on_ready(int fd, unsigned events, void *arg)
{
    (void)fd;
    (void)events;
    advance(arg);
}

static void on_deadline(void *arg)
{
    struct connection *connection = arg;
    close_soon(connection);
    advance(connection);
}

/* Makes room for a connection from PEER, if somebody has to go before it. */
static bool find_place(struct http_server *server, const struct address *peer)
{
    if (crowd_is_full(server->crowd)) {
        struct crowd_member *victim = crowd_victim(server->crowd, peer, clock_mono_ms());
        if (victim != NULL) {
            on_deadline(victim);
        }
    }
    return !crowd_is_full(server->crowd);
}

/* Whether the limits let PEER come. Nothing has been spent on it yet. */
static bool is_admitted(struct http_server *server, const struct address *peer)
{
    unsigned most = server->options.limits.connections;
    uint64_t site =
        most > 0 || server->connection_rate != NULL ? limited_site(server, peer) : 0;
    return site == 0 ||
           ((most == 0 || crowd_count_of(server->crowd, peer) < most) &&
            (server->connection_rate == NULL ||
             rate_limiter_take(server->connection_rate, site, clock_mono_ms()) == 0));
}

/* By RST: the peer is told at once, and no TIME_WAIT is left for each of a flood. */
static void turn_away(struct http_server *server, int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    server->limited_connections++;
}

/* Takes FD in any case. */
static void on_accepted(int fd, const struct address *peer, void *arg)
{
    struct http_server *server = arg;
    if (!is_admitted(server, peer)) {
        turn_away(server, fd);
        return;
    }
    unsigned handshakes = server->options.limits.handshakes;
    if (handshakes > 0 && crowd_count_in(server->crowd, SHAKING) >= handshakes) {
        end_oldest(server, SHAKING);
    }
    struct connection *connection =
        find_place(server, peer) ? calloc(1, sizeof(*connection)) : NULL;
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->server = server;
    connection->peer = *peer;
    connection->input = buffer_init(LIMIT_HTTP_READ_AHEAD_BYTES + RECORD_BYTES);
    if (stream_new(fd, server->options.tls, &connection->stream) != ERROR_NONE) {
        close(fd);
        connection_free(connection);
        return;
    }
    if (crowd_join(server->crowd, &connection->member, peer, clock_mono_ms()) !=
            ERROR_NONE ||
        loop_timer_new(server->loop, on_deadline, connection, &connection->deadline) !=
            ERROR_NONE ||
        loop_watch_new(server->loop, fd, LOOP_READ, on_ready, connection,
                       &connection->watch) != ERROR_NONE) {
        connection_free(connection);
        return;
    }
    set_state(connection, STATE_HANDSHAKE);
    advance(connection);
}

static int make_limits(struct http_server *server)
{
    const struct http_server_limits *limits = &server->options.limits;
    int error = ERROR_NONE;
    if (limits->connections > 0) {
        crowd_join_networks(server->crowd);
    }
    if (limits->connection_rate.per_second > 0) {
        error = rate_limiter_new(&limits->connection_rate, &server->connection_rate);
    }
    if (error == ERROR_NONE && limits->request_rate.per_second > 0) {
        error = rate_limiter_new(&limits->request_rate, &server->request_rate);
    }
    return error;
}

int http_server_new(struct loop *loop, const struct http_server_options *options,
                    http_server_fn *fn, void *arg, struct http_server **ret_server)
{
    if (options->max_connections == 0 || options->handshake_s == 0 ||
        options->request_s == 0 || options->idle_s == 0 || options->response_s == 0 ||
        options->max_header_bytes == 0 || options->max_body_bytes == 0) {
        return ERROR_RANGE;
    }
    struct http_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return ERROR_MEMORY;
    }
    server->loop = loop;
    server->options = *options;
    server->fn = fn;
    server->arg = arg;
    int error = crowd_new(options->max_connections, crowd_lists, &server->crowd);
    if (error == ERROR_NONE) {
        error = make_limits(server);
    }
    if (error == ERROR_NONE) {
        error = acceptor_new(loop, on_accepted, server, &server->acceptor);
    }
    if (error != ERROR_NONE) {
        http_server_free(server);
        return error;
    }
    *ret_server = server;
    return ERROR_NONE;
}

void http_server_take(struct http_server *server, int fd, const struct address *peer)
{
    on_accepted(fd, peer, server);
}

int http_server_listen_fd(struct http_server *server, int fd)
{
    return acceptor_listen_fd(server->acceptor, fd);
}

int http_server_listen(struct http_server *server, const struct address *address,
                       uint16_t *ret_port)
{
    return acceptor_listen(server->acceptor, address, ret_port);
}

uint64_t http_server_limited_connections(const struct http_server *server)
{
    return server->limited_connections;
}

uint64_t http_server_limited_requests(const struct http_server *server)
{
    return server->limited_requests;
}

unsigned http_server_connection_count(const struct http_server *server)
{
    return crowd_count(server->crowd);
}

static void free_connections(struct http_server *server, unsigned list)
{
    struct crowd_member *member = crowd_oldest(server->crowd, list);
    while (member != NULL) {
        struct connection *connection = (struct connection *)member;
        close_soon(connection);
        connection_free(connection);
        member = crowd_oldest(server->crowd, list);
    }
}

void http_server_free(struct http_server *server)
{
    if (server == NULL) {
        return;
    }
    acceptor_free(server->acceptor);
    if (server->crowd != NULL) {
        for (unsigned list = 0; list < LISTS; list++) {
            free_connections(server, list);
        }
    }
    crowd_free(server->crowd);
    rate_limiter_free(server->connection_rate);
    rate_limiter_free(server->request_rate);
    free(server);
}
