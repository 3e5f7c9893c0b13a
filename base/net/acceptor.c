/* Accepts several connections per wake-up: a wake-up costs more than an accept. When
 * descriptors or memory run out the listeners stay readable, so that they are left alone for
 * a moment; the loop would spin otherwise. */
#include "base/net/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    ACCEPTS_AT_ONCE = 64,
    ACCEPT_PAUSE_MS = 200,
};

struct listener {
    struct acceptor *acceptor;
    struct listener *next;
    int fd;
    struct loop_watch *watch;
};

struct acceptor {
    struct loop *loop;
    acceptor_fn *fn;
    void *arg;
    struct listener *listeners;
    struct loop_timer *resume; /* accepting again after a pause */
};

static void set_accepting(struct acceptor *acceptor, bool is_on)
{
    for (struct listener *at = acceptor->listeners; at != NULL; at = at->next) {
        if (loop_watch_set(at->watch, is_on ? LOOP_READ : 0) != ERROR_NONE) {
            loop_timer_set(acceptor->resume, ACCEPT_PAUSE_MS);
        }
    }
}

static void on_resume(void *arg)
{
    set_accepting(arg, true);
}

static void on_accept(int fd, unsigned events, void *arg)
{
    struct listener *listener = arg;
    struct acceptor *acceptor = listener->acceptor;
    (void)events;
    for (unsigned i = 0; i < ACCEPTS_AT_ONCE; i++) {
        struct address peer = {.size = sizeof(peer.storage)};
        int accepted = accept4(fd, (struct sockaddr *)&peer.storage, &peer.size,
                               SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted < 0 && (errno == EINTR || errno == ECONNABORTED)) {
            continue;
        }
        if (accepted < 0) {
            if (errno != EAGAIN) {
                set_accepting(acceptor, false);
                loop_timer_set(acceptor->resume, ACCEPT_PAUSE_MS);
            }
            return;
        }
        address_unmap(&peer);
        acceptor->fn(accepted, &peer, acceptor->arg);
    }
}

int acceptor_new(struct loop *loop, acceptor_fn *fn, void *arg,
                 struct acceptor **ret_acceptor)
{
    struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
    if (acceptor == NULL) {
        return ERROR_MEMORY;
    }
    acceptor->loop = loop;
    acceptor->fn = fn;
    acceptor->arg = arg;
    int error = loop_timer_new(loop, on_resume, acceptor, &acceptor->resume);
    if (error != ERROR_NONE) {
        free(acceptor);
        return error;
    }
    *ret_acceptor = acceptor;
    return ERROR_NONE;
}

int acceptor_listen_fd(struct acceptor *acceptor, int fd)
{
    int on = 1;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return ERROR_IO;
    }
    /* Linux hands it on to what is accepted; a unix socket has no such thing. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL) {
        return ERROR_MEMORY;
    }
    listener->acceptor = acceptor;
    listener->fd = fd;
    int error = loop_watch_new(acceptor->loop, fd, LOOP_READ, on_accept, listener,
                               &listener->watch);
    if (error != ERROR_NONE) {
        free(listener);
        return error;
    }
    listener->next = acceptor->listeners;
    acceptor->listeners = listener;
    return ERROR_NONE;
}

int acceptor_listen(struct acceptor *acceptor, const struct address *address,
                    uint16_t *ret_port)
{
    int fd = -1;
    int error = address_listen(address, BACKLOG, &fd);
    if (error != ERROR_NONE) {
        return error;
    }
    struct address bound = {.size = sizeof(bound.storage)};
    if (getsockname(fd, (struct sockaddr *)&bound.storage, &bound.size) != 0) {
        error = ERROR_IO;
    } else {
        error = acceptor_listen_fd(acceptor, fd);
    }
    if (error != ERROR_NONE) {
        close(fd);
        return error;
    }
    if (ret_port != NULL) {
        *ret_port = address_port(&bound);
    }
    return ERROR_NONE;
}

void acceptor_free(struct acceptor *acceptor)
{
    if (acceptor == NULL) {
        return;
    }
    while (acceptor->listeners != NULL) {
        struct listener *listener = acceptor->listeners;
        acceptor->listeners = listener->next;
        loop_watch_free(listener->watch);
        close(listener->fd);
        free(listener);
    }
    loop_timer_free(acceptor->resume);
    free(acceptor);
}
