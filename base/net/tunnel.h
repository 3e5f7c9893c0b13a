/* A TLS terminator: TLS from clients on one side, their bytes as they are to a backend (TCP
 * or unix socket) on the other. HTTP, websockets or anything: nothing is looked at. Each
 * direction ends by itself (half-close), and what was cut off on one side is cut off on the
 * other: an end without a close_notify never looks like a proper one to the backend. */
#ifndef BASE_NET_TUNNEL_H
#define BASE_NET_TUNNEL_H

#include "base/net/address.h"
#include "base/net/loop.h"
#include "base/net/tls.h"

#include <stdbool.h>

struct tunnel;

/* Called when connecting to the backend has failed (REASON is of errno) after it had worked,
 * or works again; not for each connection. At the start it is taken to work. */
typedef void tunnel_state_fn(bool is_reachable, int reason, void *arg);

/* Called with the socket of an app (TLS_APP_PROTOCOL, see tls.h), from which nothing was
 * read, and its address: takes FD. */
typedef void tunnel_app_fn(int fd, const struct address *peer, void *arg);

/* Numbers must be given: 0 is ERROR_RANGE. */
struct tunnel_options {
    struct tls_server *tls; /* borrowed */
    struct address backend;
    bool has_proxy_header;    /* see proxy_header.h */
    unsigned max_connections; /* when all are taken, see crowd.h for who has to go */
    unsigned handshake_s;     /* accept to handshake done */
    unsigned connect_s;       /* for the backend to accept */
    unsigned idle_s;          /* without a byte in either direction */
    unsigned ending_s;        /* the same once the backend has sent all */
    tunnel_state_fn *state_fn;
    tunnel_app_fn *app_fn; /* NULL: apps go to the backend like everybody */
    void *arg;
};

/* Listens nowhere yet. */
int tunnel_new(struct loop *loop, const struct tunnel_options *options,
               struct tunnel **ret_tunnel) MUST_CHECK;
/* As acceptor_listen. */
int tunnel_listen(struct tunnel *tunnel, const struct address *address,
                  uint16_t *ret_port) MUST_CHECK;
unsigned tunnel_connection_count(const struct tunnel *tunnel);
/* Closes listeners and connections. Accepts NULL. */
void tunnel_free(struct tunnel *tunnel);

#endif
