/* What changed is of no interest, only that something did: getifaddrs then says what is.
 * So messages are drained unread, and a lost one (ENOBUFS) is a change like any other. */
#include "device/network_watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SETTLE_MS = 500, DRAIN_MAX = 64 };

struct network_watch {
    int fd;
    struct loop_watch *watch;
    struct loop_timer *settle;
    network_watch_fn *fn;
    void *arg;
};

static void on_settled(void *arg)
{
    struct network_watch *watch = arg;
    watch->fn(watch->arg);
}

static void on_readable(int fd, unsigned events, void *arg)
{
    struct network_watch *watch = arg;
    (void)events;
    char waste[8192];
    for (int i = 0; i < DRAIN_MAX; i++) {
        ssize_t size = recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
        if (size < 0 && errno != ENOBUFS && errno != EINTR) {
            break;
        }
    }
    loop_timer_set(watch->settle, SETTLE_MS);
}

int network_watch_new(struct loop *loop, network_watch_fn *fn, void *arg,
                      struct network_watch **ret_watch)
{
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
    };
    struct network_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return ERROR_MEMORY;
    }
    watch->fn = fn;
    watch->arg = arg;
    watch->fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    int error = ERROR_IO;
    if (watch->fd < 0 ||
        bind(watch->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        goto out;
    }
    error = loop_timer_new(loop, on_settled, watch, &watch->settle);
    if (error < 0) {
        goto out;
    }
    error = loop_watch_new(loop, watch->fd, LOOP_READ, on_readable, watch, &watch->watch);
    if (error < 0) {
        goto out;
    }
    *ret_watch = watch;
    watch = NULL;
out:
    network_watch_free(watch);
    return error;
}

void network_watch_free(struct network_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    if (watch->watch != NULL) {
        loop_watch_free(watch->watch);
    }
    if (watch->settle != NULL) {
        loop_timer_free(watch->settle);
    }
    if (watch->fd >= 0) {
        close(watch->fd);
    }
    free(watch);
}
