/* A message is two octets of length and that many of DNS. Bytes are collected until a
 * whole message is there, however they were split; each is answered in turn, and the
 * answers leave in one write. A peer that does not take its answers is not read from.
 *
 * Deadlines: a message that began must be whole within partial_ms, else the connection
 * would be held for one octet per idle_ms; between messages idle_ms. Answers must be
 * taken within idle_ms too. */
#include "dns/tcp.h"

#include "base/core/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    QUERY_MAX = 2048,       /* a query that is longer has nothing to do with us */
    /* Above this no more queries are answered until the peer has taken some. All connections
     * together must fit into the role's share of memory. */
    OUTPUT_PAUSE = 16 << 10,
    OUTPUT_MAX = OUTPUT_PAUSE + 2 + DNS_ANSWER_MAX,
    LISTENERS_MAX = 16,
    BACKLOG = 256,
    READ_SIZE = 16384,
    READS_PER_TURN = 4, /* so that one busy peer leaves room for the others */
};

struct connection {
    struct dns_tcp *tcp;
    struct connection *next;
    struct connection **previous;
    int fd;
    struct loop_watch *watch;
    struct loop_timer *timer;
    struct buffer input;
    struct buffer output;
    bool progressed; /* a whole message was answered in this turn */
    bool closing;    /* the peer has said its last: close once the output is gone */
    struct sockaddr_storage peer;
    uint8_t source[16];
    uint64_t site; /* prefix_site */
};

struct listener {
    struct dns_tcp *tcp;
    int fd;
    struct loop_watch *watch;
};

struct dns_tcp {
    struct loop *loop;
    struct dns_udp_shared *shared;
    struct dns_listen_options options;
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    struct connection *connections;
    unsigned connection_count;
    struct dns_tally tally;
    uint8_t answer[DNS_ANSWER_MAX];
};

static void close_connection(struct connection *connection)
{
    *connection->previous = connection->next;
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    connection->tcp->connection_count--;
    loop_watch_free(connection->watch);
    loop_timer_free(connection->timer);
    close(connection->fd);
    buffer_free(&connection->input);
    buffer_free(&connection->output);
    free(connection);
}

static void on_deadline(void *arg)
{
    close_connection(arg);
}

static int answer_message(struct connection *connection, struct bytes query,
                          int64_t now_at)
{
    struct dns_tcp *tcp = connection->tcp;
    struct dns_udp_shared *shared = tcp->shared;
    const struct dns_asker asker = {
        .transport = DNS_TCP, .cookies = &shared->cookies, .address = &connection->peer};
    pthread_mutex_lock(&shared->lock);
    size_t size = dns_answer(query, &asker, shared->view, shared->probes, now_at,
                             tcp->answer, sizeof(tcp->answer));
    pthread_mutex_unlock(&shared->lock);
    if (size == 0) {
        dns_tally_silence(&tcp->tally);
        return ERROR_SYNTAX; /* no DNS: nothing sensible can follow */
    }
    const uint8_t length[2] = {(uint8_t)(size >> 8), (uint8_t)size};
    buffer_append(&connection->output, length, sizeof(length));
    dns_tally_answer(&tcp->tally, (struct bytes){tcp->answer, size});
    return buffer_append(&connection->output, tcp->answer, size);
}

/* Answers the whole messages in the input, as long as the output has room. */
static int answer_some(struct connection *connection)
{
    struct timespec now;
    size_t at = 0;
    int result = 0;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    while (result == 0 && connection->output.size < OUTPUT_PAUSE) {
        struct reader reader =
            reader_init(connection->input.data + at, connection->input.size - at);
        uint16_t size = reader_u16(&reader);
        if (!reader.failed && size > QUERY_MAX) {
            return ERROR_LIMIT;
        }
        struct bytes query = reader_bytes(&reader, size);
        if (reader.failed) {
            break;
        }
        result = answer_message(connection, query, now.tv_sec);
        at += 2u + size;
    }
    connection->progressed = connection->progressed || at > 0;
    buffer_consume(&connection->input, at);
    return result;
}

/* Writes what the peer takes; an error when the connection is over. */
static int flush_output(struct connection *connection)
{
    while (connection->output.size > 0) {
        ssize_t size = send(connection->fd, connection->output.data,
                            connection->output.size, MSG_NOSIGNAL);
        if (size > 0) {
            buffer_consume(&connection->output, (size_t)size);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return 0;
        } else if (errno != EINTR) {
            return ERROR_IO;
        }
    }
    return 0;
}

/* Answers every whole message in the input, unless the peer does not take the answers:
 * the rest then waits for it. What came before garbage is still answered. */
static int answer_input(struct connection *connection)
{
    bool more = true;
    int result = flush_output(connection);
    while (result == 0 && more && connection->output.size == 0) {
        size_t before = connection->input.size;
        int answered = answer_some(connection);
        result = flush_output(connection);
        result = answered != 0 ? answered : result;
        more = connection->input.size < before;
    }
    return result;
}

/* Reads what is there. ERROR_BUSY: there may be more; ERROR_IO: the peer is gone. */
static int read_input(struct connection *connection)
{
    uint8_t chunk[READ_SIZE];
    size_t room = connection->input.max - connection->input.size;
    ssize_t size =
        recv(connection->fd, chunk, room < sizeof(chunk) ? room : sizeof(chunk), 0);
    if (size > 0) {
        int result = buffer_append(&connection->input, chunk, (size_t)size);
        return result == 0 ? ERROR_BUSY : result;
    }
    if (size == 0) {
        connection->closing = true;
        return 0;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : ERROR_IO;
}

/* Which events and which deadline the connection waits for now. */
static int wait_for_more(struct connection *connection)
{
    const struct dns_listen_options *options = &connection->tcp->options;
    bool blocked = connection->output.size > 0;
    bool partial = connection->input.size > 0 && !blocked;
    unsigned events = blocked ? LOOP_WRITE : LOOP_READ;
    if (connection->closing && !blocked) {
        return ERROR_IO;
    }
    loop_timer_set(connection->timer, partial ? options->partial_ms : options->idle_ms);
    return loop_watch_set(connection->watch, events);
}

static void on_event(int fd, unsigned events, void *arg)
{
    struct connection *connection = arg;
    size_t had = connection->input.size;
    bool had_output = connection->output.size > 0;
    int result = ERROR_BUSY;
    connection->progressed = false;
    (void)fd;
    (void)events;
    for (int i = 0; i < READS_PER_TURN && result == ERROR_BUSY; i++) {
        result = had_output || connection->closing ? 0 : read_input(connection);
        if (result == 0 || result == ERROR_BUSY) {
            int answered = answer_input(connection);
            result = answered != 0 ? answered : result;
        }
        had_output = connection->output.size > 0;
    }
    if (result == 0 || result == ERROR_BUSY) {
        /* A partial message keeps the deadline that it got with its first octet. */
        bool still_partial =
            had > 0 && !connection->progressed && !had_output && !connection->closing;
        result = still_partial ? loop_watch_set(connection->watch, LOOP_READ)
                               : wait_for_more(connection);
    }
    if (result != 0) {
        close_connection(connection);
    }
}

static void read_source(const struct sockaddr_storage *peer,
                        uint8_t ret_source[static 16])
{
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)peer)->sin6_addr;
    memset(ret_source, 0, 16);
    if (peer->ss_family == AF_INET) {
        memcpy(ret_source, &((const struct sockaddr_in *)peer)->sin_addr, 4);
    } else if (IN6_IS_ADDR_V4MAPPED(v6)) {
        memcpy(ret_source, v6->s6_addr + 12, 4);
    } else {
        memcpy(ret_source, v6, 8);
    }
}

/* At the cap the connection that was opened first and holds nothing unfinished makes room
 * (RFC 7766 6.2.3 lets a server close idle ones): else a few sources that say nothing
 * would lock everybody out for idle_ms. */
static bool close_oldest_idle(struct dns_tcp *tcp)
{
    struct connection *oldest = NULL;
    for (struct connection *at = tcp->connections; at != NULL; at = at->next) {
        oldest = at->input.size == 0 && at->output.size == 0 ? at : oldest;
    }
    if (oldest == NULL) {
        return false;
    }
    close_connection(oldest);
    return true;
}

/* One network may hold half of all places, so that another's newcomer need not wait for
 * a deadline. */
static bool may_connect(struct dns_tcp *tcp, const struct sockaddr_storage *peer,
                        const uint8_t source[static 16])
{
    const struct dns_listen_options *options = &tcp->options;
    const struct address address = {*peer, sizeof(*peer)};
    uint64_t site = prefix_site(peer);
    unsigned count = 0;
    unsigned site_count = 0;
    for (const struct connection *at = tcp->connections; at != NULL; at = at->next) {
        count += memcmp(at->source, source, 16) == 0 ? 1 : 0;
        site_count += at->site == site ? 1 : 0;
    }
    if (site_count >= options->max_connections / 2 && site != 0 &&
        !prefix_list_holds(options->unlimited, options->unlimited_count, &address)) {
        return false;
    }
    return count < options->max_connections_per_source &&
           (tcp->connection_count < options->max_connections || close_oldest_idle(tcp));
}

static int add_connection(struct dns_tcp *tcp, int fd,
                          const struct sockaddr_storage *peer,
                          const uint8_t source[static 16])
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        return ERROR_MEMORY;
    }
    connection->tcp = tcp;
    connection->fd = fd;
    connection->input = buffer_init(READ_SIZE + QUERY_MAX);
    connection->output = buffer_init(OUTPUT_MAX);
    connection->peer = *peer;
    connection->site = prefix_site(peer);
    memcpy(connection->source, source, 16);
    int result = loop_timer_new(tcp->loop, on_deadline, connection, &connection->timer);
    if (result == 0) {
        result = loop_watch_new(tcp->loop, fd, LOOP_READ, on_event, connection,
                                &connection->watch);
    }
    if (result != 0) {
        loop_timer_free(connection->timer);
        free(connection);
        return result;
    }
    loop_timer_set(connection->timer, tcp->options.idle_ms);
    connection->next = tcp->connections;
    connection->previous = &tcp->connections;
    if (connection->next != NULL) {
        connection->next->previous = &connection->next;
    }
    tcp->connections = connection;
    tcp->connection_count++;
    return 0;
}

static void on_accept(int listener_fd, unsigned events, void *arg)
{
    struct listener *listener = arg;
    struct dns_tcp *tcp = listener->tcp;
    (void)events;
    for (int i = 0; i < BACKLOG; i++) {
        struct sockaddr_storage peer;
        socklen_t peer_size = sizeof(peer);
        uint8_t source[16];
        int fd = accept4(listener_fd, (struct sockaddr *)&peer, &peer_size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        read_source(&peer, source);
        if (!may_connect(tcp, &peer, source) ||
            add_connection(tcp, fd, &peer, source) != 0) {
            close(fd);
        }
    }
}

int dns_tcp_new(struct loop *loop, struct dns_udp_shared *shared,
                const struct dns_listen_options *options, struct dns_tcp **ret_tcp)
{
    struct dns_tcp *tcp = calloc(1, sizeof(*tcp));
    if (tcp == NULL) {
        return ERROR_MEMORY;
    }
    tcp->loop = loop;
    tcp->shared = shared;
    tcp->options = *options;
    *ret_tcp = tcp;
    return 0;
}

/* Not address_listen: beside 0.0.0.0 the socket of [::] must be for IPv6 only. */
static int open_listener(const struct address *address, bool v6_only, int *ret_fd)
{
    const int on = 1;
    const int only = v6_only ? 1 : 0;
    int family = address->storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return ERROR_IO;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        (family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) != 0) ||
        bind(fd, (const struct sockaddr *)&address->storage, address->size) != 0 ||
        listen(fd, BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return ERROR_IO;
    }
    *ret_fd = fd;
    return 0;
}

static int add_listener(struct dns_tcp *tcp, int fd)
{
    struct listener *listener = &tcp->listeners[tcp->listener_count];
    listener->tcp = tcp;
    listener->fd = fd;
    int result =
        loop_watch_new(tcp->loop, fd, LOOP_READ, on_accept, listener, &listener->watch);
    tcp->listener_count += result == 0;
    return result;
}

int dns_tcp_listen(struct dns_tcp *tcp, const struct address *address, bool v6_only)
{
    int fd = -1;
    int result = tcp->listener_count < LISTENERS_MAX
                     ? open_listener(address, v6_only, &fd)
                     : ERROR_LIMIT;
    if (result != 0) {
        return result;
    }
    result = add_listener(tcp, fd);
    if (result != 0) {
        close(fd);
    }
    return result;
}

int dns_tcp_take(struct dns_tcp *tcp, int fd)
{
    const int on = 1;
    int flags = fcntl(fd, F_GETFL);
    if (tcp->listener_count == LISTENERS_MAX) {
        return ERROR_LIMIT;
    }
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
        return ERROR_IO;
    }
    return add_listener(tcp, fd);
}

const struct dns_tally *dns_tcp_tally(const struct dns_tcp *tcp)
{
    return &tcp->tally;
}

unsigned dns_tcp_connection_count(const struct dns_tcp *tcp)
{
    return tcp->connection_count;
}

void dns_tcp_free(struct dns_tcp *tcp)
{
    if (tcp == NULL) {
        return;
    }
    while (tcp->connections != NULL) {
        close_connection(tcp->connections);
    }
    for (size_t i = 0; i < tcp->listener_count; i++) {
        loop_watch_free(tcp->listeners[i].watch);
        close(tcp->listeners[i].fd);
    }
    free(tcp);
}
