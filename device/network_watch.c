/* What changed is of no interest, only that something did: interfaces_read() then says what
 * is. So messages are looked at only as far as to leave out what can't matter (routes that
 * are not the default one, a bridge's ports), and a lost one (ENOBUFS) is a change like any
 * other. The first change starts the wait: on a machine where something changes all the
 * time the caller must still hear of it. */
#include "device/network_watch.h"

#include "base/core/reader.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SETTLE_MS = 200, DRAIN_MAX = 64, MESSAGE_BYTES = 8 << 10 };

struct network_watch {
    int fd;
    struct loop_watch *watch;
    struct loop_timer *settle;
    bool is_settling;
    network_watch_fn *fn;
    void *arg;
};

static void on_settled(void *arg)
{
    struct network_watch *watch = arg;
    watch->is_settling = false;
    watch->fn(watch->arg);
}

static bool is_default_route(const struct bytes *body)
{
    struct rtmsg route;
    if (body->size < sizeof(route)) {
        return false;
    }
    memcpy(&route, body->data, sizeof(route));
    return route.rtm_dst_len == 0;
}

/* struct ifinfomsg begins with the family, which is 0 unless the message is a bridge's. */
static bool is_of_interest(uint16_t type, const struct bytes *body)
{
    switch (type) {
    case RTM_NEWADDR:
    case RTM_DELADDR:
        return true;
    case RTM_NEWLINK:
    case RTM_DELLINK:
        return body->size > 0 && body->data[0] == AF_UNSPEC;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return is_default_route(body);
    default:
        return false;
    }
}

static bool has_change(const void *data, size_t size)
{
    struct reader reader = reader_init(data, size);
    struct nlmsghdr head;
    while (reader_left(&reader) >= sizeof(head)) {
        memcpy(&head, reader_bytes(&reader, sizeof(head)).data, sizeof(head));
        if (head.nlmsg_len < sizeof(head)) {
            return true;
        }
        struct bytes body = reader_bytes(&reader, head.nlmsg_len - sizeof(head));
        if (reader.failed || is_of_interest(head.nlmsg_type, &body)) {
            return true; /* a cut message is a change too */
        }
        size_t padding = NLMSG_ALIGN(head.nlmsg_len) - head.nlmsg_len;
        (void)reader_bytes(
            &reader, padding < reader_left(&reader) ? padding : reader_left(&reader));
    }
    return false;
}

static void on_readable(int fd, unsigned events, void *arg)
{
    struct network_watch *watch = arg;
    (void)events;
    char message[MESSAGE_BYTES];
    bool changed = false;
    for (int i = 0; i < DRAIN_MAX; i++) {
        ssize_t size = recv(fd, message, sizeof(message), MSG_DONTWAIT);
        if (size > 0) {
            changed = changed || has_change(message, (size_t)size);
        } else if (size < 0 && errno == ENOBUFS) {
            changed = true;
        } else if (size == 0 || errno != EINTR) {
            break;
        }
    }
    if (changed && !watch->is_settling) {
        watch->is_settling = true;
        loop_timer_set(watch->settle, SETTLE_MS);
    }
}

int network_watch_new(struct loop *loop, network_watch_fn *fn, void *arg,
                      struct network_watch **ret_watch)
{
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
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
