/* The role's table of contents: what is opened, in which order, and how it ends.
 *
 *   router    method and path -> handler
 *   request   what all POSTs have: JWS, nonce, account, signature
 *   journal   the writes of a few milliseconds, one fsync
 *   waiting   exchanges held until the issuer has decided
 *   service   what these share for one zone, and the URLs that it is served under
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
#include "relay/confinement.h"
#include "relay/front/journal.h"
#include "relay/front/key_cache.h"
#include "relay/front/meter.h"
#include "relay/front/router.h"
#include "relay/store/front_store.h"
#include "relay/store/schema.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    HANDSHAKE_S = 10,
    REQUEST_S = 15,
    IDLE_S = 15,
    RESPONSE_S = 30,
    HEADER_BYTES_MAX = 16 << 10,
    HANDSHAKES_MAX = 512,
    HELD_BYTES_PER_PLACE = 16 << 10, /* a device's request and its response, twice */
    HELD_BYTES_MIN = 4 << 20,
    LIMIT_BURST_S = 10, /* what a network may ask at once, in its rate's seconds */
    PREFIXES_MAX = 16,
    SWEEP_MS = 3600 * 1000,
    FIRST_SWEEP_MS = 60 * 1000,
    SWEEP_ROWS = 2000,
    REQUEST_KEPT_S = 7 * 86400, /* by then decided, and finalized or expired */
    ADDRESSES_KEPT_S = 30 * 86400,
};

struct front {
    struct relay_config **config;
    struct loop *loop;
    struct loop_signal *terminate;
    struct loop_signal *interrupt;
    struct loop_signal *hangup;
    struct loop_timer *sweep;
    struct watchdog *watchdog;
    struct service shared;    /* what each service begins with */
    struct service *services; /* a zone each, the main one first; some may be retired */
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

static int sweep_rows(const struct service *service, int64_t *ret_gone)
{
    static const char *const kinds[] = {"order", "finalize", "revoke", "leave", "relay"};
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
    bool more = false;

    for (const struct service *service = front->services; service != NULL;
         service = service->next) {
        int64_t gone = 0;
        int error = sweep_rows(service, &gone);

        if (error != 0) {
            log_error("old rows of '%s' can't be removed: %s", service->zone,
                      error_text(error));
        }
        more = more || gone >= SWEEP_ROWS;
    }
    loop_timer_set(front->sweep, more ? 1000 : SWEEP_MS);
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

static int open_shared(struct front *front)
{
    struct service *shared = &front->shared;
    int error = database_open((*front->config)->store, "front.db", DATABASE_WRITER,
                              schema_front, &shared->front);

    if (error != 0) {
        log_error("the store can't be opened: %s%s", database_open_error(),
                  error == ERROR_BUSY ? " (another front runs: end it first)" : "");
        return error;
    }
    shared->loop = front->loop;
    error = journal_new(shared, &shared->journal);
    if (error == 0) {
        error = key_cache_new(&shared->keys);
    }
    if (error == 0) {
        error = tls_server_new(&shared->tls);
    }
    if (error != 0) {
        log_error("can't start: %s", error_text(error));
    }
    return error;
}

/* ---- zones ---- */

static int open_zone(struct front *front, const struct relay_config *config)
{
    struct service **end = &front->services;
    struct service *service = malloc(sizeof(*service));
    int error = 0;

    if (service == NULL) {
        return ERROR_MEMORY;
    }
    *service = front->shared;
    error = service_open(service, config);
    if (error != 0) {
        service_close(service);
        free(service);
        return error;
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = service;
    return 0;
}

static int open_zones(struct front *front)
{
    int error = 0;

    for (const struct relay_config *config = *front->config; error == 0 && config != NULL;
         config = config->next) {
        error = open_zone(front, config);
    }
    return error;
}

/* One line for people, at the end of the start and of a reload. */
static void say_ready(const struct front *front)
{
    struct buffer bases = buffer_init(8192);

    for (const struct relay_config *config = *front->config; config != NULL;
         config = config->next) {
        buffer_printf(&bases, " %s/acme/directory", config->base_url);
    }
    notify_ready("Serves%s", buffer_text(&bases));
    buffer_free(&bases);
}

/* ---- SIGHUP ---- */

static const struct relay_config *config_of(const struct relay_config *config,
                                            const char *zone)
{
    while (config != NULL && strcmp(config->zone, zone) != 0) {
        config = config->next;
    }
    return config;
}

/* The service of ZONE comes first: requests that name no host of ours are its. */
static void put_first(struct front *front, const char *zone)
{
    for (struct service **at = &front->services; *at != NULL; at = &(*at)->next) {
        struct service *service = *at;

        if (strcmp(service->zone, zone) == 0) {
            *at = service->next;
            service->next = front->services;
            front->services = service;
            return;
        }
    }
}

static void take_config(struct front *front, struct relay_config *config)
{
    journal_flush(front->shared.journal); /* the terms are written on their own */
    for (struct service *service = front->services; service != NULL;
         service = service->next) {
        const struct relay_config *now = config_of(config, service->zone);

        if (now != NULL) {
            service_reload(service, now);
        } else if (!service->retired) {
            log_info("'%s' is not served any more", service->zone);
            service_retire(service, relay_config_detach(front->config, service->zone));
        }
    }
    for (const struct relay_config *at = config; at != NULL; at = at->next) {
        const struct service *service = front->services;

        while (service != NULL && strcmp(service->zone, at->zone) != 0) {
            service = service->next;
        }
        if (service == NULL) {
            log_info("'%s' is %sserved from now on", at->zone,
                     open_zone(front, at) == 0 ? "" : "not ");
        }
    }
    put_first(front, config->zone);
    relay_config_replace(front->config, config);
}

static void on_reload(int signal, void *arg)
{
    struct front *front = arg;
    struct relay_config *config = NULL;

    (void)signal;
    notify_reloading();
    config = relay_config_reload(*front->config, "front");
    if (config != NULL) {
        take_config(front, config);
    }
    say_ready(front);
}

/* ---- start and end ---- */

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

static size_t held_bytes_max(const struct relay_config *config)
{
    size_t bytes = (size_t)config->front_max_connections * HELD_BYTES_PER_PLACE;

    return bytes > HELD_BYTES_MIN ? bytes : HELD_BYTES_MIN;
}

static int listen_all(struct front *front, const struct relay_config *config)
{
    struct http_server_options options = {
        .tls = front->shared.tls,
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
                .handshakes = HANDSHAKES_MAX,
                .held_bytes = held_bytes_max(config),
            },
    };
    bool taken = false;
    int error =
        prefix_list_parse(&config->front_unlimited, PREFIXES_MAX, front->unlimited);

    if (error == 0) {
        error = http_server_new(front->loop, &options, router_handle, &front->services,
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
        error = loop_signal_new(front->loop, SIGHUP, on_reload, front, &front->hangup);
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
    front_meter_free(front->shared.meter);
    for (struct service *service = front->services; service != NULL;
         service = service->next) {
        service->meter = NULL;
    }
    http_server_free(front->server);
    journal_free(front->shared.journal);
    while (front->services != NULL) {
        struct service *service = front->services;

        front->services = service->next;
        service_close(service);
        free(service);
    }
    key_cache_free(front->shared.keys);
    tls_server_free(front->shared.tls);
    database_close(front->shared.front);
    watchdog_free(front->watchdog);
    loop_timer_free(front->sweep);
    loop_signal_free(front->hangup);
    loop_signal_free(front->interrupt);
    loop_signal_free(front->terminate);
    loop_free(front->loop);
}

/* One for all zones, those that come later too. */
static int open_meter(struct front *front)
{
    struct service *shared = &front->shared;
    int error = front_meter_new(&front->services, front->server, &shared->meter);

    for (struct service *service = front->services; error == 0 && service != NULL;
         service = service->next) {
        service->meter = shared->meter;
    }
    return error;
}

static int open_all(struct front *front)
{
    const struct relay_config *config = *front->config;
    int error = watch_signals(front);

    if (error == 0) {
        error = open_shared(front);
    }
    if (error == 0) {
        error = open_zones(front);
    }
    if (error == 0) {
        error = listen_all(front, config);
    }
    if (error == 0) {
        error = open_meter(front);
    }
    if (error == 0) {
        error = confinement_enter(CONFINEMENT_FRONT, config);
    }
    return error == 0 ? write_ready(front, config) : error;
}

int front_run(struct relay_config **config)
{
    struct front front = {.config = config};
    int error = loop_new(&front.loop);

    if (error != 0) {
        log_error("no event loop: %s", error_text(error));
        return 1;
    }
    raise_descriptors();
    if ((*config)->front_ready_file[0] != '\0') {
        (void)!file_remove((*config)->front_ready_file); /* a former life's */
    }
    error = open_all(&front);
    if (error == 0) {
        for (const struct relay_config *at = *config; at != NULL; at = at->next) {
            log_info("serves %s/acme/directory on port %u", at->base_url, front.port);
        }
        say_ready(&front);
        error = loop_run(front.loop);
    }
    close_all(&front);
    return error == 0 ? 0 : 1;
}
