/* The role's main loop. UDP has its own threads (dns/udp.c); here are TCP, the store and
 * signals. Every POLL_MS the follower looks for news, which is one cheap question per
 * file when there are none.
 *
 * The view is locked for each row alone, never while the disk is asked: a store that
 * hangs must not keep answers from being made. The first reading happens before the
 * sockets are open. */
#include "relay/nameserver/nameserver.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/log.h"
#include "base/core/notify.h"
#include "base/core/text.h"
#include "base/net/watchdog.h"
#include "relay/nameserver/follower.h"
#include "relay/nameserver/snapshot.h"
#include "relay/store/place.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    POLL_MS = 25,
    SNAPSHOT_MS = 5000,  /* between two snapshots, when something changed */
    SNAPSHOT_SHARE = 50, /* but at most this part of our time goes into writing them */
    DEVICES_MAX = 4000000,
    CHALLENGES_MAX = 100000,
    CONNECTIONS_MAX = 1024,
    CONNECTIONS_PER_SOURCE = 64,
    IDLE_MS = 10000,
    PARTIAL_MS = 2000,
    STALL_MS = 10000, /* a UDP thread comes back to its socket once a second */
};

struct nameserver {
    const struct nameserver_options *options;
    struct loop *loop;
    struct loop_timer *poll_timer;
    struct loop_signal *signals[2];
    struct watchdog *watchdog;
    struct dns_template *template;
    struct dns_view view;
    struct dns_probes *probes;
    struct dns_listen *listen;
    struct follower *follower;
    char snapshot_path[512];
    int64_t snapshot_mono_ms; /* not before this */
    bool snapshot_due;
    bool snapshot_failed;
};

static void lock_view(struct nameserver *server)
{
    if (server->listen != NULL) {
        dns_listen_lock(server->listen);
    }
}

static void unlock_view(struct nameserver *server)
{
    if (server->listen != NULL) {
        dns_listen_unlock(server->listen);
    }
}

static int put_challenge(void *arg, const char *name, const char *value,
                         int64_t expires_at, bool gone)
{
    struct nameserver *server = arg;
    int64_t now_at = clock_wall_at();
    lock_view(server);
    int result =
        gone || expires_at <= now_at
            ? dns_view_end_challenge(&server->view, name, value)
            : dns_view_put_challenge(&server->view, name, value, expires_at, now_at);
    unlock_view(server);
    return result;
}

static int put_addresses(void *arg, const char *id, const char *addresses)
{
    struct nameserver *server = arg;
    lock_view(server);
    int result = dns_view_put_addresses(&server->view, id, addresses);
    unlock_view(server);
    return result;
}

static int put_certificate(void *arg, const char *id, int64_t holds_id_until_at)
{
    struct nameserver *server = arg;
    lock_view(server);
    int result = dns_view_put_certificate(&server->view, id, holds_id_until_at);
    unlock_view(server);
    return result;
}

static int put_block(void *arg, const char *id, bool blocked)
{
    struct nameserver *server = arg;
    lock_view(server);
    int result = dns_view_put_block(&server->view, id, blocked);
    unlock_view(server);
    return result;
}

static int put_caa(void *arg, const char *ca, const char *value)
{
    struct nameserver *server = arg;
    lock_view(server);
    int result = dns_view_put_caa(&server->view, ca, value);
    unlock_view(server);
    return result;
}

static void forget(void *arg, enum follower_source source)
{
    struct nameserver *server = arg;
    lock_view(server);
    dns_view_forget(&server->view, source == FOLLOWER_FRONT, source == FOLLOWER_ISSUER,
                    source == FOLLOWER_ADMIN);
    unlock_view(server);
}

static void write_snapshot(struct nameserver *server)
{
    struct follower_seen seen = follower_seen(server->follower);
    int64_t start_mono_ms = clock_mono_ms();
    int result = snapshot_write(server->snapshot_path, &server->view, &seen);
    if (result != 0 && !server->snapshot_failed) {
        log_warning("can't write '%s' (%s): after a restart without the store nothing "
                    "published is "
                    "known",
                    server->snapshot_path, error_text(result));
    }
    server->snapshot_failed = result != 0;
    server->snapshot_due = false;
    int64_t now_mono_ms = clock_mono_ms();
    int64_t pause_ms = (now_mono_ms - start_mono_ms) * SNAPSHOT_SHARE;
    server->snapshot_mono_ms =
        now_mono_ms + (pause_ms > SNAPSHOT_MS ? pause_ms : SNAPSHOT_MS);
}

static void poll_store(struct nameserver *server)
{
    bool changed = false;
    int64_t now_mono_ms = clock_mono_ms();
    follower_poll(server->follower, now_mono_ms, &changed);
    server->snapshot_due = server->snapshot_due || changed;
    /* Only this thread changes the view, so it may be read without the lock. */
    if (server->snapshot_due && now_mono_ms >= server->snapshot_mono_ms) {
        write_snapshot(server);
    }
}

static void on_poll(void *arg)
{
    struct nameserver *server = arg;
    poll_store(server);
    loop_timer_set(server->poll_timer, POLL_MS);
}

static void on_signal(int signal, void *arg)
{
    struct nameserver *server = arg;
    log_info("ending on signal %d", signal);
    notify_stopping();
    loop_stop(server->loop);
}

static bool is_alive(void *arg)
{
    struct nameserver *server = arg;
    return dns_listen_is_alive(server->listen, clock_mono_ms(), STALL_MS);
}

static int make_view(struct nameserver *server)
{
    return dns_view_init(&server->view, server->template, &server->options->policy,
                         DEVICES_MAX, CHALLENGES_MAX);
}

static int load_snapshot(struct nameserver *server, struct follower_seen *ret_seen)
{
    int result = snapshot_read(server->snapshot_path, &server->view, ret_seen);
    if (result == 0) {
        log_info("starting from '%s': %zu devices", server->snapshot_path,
                 server->view.devices.count);
        return 0;
    }
    if (result != ERROR_NOT_FOUND) {
        log_warning("ignoring '%s' (%s): reading the whole store instead",
                    server->snapshot_path, error_text(result));
    }
    *ret_seen = (struct follower_seen){{0}};
    dns_view_free(&server->view);
    return make_view(server);
}

static int open_zone(struct nameserver *server)
{
    struct buffer report = buffer_init(16 << 10);
    struct dns_template_options zone = server->options->zone;
    if (zone.serial == 0) {
        zone.serial = (uint32_t)clock_wall_at();
    }
    int result = dns_template_new(&zone, &report, &server->template);
    if (result != 0) {
        log_error("the zone '%s' can't be made: %s%s%s", zone.zone, error_text(result),
                  report.size > 0 ? ": " : "", buffer_text(&report));
    }
    buffer_free(&report);
    return result == 0 ? make_view(server) : result;
}

static int open_store(struct nameserver *server)
{
    struct follower_seen seen;
    struct follower_sink sink = {
        .challenge = put_challenge,
        .addresses = put_addresses,
        .certificate = put_certificate,
        .block = put_block,
        .caa = put_caa,
        .forget = forget,
        .arg = server,
    };
    int result = place_path(server->options->store, "dns", "dns.snapshot",
                            server->snapshot_path, sizeof(server->snapshot_path));
    if (result == 0) {
        result = load_snapshot(server, &seen);
    }
    if (result == 0) {
        result = follower_new(server->options->store, server->options->zone.zone, &seen,
                              &sink, &server->follower);
    }
    if (result == 0) {
        poll_store(server); /* what is there already is known before the first question */
    }
    return result;
}

/* TCP connections are bounded by CONNECTIONS_MAX, which is more than the usual limit. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_sockets(struct nameserver *server)
{
    struct dns_listen_options options = {
        .addresses = server->options->addresses,
        .address_count = server->options->address_count,
        .max_connections = CONNECTIONS_MAX,
        .max_connections_per_source = CONNECTIONS_PER_SOURCE,
        .idle_ms = IDLE_MS,
        .partial_ms = PARTIAL_MS,
    };
    size_t failed = 0;
    raise_descriptors();
    int result = dns_listen_new(server->loop, &server->view, server->probes, &options,
                                &failed, &server->listen);
    if (result != 0) {
        char text[ADDRESS_TEXT_CAPACITY] = "";
        int saved = errno;
        if (failed < options.address_count) {
            address_text(&options.addresses[failed], text);
        }
        log_error("can't serve DNS on '%s': %s%s", text,
                  result == ERROR_IO ? strerror(saved) : error_text(result),
                  saved == EADDRINUSE
                      ? ". Another server has the port; systemd-resolved holds "
                        "127.0.0.53:53, so give single addresses instead of 0.0.0.0"
                  : saved == EACCES ? ". A port below 1024 needs CAP_NET_BIND_SERVICE"
                                    : "");
    }
    return result;
}

static int tell_ready(const struct nameserver *server)
{
    struct buffer text = buffer_init(4096);
    int result = 0;
    for (size_t i = 0; i < server->options->address_count; i++) {
        char address[ADDRESS_TEXT_CAPACITY];
        address_text(&server->options->addresses[i], address);
        log_info("serving '%s' on %s (port %u)", server->options->zone.zone, address,
                 dns_listen_port(server->listen, i));
        buffer_printf(&text, "%u\n", dns_listen_port(server->listen, i));
    }
    if (server->options->ready_file[0] != '\0') {
        result = file_write_atomic(server->options->ready_file, buffer_text(&text),
                                   text.size, 0644);
        if (result != 0) {
            log_error("can't write '%s': %s", server->options->ready_file,
                      error_text(result));
        }
    }
    buffer_free(&text);
    if (result == 0) {
        notify_ready("Answers for %s", server->options->zone.zone);
    }
    return result;
}

static int start(struct nameserver *server)
{
    int result = loop_new(&server->loop);
    if (result == 0) {
        result = loop_signal_new(server->loop, SIGTERM, on_signal, server,
                                 &server->signals[0]);
    }
    if (result == 0) {
        result =
            loop_signal_new(server->loop, SIGINT, on_signal, server, &server->signals[1]);
    }
    if (result == 0) {
        result = loop_timer_new(server->loop, on_poll, server, &server->poll_timer);
    }
    if (result == 0) {
        result = dns_probe_new(&server->probes);
    }
    if (result == 0) {
        result = open_zone(server);
    }
    if (result == 0) {
        result = open_store(server);
    }
    if (result == 0) {
        result = open_sockets(server);
    }
    if (result == 0) {
        result = watchdog_new(server->loop, is_alive, server, &server->watchdog);
    }
    return result == 0 ? tell_ready(server) : result;
}

static void stop(struct nameserver *server)
{
    watchdog_free(server->watchdog);
    dns_listen_free(server->listen);
    if (server->follower != NULL && server->snapshot_due) {
        write_snapshot(server);
    }
    follower_free(server->follower);
    dns_view_free(&server->view);
    dns_template_free(server->template);
    dns_probe_free(server->probes);
    loop_timer_free(server->poll_timer);
    loop_signal_free(server->signals[0]);
    loop_signal_free(server->signals[1]);
    loop_free(server->loop);
}

int nameserver_run(const struct nameserver_options *options)
{
    struct nameserver *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return ERROR_MEMORY;
    }
    server->options = options;
    int result = start(server);
    if (result == 0) {
        loop_timer_set(server->poll_timer, POLL_MS);
        result = loop_run(server->loop);
    }
    stop(server);
    free(server);
    return result;
}
