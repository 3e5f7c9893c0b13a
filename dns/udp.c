/* A blocking recvmmsg, the answers, a sendmmsg: per query the kernel's part is what
 * counts, so nothing else is done here. All buffers are made once. The socket blocks;
 * shutdown(2) wakes it to see that it shall end. Linux does that for UDP too, but nobody
 * promises it: so there is a timeout as well. */
#include "dns/udp.h"

#include "base/net/rate_limiter.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,
    QUERY_MAX = 1500,
    STOP_S = 1,
    SEND_RETRIES = 3,
    RECEIVE_BUFFER = 4 << 20,
    SLIP = 2, /* of so many queries over the limit one is told to come by TCP */
};

union control {
    char data[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct cmsghdr align;
};

struct slot {
    uint8_t query[QUERY_MAX];
    uint8_t answer[DNS_UDP_MAX];
    struct sockaddr_storage peer;
    union control control;
};

struct dns_udp {
    struct dns_udp_shared *shared;
    int fd;
    struct rate_limiter *limiter; /* NULL: no limit */
    unsigned slipped;
    bool wildcard; /* the source of an answer must then be set from PKTINFO */
    bool running;
    bool adopted; /* somebody else keeps the socket, too */
    atomic_bool stopping;
    atomic_uint turns; /* of the thread's loop */
    pthread_t thread;
    struct address bound;
    struct dns_tally tally; /* the thread's */
    struct slot slots[BATCH];
    struct mmsghdr received[BATCH];
    struct mmsghdr sent[BATCH];
    struct iovec received_io[BATCH];
    struct iovec sent_io[BATCH];
};

static bool is_wildcard(const struct address *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    return address->storage.ss_family == AF_INET
               ? v4->sin_addr.s_addr == INADDR_ANY
               : IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static uint16_t peer_port(const struct sockaddr_storage *peer)
{
    return peer->ss_family == AF_INET
               ? ntohs(((const struct sockaddr_in *)peer)->sin_port)
               : ntohs(((const struct sockaddr_in6 *)peer)->sin6_port);
}

static int set_options(const struct dns_udp *udp, int family)
{
    const int on = 1;
    const int size = RECEIVE_BUFFER;
    const int omit =
        IP_PMTUDISC_OMIT; /* forged "fragmentation needed" must not shrink what we send */
    const struct timeval timeout = {.tv_sec = STOP_S};
    (void)setsockopt(udp->fd, SOL_SOCKET, SO_RCVBUF, &size,
                     sizeof(size)); /* as far as it is granted */
    if (family == AF_INET6) {
        (void)setsockopt(udp->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &omit, sizeof(omit));
        if (udp->wildcard &&
            setsockopt(udp->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) != 0) {
            return ERROR_IO;
        }
    } else {
        (void)setsockopt(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof(omit));
        if (udp->wildcard &&
            setsockopt(udp->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) != 0) {
            return ERROR_IO;
        }
    }
    return setsockopt(udp->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0
               ? 0
               : ERROR_IO;
}

static int read_bound(struct dns_udp *udp)
{
    udp->bound.size = sizeof(udp->bound.storage);
    return getsockname(udp->fd, (struct sockaddr *)&udp->bound.storage,
                       &udp->bound.size) == 0
               ? 0
               : ERROR_IO;
}

static int open_socket(struct dns_udp *udp, const struct address *address, bool v6_only)
{
    const int only = v6_only ? 1 : 0;
    int family = address->storage.ss_family;
    udp->wildcard = is_wildcard(address);
    udp->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (udp->fd < 0 ||
        (family == AF_INET6 &&
         setsockopt(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) != 0) ||
        set_options(udp, family) != 0 ||
        bind(udp->fd, (const struct sockaddr *)&address->storage, address->size) != 0) {
        return ERROR_IO;
    }
    return read_bound(udp);
}

/* Its thread waits in the kernel: the socket must block, whoever made it. */
static int adopt_socket(struct dns_udp *udp, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    udp->fd = fd;
    udp->adopted = true;
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0 ||
        read_bound(udp) != 0) {
        return ERROR_IO;
    }
    udp->wildcard = is_wildcard(&udp->bound);
    return set_options(udp, udp->bound.storage.ss_family);
}

static void prepare_receive(struct dns_udp *udp, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct msghdr *message = &udp->received[i].msg_hdr;
        message->msg_namelen = sizeof(udp->slots[i].peer);
        message->msg_controllen = udp->wildcard ? sizeof(udp->slots[i].control) : 0;
        message->msg_flags = 0;
    }
}

static void prepare(struct dns_udp *udp)
{
    for (size_t i = 0; i < BATCH; i++) {
        struct slot *slot = &udp->slots[i];
        udp->received_io[i] = (struct iovec){slot->query, sizeof(slot->query)};
        udp->received[i].msg_hdr = (struct msghdr){
            .msg_name = &slot->peer,
            .msg_control = udp->wildcard ? slot->control.data : NULL,
            .msg_iov = &udp->received_io[i],
            .msg_iovlen = 1,
        };
    }
    prepare_receive(udp, BATCH);
}

/* The interface that a query came in by must not decide the way out, but for link-local
 * addresses, which mean nothing without it. */
static void clear_interface(struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    if (control != NULL && control->cmsg_level == IPPROTO_IP &&
        control->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(control), sizeof(info));
        info.ipi_ifindex = 0;
        info.ipi_spec_dst = info.ipi_addr;
        memcpy(CMSG_DATA(control), &info, sizeof(info));
    } else if (control != NULL && control->cmsg_level == IPPROTO_IPV6 &&
               control->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(control), sizeof(info));
        if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) {
            info.ipi6_ifindex = 0;
        }
        memcpy(CMSG_DATA(control), &info, sizeof(info));
    }
}

struct now {
    int64_t at;
    int64_t mono_ms;
};

static struct now read_clocks(const struct dns_udp *udp)
{
    struct timespec wall;
    struct timespec mono = {.tv_sec = 0};
    clock_gettime(CLOCK_REALTIME_COARSE, &wall);
    if (udp->limiter != NULL) {
        clock_gettime(CLOCK_MONOTONIC_COARSE, &mono);
    }
    return (struct now){wall.tv_sec, mono.tv_sec * 1000 + mono.tv_nsec / 1000000};
}

/* Whether the peer has proved that it gets what is sent to its address. */
static bool shows_cookie(const struct dns_udp *udp, struct bytes query,
                         const struct sockaddr_storage *peer, int64_t now_at)
{
    struct dns_query parsed;
    enum dns_query_result result = dns_query_parse(query, &parsed);
    return result == DNS_QUERY_GOOD && parsed.edns &&
           dns_cookie_is_ours(&udp->shared->cookies, parsed.cookie, peer, now_at);
}

static bool is_unlimited(const struct dns_udp_shared *shared,
                         const struct sockaddr_storage *peer)
{
    const struct address address = {*peer, sizeof(*peer)};
    return prefix_list_holds(shared->unlimited, shared->unlimited_count, &address);
}

/* The issuer's questions come from the very address that it asks. */
static bool is_own(const struct dns_udp *udp, const struct sockaddr_storage *peer)
{
    const struct sockaddr_storage *own = &udp->bound.storage;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
    if (own->ss_family != peer->ss_family) {
        return false;
    }
    return peer->ss_family == AF_INET
               ? ((const struct sockaddr_in *)own)->sin_addr.s_addr == v4->sin_addr.s_addr
               : IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)own)->sin6_addr,
                                    &v6->sin6_addr);
}

/* By the source's network alone: a limit by names would forget what each is asked, and a
 * flood of distinct names would pass. */
static bool is_over_limit(struct dns_udp *udp, struct bytes query,
                          const struct sockaddr_storage *peer, const struct now *now)
{
    const struct dns_udp_shared *shared = udp->shared;
    uint64_t site = udp->limiter != NULL ? prefix_site(peer) : 0;
    return site != 0 && rate_limiter_take(udp->limiter, site, now->mono_ms) != 0 &&
           !is_own(udp, peer) && !is_unlimited(shared, peer) &&
           !shows_cookie(udp, query, peer, now->at);
}

/* The size of the answer to the query in SLOT; 0 for none. */
static size_t answer_slot(struct dns_udp *udp, struct slot *slot, struct bytes query,
                          const struct now *now)
{
    struct dns_udp_shared *shared = udp->shared;
    struct dns_asker asker = {
        .transport = DNS_UDP,
        .is_limited = is_over_limit(udp, query, &slot->peer, now),
        .cookies = &shared->cookies,
        .address = &slot->peer,
    };
    if (asker.is_limited) {
        dns_tally_limit(&udp->tally);
        udp->slipped = (udp->slipped + 1) % SLIP;
        if (udp->slipped != 0) {
            return 0;
        }
    }
    size_t size = dns_answer(query, &asker, shared->view, shared->probes, now->at,
                             slot->answer, sizeof(slot->answer));
    if (size == 0) {
        dns_tally_silence(&udp->tally);
    } else {
        dns_tally_answer(&udp->tally, (struct bytes){slot->answer, size});
    }
    return size;
}

/* Answers the received batch; how many answers stand in `sent`, without holes. */
static size_t answer_batch(struct dns_udp *udp, size_t count)
{
    struct dns_udp_shared *shared = udp->shared;
    const struct now now = read_clocks(udp);
    size_t ready = 0;
    pthread_mutex_lock(&shared->lock);
    dns_cookie_keys_turn(&shared->cookies, now.at);
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = &udp->slots[i];
        struct msghdr *message = &udp->received[i].msg_hdr;
        struct bytes query = {slot->query, udp->received[i].msg_len};
        /* Port 0 can't be answered, and whoever sends from it means no good. */
        if ((message->msg_flags & MSG_TRUNC) != 0 || peer_port(&slot->peer) == 0) {
            dns_tally_silence(&udp->tally);
            continue;
        }
        size_t size = answer_slot(udp, slot, query, &now);
        if (size == 0) {
            continue;
        }
        udp->sent_io[ready] = (struct iovec){slot->answer, size};
        udp->sent[ready].msg_hdr = *message;
        udp->sent[ready].msg_hdr.msg_iov = &udp->sent_io[ready];
        udp->sent[ready].msg_hdr.msg_flags = 0;
        if (udp->wildcard) {
            clear_interface(&udp->sent[ready].msg_hdr);
        }
        ready++;
    }
    pthread_mutex_unlock(&shared->lock);
    return ready;
}

/* One answer that can't be sent must not take the rest of the batch with it. */
static void send_batch(struct dns_udp *udp, size_t count)
{
    size_t at = 0;
    unsigned retries = 0;
    while (at < count) {
        int result = sendmmsg(udp->fd, udp->sent + at, (unsigned)(count - at), 0);
        if (result > 0) {
            at += (size_t)result;
            retries = 0;
        } else if (errno == EINTR ||
                   ((errno == EAGAIN || errno == ENOBUFS) && retries++ < SEND_RETRIES)) {
            continue;
        } else {
            at++; /* EINVAL, EPERM, ENETUNREACH ...: this peer goes without */
            retries = 0;
        }
    }
}

static void *serve(void *arg)
{
    struct dns_udp *udp = arg;
    while (!atomic_load_explicit(&udp->stopping, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&udp->turns, 1, memory_order_relaxed);
        int count = recvmmsg(udp->fd, udp->received, BATCH, MSG_WAITFORONE, NULL);
        if (count <= 0) {
            continue; /* the timeout, or an ICMP error of an earlier answer */
        }
        size_t ready = answer_batch(udp, (size_t)count);
        send_batch(udp, ready);
        prepare_receive(udp, (size_t)count);
    }
    return NULL;
}

static int start_thread(struct dns_udp *udp)
{
    const struct rate_limit *limit = &udp->shared->limit;
    sigset_t all;
    sigset_t old;
    int error =
        limit->per_second > 0 ? rate_limiter_new(limit, &udp->limiter) : ERROR_NONE;
    if (error != ERROR_NONE) {
        return error;
    }
    prepare(udp);
    /* Signals are the main thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    errno = pthread_create(&udp->thread, NULL, serve, udp);
    udp->running = errno == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return udp->running ? 0 : ERROR_IO;
}

int dns_udp_new(struct dns_udp_shared *shared, const struct address *address,
                bool v6_only, struct dns_udp **ret_udp)
{
    struct dns_udp *udp = calloc(1, sizeof(*udp));
    if (udp == NULL) {
        return ERROR_MEMORY;
    }
    udp->shared = shared;
    udp->fd = -1;
    int result = open_socket(udp, address, v6_only);
    if (result == 0) {
        result = start_thread(udp);
    }
    if (result != 0) {
        int saved = errno;
        dns_udp_free(udp);
        errno = saved;
        return result;
    }
    *ret_udp = udp;
    return 0;
}

int dns_udp_take(struct dns_udp_shared *shared, int fd, struct dns_udp **ret_udp)
{
    struct dns_udp *udp = calloc(1, sizeof(*udp));
    if (udp == NULL) {
        return ERROR_MEMORY;
    }
    udp->shared = shared;
    int result = adopt_socket(udp, fd);
    if (result == 0) {
        result = start_thread(udp);
    }
    if (result != 0) {
        rate_limiter_free(udp->limiter);
        free(udp);
        return result;
    }
    *ret_udp = udp;
    return 0;
}

uint16_t dns_udp_port(const struct dns_udp *udp)
{
    return address_port(&udp->bound);
}

unsigned dns_udp_turns(const struct dns_udp *udp)
{
    return atomic_load_explicit(&udp->turns, memory_order_relaxed);
}

const struct dns_tally *dns_udp_tally(const struct dns_udp *udp)
{
    return &udp->tally;
}

void dns_udp_free(struct dns_udp *udp)
{
    if (udp == NULL) {
        return;
    }
    if (udp->running) {
        atomic_store(&udp->stopping, true);
        if (!udp->adopted) { /* it would be shut for its other owner as well */
            (void)shutdown(udp->fd, SHUT_RD);
        }
        pthread_join(udp->thread, NULL);
    }
    if (udp->fd >= 0) {
        close(udp->fd);
    }
    rate_limiter_free(udp->limiter);
    free(udp);
}
