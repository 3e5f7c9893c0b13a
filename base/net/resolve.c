/* Look-ups by c-ares on our loop.
 *
 * Each query has a channel of its own. It costs some microseconds, and buys three things:
 * resolv.conf is read as it stands now (c-ares 1.18 cannot read it again), every query
 * leaves from a fresh port, and cancelling one is destroying its channel, without
 * touching others.
 *
 * c-ares calls back from deep within itself, where it must not be destroyed. So its
 * callbacks only note the answer; the caller's callback runs in `deliver`, called when
 * c-ares has returned, and a query that is answered at once (a literal, the hosts file)
 * is delivered by a timer of 0 ms. */
#include "base/net/resolve.h"

#include <ares.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum {
    ADDRESSES_DEADLINE_MS = 12000,
    ADDRESSES_TIMEOUT_MS = 2000, /* per try, the first; c-ares doubles it */
    TRIES = 2,
    TRIES_WEIGHT = 3, /* t + 2t */
    TEXT_MAX_BYTES = 65535,
    EDNS_BYTES = 1232,
    DNS_QUERY_MAX_BYTES = 512,
};

struct resolver {
    struct loop *loop;
    char *servers; /* c-ares's comma-separated list; NULL: the system's */
    struct resolve_query *queries;
};

struct socket_watch {
    struct socket_watch *next;
    int fd;
    struct loop_watch *watch;
};

struct resolve_query {
    struct resolver *resolver; /* NULL: not in a resolver's list */
    struct resolve_query *next;
    struct resolve_query *previous;
    struct loop *loop;
    bool has_library;
    ares_channel channel; /* NULL: not open */
    struct socket_watch *sockets;
    struct loop_timer *tick; /* c-ares's retries, and deliveries that had to wait */
    struct loop_timer *deadline;
    resolve_fn *fn;
    void *arg;
    bool is_done;       /* `answer` stands */
    bool is_delivering; /* within fn */
    struct resolve_answer answer;
    struct buffer texts[RESOLVE_TEXTS_MAX];
    struct buffer message;
};

int resolver_new(struct loop *loop, const char *const *name_servers, size_t count,
                 struct resolver **ret_resolver)
{
    int error = ERROR_NONE;
    struct buffer list = buffer_init(4096);
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    if (resolver == NULL) {
        return ERROR_MEMORY;
    }
    resolver->loop = loop;
    for (size_t i = 0; name_servers != NULL && i < count && error == ERROR_NONE; i++) {
        struct address address;
        char text[ADDRESS_TEXT_CAPACITY];
        error = address_parse(name_servers[i], NAMESERVER_PORT, &address);
        if (error == ERROR_NONE && address.storage.ss_family == AF_UNIX) {
            error = ERROR_SYNTAX;
        }
        if (error == ERROR_NONE) {
            address_text(&address, text);
            error = buffer_printf(&list, "%s%s", i > 0 ? "," : "", text);
        }
    }
    if (error == ERROR_NONE && list.size > 0) {
        resolver->servers = buffer_take(&list);
        error = resolver->servers == NULL ? ERROR_MEMORY : ERROR_NONE;
    }
    buffer_free(&list);
    if (error != ERROR_NONE) {
        free(resolver);
        return error;
    }
    *ret_resolver = resolver;
    return ERROR_NONE;
}

/* Takes the entry at PLACE out of its list. */
static void socket_watch_free(struct socket_watch **place)
{
    struct socket_watch *gone = *place;
    *place = gone->next;
    loop_watch_free(gone->watch);
    free(gone);
}

static void query_free(struct resolve_query *query)
{
    query->is_done =
        true; /* what c-ares still says while it is destroyed does not count */
    if (query->resolver != NULL) {
        if (query->previous != NULL) {
            query->previous->next = query->next;
        } else {
            query->resolver->queries = query->next;
        }
        if (query->next != NULL) {
            query->next->previous = query->previous;
        }
    }
    if (query->channel != NULL) {
        ares_destroy(query->channel);
    }
    while (query->sockets != NULL) {
        socket_watch_free(&query->sockets);
    }
    if (query->has_library) {
        ares_library_cleanup();
    }
    loop_timer_free(query->tick);
    loop_timer_free(query->deadline);
    for (size_t i = 0; i < RESOLVE_TEXTS_MAX; i++) {
        buffer_free(&query->texts[i]);
    }
    buffer_free(&query->message);
    free(query);
}

static void finish(struct resolve_query *query, int error)
{
    if (!query->is_done) {
        query->is_done = true;
        query->answer.error = error;
    }
}

static void deliver(struct resolve_query *query)
{
    query->is_delivering = true;
    query->fn(&query->answer, query->arg);
    query_free(query);
}

/* After every call into c-ares but those from the public functions. */
static void settle(struct resolve_query *query)
{
    if (query->is_done) {
        deliver(query);
        return;
    }
    struct timeval left;
    if (ares_timeout(query->channel, NULL, &left) != NULL) {
        loop_timer_set(query->tick,
                       (int64_t)left.tv_sec * 1000 + left.tv_usec / 1000 + 1);
    } else {
        loop_timer_cancel(query->tick);
    }
}

static void on_socket(int fd, unsigned events, void *arg)
{
    struct resolve_query *query = arg;
    ares_process_fd(query->channel, (events & LOOP_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & LOOP_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    settle(query);
}

static void on_tick(void *arg)
{
    struct resolve_query *query = arg;
    if (!query->is_done) {
        ares_process_fd(query->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    settle(query);
}

static void on_deadline(void *arg)
{
    struct resolve_query *query = arg;
    finish(query, ERROR_TIMEOUT);
    deliver(query);
}

static int watch_socket(struct resolve_query *query, int fd, unsigned events)
{
    struct socket_watch *entry = calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return ERROR_MEMORY;
    }
    int error = loop_watch_new(query->loop, fd, events, on_socket, query, &entry->watch);
    if (error != ERROR_NONE) {
        free(entry);
        return error;
    }
    entry->fd = fd;
    entry->next = query->sockets;
    query->sockets = entry;
    return ERROR_NONE;
}

static void on_socket_state(void *arg, ares_socket_t fd, int is_readable, int is_writable)
{
    struct resolve_query *query = arg;
    unsigned events =
        (is_readable != 0 ? LOOP_READ : 0U) | (is_writable != 0 ? LOOP_WRITE : 0U);
    struct socket_watch **place = &query->sockets;
    while (*place != NULL && (*place)->fd != fd) {
        place = &(*place)->next;
    }
    int error = ERROR_NONE;
    if (*place == NULL) {
        error = events != 0 ? watch_socket(query, fd, events) : ERROR_NONE;
    } else if (events == 0) {
        socket_watch_free(place);
    } else {
        error = loop_watch_set((*place)->watch, events);
    }
    if (error != ERROR_NONE) {
        finish(query, error);
        loop_timer_set(query->tick, 0);
    }
}

static int error_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return ERROR_NONE;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
        return ERROR_NOT_FOUND;
    case ARES_ETIMEOUT:
        return ERROR_TIMEOUT;
    case ARES_ENOMEM:
        return ERROR_MEMORY;
    case ARES_EBADNAME:
    case ARES_EBADRESP:
    case ARES_EFORMERR:
        return ERROR_SYNTAX;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
        return ERROR_STATE;
    default:
        return ERROR_IO;
    }
}

/* A channel for QUERY; SERVERS NULL: the system's. */
static int open_channel(struct resolve_query *query, int flags, unsigned timeout_ms,
                        const char *servers)
{
    struct ares_options options = {
        .flags = flags | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
        .timeout = (int)timeout_ms,
        .tries = TRIES,
        .ednspsz = EDNS_BYTES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = query,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
               ARES_OPT_SOCK_STATE_CB;
    char lookups[] = "fb"; /* the hosts file, then the servers */
    struct in_addr placeholder = {.s_addr = htonl(INADDR_LOOPBACK)};
    if (servers != NULL) {
        /* With all of these given, c-ares doesn't read the system's files, which costs
         * more than the question. The real servers follow: only their list has ports. */
        options.lookups = lookups;
        options.servers = &placeholder;
        options.nservers = 1;
        options.ndots = 1;
        mask |= ARES_OPT_LOOKUPS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
                ARES_OPT_SORTLIST | ARES_OPT_NDOTS;
    }
    int status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status != ARES_SUCCESS) {
        return error_of(status);
    }
    query->has_library = true;
    status = ares_init_options(&query->channel, &options, mask);
    if (status != ARES_SUCCESS) {
        query->channel = NULL;
        return error_of(status);
    }
    if (servers != NULL) {
        status = ares_set_servers_ports_csv(query->channel, servers);
    }
    return error_of(status);
}

static int query_new(struct loop *loop, resolve_fn *fn, void *arg,
                     struct resolve_query **ret_query)
{
    struct resolve_query *query = calloc(1, sizeof(*query));
    if (query == NULL) {
        return ERROR_MEMORY;
    }
    query->loop = loop;
    query->fn = fn;
    query->arg = arg;
    int error = loop_timer_new(loop, on_tick, query, &query->tick);
    if (error == ERROR_NONE) {
        error = loop_timer_new(loop, on_deadline, query, &query->deadline);
    }
    if (error != ERROR_NONE) {
        query_free(query);
        return error;
    }
    *ret_query = query;
    return ERROR_NONE;
}

/* The first question is out: arms the timers. */
static void query_start(struct resolve_query *query, unsigned deadline_ms)
{
    loop_timer_set(query->deadline, deadline_ms);
    if (query->is_done) {
        loop_timer_set(query->tick, 0);
    } else {
        settle(query);
    }
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct resolve_query *query = arg;
    struct resolve_answer *answer = &query->answer;
    (void)timeouts;
    if (query->is_done) {
        ares_freeaddrinfo(info);
        return;
    }
    for (struct ares_addrinfo_node *node = info != NULL ? info->nodes : NULL;
         node != NULL; node = node->ai_next) {
        bool is_ip = node->ai_family == AF_INET || node->ai_family == AF_INET6;
        if (!is_ip || (size_t)node->ai_addrlen > sizeof(answer->addresses[0].storage) ||
            answer->address_count == RESOLVE_ADDRESSES_MAX) {
            continue;
        }
        struct address *address = &answer->addresses[answer->address_count++];
        memcpy(&address->storage, node->ai_addr, node->ai_addrlen);
        address->size = node->ai_addrlen;
        address_set_port(address, 0);
    }
    ares_freeaddrinfo(info);
    int error = error_of(status);
    finish(query,
           error == ERROR_NONE && answer->address_count == 0 ? ERROR_NOT_FOUND : error);
}

/* An address literal is its own answer. */
static bool take_literal(struct resolve_query *query, const char *name)
{
    struct address *address = &query->answer.addresses[0];
    uint8_t octets[sizeof(struct in6_addr)];
    bool is_literal =
        inet_pton(AF_INET, name, octets) == 1 || inet_pton(AF_INET6, name, octets) == 1;
    if (!is_literal || address_parse(name, NAMESERVER_PORT, address) != ERROR_NONE) {
        return false;
    }
    address_set_port(address, 0);
    query->answer.address_count = 1;
    finish(query, ERROR_NONE);
    return true;
}

int resolve_addresses(struct resolver *resolver, const char *name, resolve_fn *fn,
                      void *arg, struct resolve_query **ret_query)
{
    struct resolve_query *query = NULL;
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                        .ai_socktype = SOCK_STREAM};
    int error = query_new(resolver->loop, fn, arg, &query);
    if (error != ERROR_NONE) {
        return error;
    }
    error = open_channel(query, 0, ADDRESSES_TIMEOUT_MS, resolver->servers);
    if (error != ERROR_NONE) {
        query_free(query);
        return error;
    }
    query->resolver = resolver;
    query->next = resolver->queries;
    if (query->next != NULL) {
        query->next->previous = query;
    }
    resolver->queries = query;
    if (!take_literal(query, name)) {
        ares_getaddrinfo(query->channel, name, NULL, &hints, on_addresses, query);
    }
    query_start(query, ADDRESSES_DEADLINE_MS);
    *ret_query = query;
    return ERROR_NONE;
}

/* Joins the strings of each TXT record (RFC 1035 3.3.14). */
static int take_texts(struct resolve_query *query, const struct ares_txt_ext *list)
{
    struct resolve_answer *answer = &query->answer;
    for (const struct ares_txt_ext *part = list; part != NULL; part = part->next) {
        if (part->record_start != 0) {
            if (answer->text_count == RESOLVE_TEXTS_MAX) {
                return ERROR_LIMIT;
            }
            struct buffer *fresh = &query->texts[answer->text_count];
            *fresh = buffer_init(TEXT_MAX_BYTES);
            answer->texts[answer->text_count++] = fresh;
        }
        if (answer->text_count == 0) {
            return ERROR_SYNTAX;
        }
        struct buffer *text = answer->texts[answer->text_count - 1];
        int error = buffer_append(text, part->txt, part->length);
        if (error != ERROR_NONE) {
            return error;
        }
    }
    return answer->text_count > 0 ? ERROR_NONE : ERROR_NOT_FOUND;
}

static void on_texts(void *arg, int status, int timeouts, unsigned char *data, int size)
{
    struct resolve_query *query = arg;
    struct ares_txt_ext *list = NULL;
    (void)timeouts;
    if (query->is_done) {
        return;
    }
    int error = error_of(status);
    if (error == ERROR_NONE) {
        error = error_of(ares_parse_txt_reply_ext(data, size, &list));
    }
    if (error == ERROR_NONE) {
        error = take_texts(query, list);
    }
    if (list != NULL) {
        ares_free_data(list);
    }
    finish(query, error);
}

/* A query to be put to SERVER alone, on a channel of its own. */
static int query_new_at(struct loop *loop, const struct address *server, int flags,
                        unsigned timeout_ms, resolve_fn *fn, void *arg,
                        struct resolve_query **ret_query)
{
    struct resolve_query *query = NULL;
    char server_text[ADDRESS_TEXT_CAPACITY];
    unsigned try_ms = timeout_ms / TRIES_WEIGHT > 0 ? timeout_ms / TRIES_WEIGHT : 1;
    if (server->storage.ss_family != AF_INET && server->storage.ss_family != AF_INET6) {
        return ERROR_RANGE;
    }
    int error = query_new(loop, fn, arg, &query);
    if (error != ERROR_NONE) {
        return error;
    }
    address_text(server, server_text);
    error = open_channel(query, flags, try_ms, server_text);
    if (error != ERROR_NONE) {
        query_free(query);
        return error;
    }
    *ret_query = query;
    return ERROR_NONE;
}

int resolve_text_at(struct loop *loop, const struct address *server,
                    enum resolve_transport transport, const char *name,
                    unsigned timeout_ms, resolve_fn *fn, void *arg,
                    struct resolve_query **ret_query)
{
    struct resolve_query *query = NULL;
    int flags = ARES_FLAG_NORECURSE | (transport == RESOLVE_TCP ? ARES_FLAG_USEVC : 0);
    int error = query_new_at(loop, server, flags, timeout_ms, fn, arg, &query);
    if (error != ERROR_NONE) {
        return error;
    }
    ares_query(query->channel, name, ns_c_in, ns_t_txt, on_texts, query);
    query_start(query, timeout_ms);
    *ret_query = query;
    return ERROR_NONE;
}

static void on_message(void *arg, int status, int timeouts, unsigned char *data, int size)
{
    struct resolve_query *query = arg;
    (void)timeouts;
    if (query->is_done) {
        return;
    }
    if (data == NULL || size <= 0) {
        int error = error_of(status);
        finish(query, error == ERROR_NONE ? ERROR_IO : error);
        return;
    }
    query->message = buffer_init(TEXT_MAX_BYTES);
    int error = buffer_append(&query->message, data, (size_t)size);
    query->answer.message = buffer_bytes(&query->message);
    finish(query, error);
}

int resolve_message_at(struct loop *loop, const struct address *server, const char *name,
                       uint16_t type, unsigned timeout_ms, resolve_fn *fn, void *arg,
                       struct resolve_query **ret_query)
{
    struct resolve_query *query = NULL;
    /* Without it c-ares takes REFUSED and SERVFAIL for a reason to ask again. */
    int flags = ARES_FLAG_NOCHECKRESP;
    int error = query_new_at(loop, server, flags, timeout_ms, fn, arg, &query);
    if (error != ERROR_NONE) {
        return error;
    }
    ares_query(query->channel, name, ns_c_in, type, on_message, query);
    query_start(query, timeout_ms);
    *ret_query = query;
    return ERROR_NONE;
}

int resolve_message(struct resolver *resolver, const char *name, uint16_t type,
                    unsigned timeout_ms, resolve_fn *fn, void *arg,
                    struct resolve_query **ret_query)
{
    struct resolve_query *query = NULL;
    unsigned try_ms = timeout_ms / TRIES_WEIGHT > 0 ? timeout_ms / TRIES_WEIGHT : 1;
    int error = query_new(resolver->loop, fn, arg, &query);
    if (error != ERROR_NONE) {
        return error;
    }
    error = open_channel(query, ARES_FLAG_NOCHECKRESP, try_ms, resolver->servers);
    if (error != ERROR_NONE) {
        query_free(query);
        return error;
    }
    ares_query(query->channel, name, ns_c_in, type, on_message, query);
    query_start(query, timeout_ms);
    *ret_query = query;
    return ERROR_NONE;
}

int resolve_exchange_at(struct loop *loop, const struct address *server,
                        enum resolve_transport transport, struct bytes query_bytes,
                        unsigned timeout_ms, resolve_fn *fn, void *arg,
                        struct resolve_query **ret_query)
{
    struct resolve_query *query = NULL;
    int flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC |
                (transport == RESOLVE_TCP ? ARES_FLAG_USEVC : 0);
    if (query_bytes.size > DNS_QUERY_MAX_BYTES) {
        return ERROR_LIMIT;
    }
    int error = query_new_at(loop, server, flags, timeout_ms, fn, arg, &query);
    if (error != ERROR_NONE) {
        return error;
    }
    ares_send(query->channel, query_bytes.data, (int)query_bytes.size, on_message, query);
    query_start(query, timeout_ms);
    *ret_query = query;
    return ERROR_NONE;
}

void resolve_cancel(struct resolve_query *query)
{
    if (query != NULL && !query->is_delivering) {
        query_free(query);
    }
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    while (resolver->queries != NULL) {
        struct resolve_query *query = resolver->queries;
        finish(query, ERROR_STATE);
        query->answer.error = ERROR_STATE;
        deliver(query);
    }
    free(resolver->servers);
    free(resolver);
}
