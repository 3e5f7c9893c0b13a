/* The role's table of contents: what is opened, in which order, and how it ends.
 *
 *   router    method and path -> handler
 *   request   what all POSTs have: JWS, nonce, account, signature
 *   journal   the writes of a few milliseconds, one fsync
 *   waiting   exchanges held until the issuer has decided
 *   account, order, authorization, finalize, certificate, revocation, renewal,
 *   addresses, probe, timekeeper: the resources
 *   page_home, page_name, page_terms, page_robots: for people
 *   relay_certificate: the relay's own HTTPS
 *   stale     accounts that never got a certificate
 *   front_wishes: what the operator wishes of front
 *
 * One thread, one loop. A request is never answered before what it wrote is durable. */
#include "relay/front/front.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/log.h"
#include "base/core/notify.h"
#include "base/net/activation.h"
#include "base/net/http_server.h"
#include "base/net/watchdog.h"
#include "relay/front/front_wishes.h"
#include "relay/front/journal.h"
#include "relay/front/key_cache.h"
#include "relay/front/meter.h"
#include "relay/front/probe.h"
#include "relay/front/quota.h"
#include "relay/front/relay_certificate.h"
#include "relay/front/router.h"
#include "relay/front/stale.h"
#include "relay/front/timekeeper.h"
#include "relay/front/waiting.h"
#include "relay/store/front_store.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum {
    HANDSHAKE_S = 10,
    REQUEST_S = 15,
    IDLE_S = 15,
    RESPONSE_S = 30,
    HEADER_BYTES_MAX = 16 << 10,
    LIMIT_BURST_S = 10, /* what a network may ask at once, in its rate's seconds */
    PREFIXES_MAX = 16,
    SWEEP_MS = 3600 * 1000,
    FIRST_SWEEP_MS = 60 * 1000,
    SWEEP_ROWS = 2000,
    REQUEST_KEPT_S = 7 * 86400, /* by then decided, and finalized or expired */
    ADDRESSES_KEPT_S = 30 * 86400,
};

struct front {
    struct loop *loop;
    struct loop_signal *terminate;
    struct loop_signal *interrupt;
    struct loop_timer *sweep;
    struct watchdog *watchdog;
    struct service service;
    struct tls_server *tls;
    struct relay_certificate *certificate;
    struct http_server *server;
    struct prefix unlimited[PREFIXES_MAX];
    uint16_t port; /* of the first address */
};

static void stop(int signal, void *arg)
{
    struct front *front = arg;

    log_info("ends (signal %d)", signal);
    notify_stopping();
    loop_stop(front->loop);
}

static int sweep_rows(struct front *front, int64_t *ret_gone)
{
    static const char *const kinds[] = {"order", "finalize", "revoke", "leave", "relay"};
    struct service *service = &front->service;
    int64_t now_at = clock_wall_at();
    int64_t gone = 0;
    int64_t count = 0;
    int64_t rev = 0;
    int error = journal_begin(service->journal, &rev);

    for (size_t i = 0; error == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        error = front_store_remove_requests(service->front, service->zone, kinds[i],
                                            now_at - REQUEST_KEPT_S, SWEEP_ROWS, &count);
        gone += count;
    }
    if (error == 0) {
        error = front_store_clear_addresses(service->front, service->zone, rev,
                                            now_at - ADDRESSES_KEPT_S, &count);
    }
    *ret_gone = gone;
    return error;
}

/* Old rows go in pieces, so that no request waits for long. */
static void sweep(void *arg)
{
    struct front *front = arg;
    int64_t gone = 0;
    int error = sweep_rows(front, &gone);

    if (error != 0) {
        log_error("old rows can't be removed: %s", error_text(error));
    }
    loop_timer_set(front->sweep, gone >= SWEEP_ROWS ? 1000 : SWEEP_MS);
}

/* As many descriptors as we are allowed to have: connections are bounded by
 * max_connections. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_parts(struct front *front, const struct relay_config *config)
{
    int error = service_open(&front->service, config, front->loop);

    if (error != 0) {
        return error;
    }
    error = journal_new(&front->service, &front->service.journal);
    if (error == 0) {
        error = waiting_new(&front->service, &front->service.waiting);
    }
    if (error == 0) {
        error = quota_new(&front->service.quota);
    }
    if (error == 0) {
        error = key_cache_new(&front->service.keys);
    }
    if (error == 0) {
        error = probe_set_new(&front->service, &front->service.probes);
    }
    if (error == 0) {
        error = timekeeper_new(&front->service, &front->service.timekeeper);
    }
    if (error == 0) {
        error = stale_new(&front->service, &front->service.stale);
    }
    if (error == 0) {
        error = front_wishes_new(&front->service, &front->service.wishes);
    }
    if (error == 0) {
        error = tls_server_new(&front->tls);
    }
    if (error != 0) {
        log_error("can't start: %s", error_text(error));
        return error;
    }
    return relay_certificate_new(&front->service, front->tls, &front->certificate);
}

/* Sockets from the service manager count instead of `listen`: *RET_TAKEN. */
static int take_sockets(struct front *front, bool *ret_taken)
{
    struct activation activation = {.count = 0};
    struct buffer report = buffer_init(1024);
    int error = activation_take("front", &activation, &report);

    if (error != 0) {
        log_error("the service manager's sockets: %s", buffer_text(&report));
    }
    buffer_free(&report);
    for (size_t i = 0; error == 0 && i < activation.count; i++) {
        const struct activation_socket *socket = &activation.at[i];
        char text[ADDRESS_TEXT_CAPACITY];

        address_text(&socket->address, text);
        error = socket->datagram ? ERROR_RANGE
                                 : http_server_listen_fd(front->server, socket->fd);
        if (error != 0) {
            log_error("the service manager's socket for %s: %s", text,
                      socket->datagram    ? "front serves TCP: give ListenStream="
                      : error == ERROR_IO ? strerror(errno)
                                          : error_text(error));
            return error;
        }
        log_info(
            "serves %s, a socket of the service manager's: [front] listen is ignored",
            text);
        front->port = i == 0 ? address_port(&socket->address) : front->port;
    }
    *ret_taken = activation.count > 0;
    return error;
}

static struct rate_limit limit_of(uint64_t per_second)
{
    return (struct rate_limit){(unsigned)per_second,
                               (unsigned)per_second * LIMIT_BURST_S};
}

static int listen_all(struct front *front, const struct relay_config *config)
{
    struct http_server_options options = {
        .tls = front->tls,
        .max_connections = (unsigned)config->front_max_connections,
        .handshake_s = HANDSHAKE_S,
        .request_s = REQUEST_S,
        .idle_s = IDLE_S,
        .response_s = RESPONSE_S,
        .max_header_bytes = HEADER_BYTES_MAX,
        .max_body_bytes = LIMIT_JWS_BYTES,
        .limits =
            {
                .connections = (unsigned)config->front_max_connections / 2,
                .connection_rate = limit_of(config->front_connection_rate),
                .request_rate = limit_of(config->front_request_rate),
                .unlimited = front->unlimited,
                .unlimited_count = config->front_unlimited.count,
            },
    };
    bool taken = false;
    int error =
        prefix_list_parse(&config->front_unlimited, PREFIXES_MAX, front->unlimited);

    if (error == 0) {
        error = http_server_new(front->loop, &options, router_handle, &front->service,
                                &front->server);
    }
    if (error != 0) {
        log_error("can't start the HTTPS server: %s", error_text(error));
        return error;
    }
    error = take_sockets(front, &taken);
    if (error != 0 || taken) {
        return error;
    }
    for (size_t i = 0; i < config->front_listen.count; i++) {
        struct address address;
        uint16_t port = 0;

        error = address_parse(config->front_listen.at[i], 443, &address);
        if (error == 0) {
            error = http_server_listen(front->server, &address, &port);
        }
        if (error != 0) {
            log_error("[front] listen '%s': %s", config->front_listen.at[i],
                      error == ERROR_IO ? strerror(errno) : error_text(error));
            return error;
        }
        front->port = i == 0 ? port : front->port;
    }
    return 0;
}

static int watch_signals(struct front *front)
{
    int error = loop_signal_new(front->loop, SIGTERM, stop, front, &front->terminate);

    if (error == 0) {
        error = loop_signal_new(front->loop, SIGINT, stop, front, &front->interrupt);
    }
    if (error == 0) {
        error = loop_timer_new(front->loop, sweep, front, &front->sweep);
    }
    if (error == 0) {
        error = watchdog_new(front->loop, NULL, NULL, &front->watchdog);
    }
    if (error != 0) {
        log_error("can't start: %s", error_text(error));
        return error;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a write beyond a limit fails, and is answered */
    loop_timer_set(front->sweep, FIRST_SWEEP_MS);
    return 0;
}

static int write_ready(const struct front *front, const struct relay_config *config)
{
    char text[16];
    int error = 0;

    if (config->front_ready_file[0] == '\0') {
        return 0;
    }
    snprintf(text, sizeof(text), "%u\n", front->port);
    error = file_write_atomic(config->front_ready_file, text, strlen(text), 0644);
    if (error != 0) {
        log_error("[front] ready_file '%s': %s", config->front_ready_file,
                  strerror(errno));
    }
    return error;
}

/* The server first: it ends the exchanges that are held; then what they were held by. */
static void close_all(struct front *front)
{
    front_meter_free(front->service.meter);
    front->service.meter = NULL;
    http_server_free(front->server);
    relay_certificate_free(front->certificate);
    waiting_free(front->service.waiting);
    stale_free(front->service.stale);
    front_wishes_free(front->service.wishes);
    journal_free(front->service.journal);
    timekeeper_free(front->service.timekeeper);
    probe_set_free(front->service.probes);
    quota_free(front->service.quota);
    tls_server_free(front->tls);
    service_free(&front->service);
    watchdog_free(front->watchdog);
    loop_timer_free(front->sweep);
    loop_signal_free(front->interrupt);
    loop_signal_free(front->terminate);
    loop_free(front->loop);
}

int front_run(const struct relay_config *config)
{
    struct front front = {0};
    int error = loop_new(&front.loop);

    if (error != 0) {
        log_error("no event loop: %s", error_text(error));
        return 1;
    }
    raise_descriptors();
    if (config->front_ready_file[0] != '\0') {
        (void)!file_remove(config->front_ready_file); /* a former life's */
    }
    error = watch_signals(&front);
    if (error == 0) {
        error = open_parts(&front, config);
    }
    if (error == 0) {
        error = listen_all(&front, config);
    }
    if (error == 0) {
        error = front_meter_new(&front.service, front.server, &front.service.meter);
    }
    if (error == 0) {
        error = write_ready(&front, config);
    }
    if (error == 0) {
        log_info("serves %s/acme/directory on port %u", config->base_url, front.port);
        notify_ready("Serves %s/acme/directory", config->base_url);
        error = loop_run(front.loop);
    }
    close_all(&front);
    return error == 0 ? 0 : 1;
}
