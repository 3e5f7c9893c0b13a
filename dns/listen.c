#include "dns/listen.h"

#include "base/core/clock.h"
#include "dns/tcp.h"
#include "dns/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

enum { SOCKETS_MAX = 16, PORT_TRIES = 20, LIMIT_BURST_S = 2 };

/* When a thread was last seen to get on. */
struct progress {
    unsigned turns;
    int64_t at_mono_ms; /* 0: never looked */
};

struct dns_listen {
    struct dns_udp_shared shared;
    struct dns_tcp *tcp;
    struct dns_udp *udp[SOCKETS_MAX];
    struct progress progress[SOCKETS_MAX];
    size_t count;
};

static bool is_any_v6(const struct address *address)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    return address->storage.ss_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

/* [::] takes IPv4 too, as ":53" promises, unless some IPv4 address is listed as well. */
static bool has_ipv4(const struct dns_listen_options *options)
{
    for (size_t i = 0; i < options->address_count; i++) {
        if (options->addresses[i].storage.ss_family == AF_INET) {
            return true;
        }
    }
    return false;
}

/* UDP chooses the port when none is given; TCP must get the same one, which somebody else
 * may hold: then another is tried. */
static int bind_both(struct dns_listen *listen, const struct address *address,
                     bool v6_only, struct dns_udp **ret_udp)
{
    int result = ERROR_IO;
    bool any_port = address_port(address) == 0;
    for (int i = 0; i < (any_port ? PORT_TRIES : 1); i++) {
        struct dns_udp *udp = NULL;
        struct address same = *address;
        result = dns_udp_new(&listen->shared, address, v6_only, &udp);
        if (result != 0) {
            return result;
        }
        address_set_port(&same, dns_udp_port(udp));
        result = dns_tcp_listen(listen->tcp, &same, v6_only);
        if (result == 0) {
            *ret_udp = udp;
            return 0;
        }
        int saved = errno;
        dns_udp_free(udp);
        errno = saved;
        if (errno != EADDRINUSE) {
            return result;
        }
    }
    return result;
}

static int bind_all(struct dns_listen *listen, const struct dns_listen_options *options,
                    size_t *ret_failed)
{
    bool v6_only = has_ipv4(options);
    for (size_t i = 0; i < options->address_count; i++) {
        const struct address *address = &options->addresses[i];
        int result = bind_both(listen, address, v6_only, &listen->udp[i]);
        /* A kernel without IPv6 is no reason not to serve the IPv4 that is listed too. */
        if (result != 0 && !(errno == EAFNOSUPPORT && v6_only && is_any_v6(address))) {
            *ret_failed = i;
            return result;
        }
        listen->count = i + 1;
    }
    return 0;
}

static int take_all(struct dns_listen *listen, const struct activation *activation,
                    size_t *ret_failed)
{
    for (size_t i = 0; i < activation->count; i++) {
        const struct activation_socket *socket = &activation->at[i];
        int result = 0;
        *ret_failed = listen->count;
        if (!socket->datagram) {
            result = dns_tcp_take(listen->tcp, socket->fd);
        } else if (listen->count == SOCKETS_MAX) {
            result = ERROR_LIMIT;
        } else {
            result =
                dns_udp_take(&listen->shared, socket->fd, &listen->udp[listen->count]);
            listen->count += result == 0;
        }
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

int dns_listen_new(struct loop *loop, struct dns_view *view, struct dns_probes *probes,
                   const struct dns_listen_options *options, size_t *ret_failed,
                   struct dns_listen **ret_listen)
{
    struct dns_listen *listen = calloc(1, sizeof(*listen));
    if (listen == NULL) {
        return ERROR_MEMORY;
    }
    pthread_mutex_init(&listen->shared.lock, NULL);
    listen->shared.view = view;
    listen->shared.probes = probes;
    listen->shared.limit =
        (struct rate_limit){options->rate_limit, options->rate_limit * LIMIT_BURST_S};
    listen->shared.unlimited = options->unlimited;
    listen->shared.unlimited_count = options->unlimited_count;
    int result = options->address_count > SOCKETS_MAX
                     ? ERROR_LIMIT
                     : dns_cookie_keys_init(&listen->shared.cookies, clock_wall_at());
    if (result == 0) {
        result = dns_tcp_new(loop, &listen->shared, options, &listen->tcp);
    }
    *ret_failed = options->address_count;
    bool given = options->activation != NULL && options->activation->count > 0;
    if (result == 0) {
        result = given ? take_all(listen, options->activation, ret_failed)
                       : bind_all(listen, options, ret_failed);
    }
    if (result != 0) {
        int saved = errno;
        dns_listen_free(listen);
        errno = saved;
        return result;
    }
    *ret_listen = listen;
    return 0;
}

void dns_listen_use(struct dns_listen *listen, struct dns_view *view)
{
    listen->shared.view = view;
}

void dns_listen_lock(struct dns_listen *listen)
{
    pthread_mutex_lock(&listen->shared.lock);
}

void dns_listen_unlock(struct dns_listen *listen)
{
    pthread_mutex_unlock(&listen->shared.lock);
}

uint16_t dns_listen_port(const struct dns_listen *listen, size_t index)
{
    return listen->udp[index] != NULL ? dns_udp_port(listen->udp[index]) : 0;
}

void dns_listen_tally(const struct dns_listen *listen, struct dns_tally_sum *ret_udp,
                      struct dns_tally_sum *ret_tcp)
{
    *ret_udp = *ret_tcp = (struct dns_tally_sum){.truncated = 0};
    for (size_t i = 0; i < listen->count; i++) {
        if (listen->udp[i] != NULL) {
            dns_tally_add_up(dns_udp_tally(listen->udp[i]), ret_udp);
        }
    }
    dns_tally_add_up(dns_tcp_tally(listen->tcp), ret_tcp);
}

unsigned dns_listen_connection_count(const struct dns_listen *listen)
{
    return dns_tcp_connection_count(listen->tcp);
}

bool dns_listen_is_alive(struct dns_listen *listen, int64_t now_mono_ms, int64_t stall_ms)
{
    bool alive = true;
    for (size_t i = 0; i < listen->count; i++) {
        struct progress *progress = &listen->progress[i];
        unsigned turns = listen->udp[i] != NULL ? dns_udp_turns(listen->udp[i]) : 0;
        if (turns != progress->turns || progress->at_mono_ms == 0 ||
            listen->udp[i] == NULL) {
            *progress = (struct progress){turns, now_mono_ms};
        }
        alive = alive && now_mono_ms - progress->at_mono_ms < stall_ms;
    }
    return alive;
}

void dns_listen_free(struct dns_listen *listen)
{
    if (listen == NULL) {
        return;
    }
    for (size_t i = 0; i < listen->count; i++) {
        dns_udp_free(listen->udp[i]);
    }
    dns_tcp_free(listen->tcp);
    pthread_mutex_destroy(&listen->shared.lock);
    free(listen);
}
