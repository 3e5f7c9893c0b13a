/* The role's main loop. UDP has its own threads (dns/udp.c); here are TCP, the zones that
 * follow the store, and signals. Every POLL_MS each zone looks for news, which is one cheap
 * question per file when there are none. */
#include "relay/nameserver/nameserver.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/log.h"
#include "base/core/notify.h"
#include "base/core/text.h"
#include "base/net/watchdog.h"
#include "relay/confinement.h"
#include "relay/nameserver/meter.h"
#include "relay/nameserver/nameserver_sockets.h"
#include "relay/nameserver/nameserver_zone.h"
#include "relay/store/place.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    POLL_MS = 25,
    CONNECTIONS_MAX = 1024,
    CONNECTIONS_PER_SOURCE = 64,
    IDLE_MS = 10000,
    PARTIAL_MS = 2000,
    STALL_MS = 10000, /* a UDP thread comes back to its socket once a second */
    ADDRESSES_MAX = 16,
    PREFIXES_MAX = 16,
    DNS_PORT = 53,
};

struct nameserver {
    struct relay_config **config;
    struct loop *loop;
    struct loop_timer *poll_timer;
    struct loop_signal *signals[3];
    struct watchdog *watchdog;
    struct nameserver_zone *zones; /* the main one first */
    struct dns_probes *probes;
    struct address addresses[ADDRESSES_MAX]; /* with UDP */
    size_t address_count;
    struct activation activation;
    struct prefix unlimited[PREFIXES_MAX];
    struct dns_listen *listen;
    struct nameserver_meter *meter;
};

static void on_poll(void *arg)
{
    struct nameserver *server = arg;
    for (struct nameserver_zone *zone = server->zones; zone != NULL; zone = zone->next) {
        nameserver_zone_poll(zone);
    }
    loop_timer_set(server->poll_timer, POLL_MS);
}

static void on_end(int signal, void *arg)
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

static bool find_unreadable(void *arg, const char **ret_name)
{
    const struct nameserver *server = arg;
    for (const struct nameserver_zone *zone = server->zones; zone != NULL;
         zone = zone->next) {
        const char *name = follower_unreadable(zone->follower);
        if (name != NULL) {
            *ret_name = name;
            return true;
        }
    }
    return false;
}

/* One line for people, at the end of the start and of a reload. */
static void say_ready(const struct nameserver *server)
{
    struct buffer names = buffer_init(4096);
    for (const struct nameserver_zone *zone = server->zones; zone != NULL;
         zone = zone->next) {
        buffer_printf(&names, " %s", zone->name);
    }
    notify_ready("Answers for%s", buffer_text(&names));
    buffer_free(&names);
}

/* ---- zones ---- */

static int open_zone(const struct relay_config *config, bool is_main,
                     struct nameserver_zone **ret_zone)
{
    char snapshot[NAMESERVER_ZONE_NAME_MAX + 32];
    if (!text_format(snapshot, sizeof(snapshot), "dns%s%s.snapshot", is_main ? "" : "-",
                     is_main ? "" : config->zone)) {
        return ERROR_LIMIT;
    }
    return nameserver_zone_new(config, snapshot, ret_zone);
}

/* Takes ZONE's place in the list that is served. */
static void show_zones(struct nameserver *server, struct nameserver_zone *zones)
{
    if (server->listen != NULL) {
        dns_listen_lock(server->listen);
    }
    for (struct nameserver_zone *zone = zones; zone != NULL; zone = zone->next) {
        zone->listen = server->listen;
        zone->view.next = zone->next != NULL ? &zone->next->view : NULL;
    }
    if (server->listen != NULL) {
        dns_listen_use(server->listen, zones != NULL ? &zones->view : NULL);
        dns_listen_unlock(server->listen);
    }
    server->zones = zones;
}

/* The zone of this name out of the list *ZONES, or NULL. */
static struct nameserver_zone *take_zone(struct nameserver_zone **zones, const char *name)
{
    for (; *zones != NULL; zones = &(*zones)->next) {
        struct nameserver_zone *zone = *zones;
        if (strcmp(zone->name, name) == 0) {
            *zones = zone->next;
            zone->next = NULL;
            return zone;
        }
    }
    return NULL;
}

static void free_zones(struct nameserver_zone *zones)
{
    while (zones != NULL) {
        struct nameserver_zone *next = zones->next;
        zones->listen = NULL; /* nobody serves it any more */
        nameserver_zone_free(zones);
        zones = next;
    }
}

static int open_zones(struct nameserver *server)
{
    struct nameserver_zone **end = &server->zones;
    int result = 0;
    for (const struct relay_config *config = *server->config;
         result == 0 && config != NULL; config = config->next) {
        result = open_zone(config, config == *server->config, end);
        if (result == 0) {
            end = &(*end)->next;
        }
    }
    if (result == 0) {
        show_zones(server, server->zones);
    }
    return result;
}

/* ---- SIGHUP ---- */

/* The zone of CONFIG as it shall be now: one that was served before, or a new one. NULL:
 * it can't be served, and the log says why. */
static struct nameserver_zone *renew_zone(struct nameserver_zone **zones,
                                          const struct relay_config *config)
{
    struct nameserver_zone *zone = take_zone(zones, config->zone);
    if (zone != NULL) {
        if (nameserver_zone_reload(zone, config) != 0) {
            log_error("'%s' is served as before", config->zone);
        }
    } else if (open_zone(config, false, &zone) != 0) {
        log_error("'%s' is not served", config->zone);
    } else {
        log_info("'%s' is served from now on", config->zone);
    }
    return zone;
}

/* A zone that can't be made as it is configured stays as it was, so that no question ever
 * goes unanswered. */
static void take_config(struct nameserver *server, struct relay_config *config)
{
    struct nameserver_zone *old = server->zones;
    struct nameserver_zone *zones = NULL;
    struct nameserver_zone **end = &zones;
    for (const struct relay_config *at = config; at != NULL; at = at->next) {
        *end = renew_zone(&old, at);
        if (*end != NULL) {
            end = &(*end)->next;
        }
    }
    show_zones(server, zones);
    for (const struct nameserver_zone *zone = old; zone != NULL; zone = zone->next) {
        log_info("'%s' is not served any more", zone->name);
    }
    free_zones(old);
    relay_config_replace(server->config, config);
}

static void on_reload(int signal, void *arg)
{
    struct nameserver *server = arg;
    (void)signal;
    notify_reloading();
    struct relay_config *config = relay_config_reload(*server->config, "dns");
    if (config != NULL) {
        take_config(server, config);
    }
    say_ready(server);
}

/* ---- start and end ---- */

static int parse_listen(struct nameserver *server)
{
    const struct conf_texts *listen = &(*server->config)->dns_listen;
    for (size_t i = 0; i < listen->count; i++) {
        if (i == ADDRESSES_MAX ||
            address_parse(listen->at[i], DNS_PORT, &server->addresses[i]) != 0) {
            log_error("[dns] listen = '%s': must be address:port", listen->at[i]);
            return ERROR_SYNTAX;
        }
    }
    server->address_count = listen->count;
    return 0;
}

/* The service manager's sockets count instead of `listen`. */
static int find_addresses(struct nameserver *server)
{
    const struct activation *activation = &server->activation;
    int result = nameserver_sockets_take(&server->activation);
    if (result != 0 || activation->count == 0) {
        return result == 0 ? parse_listen(server) : result;
    }
    for (size_t i = 0; i < activation->count; i++) {
        if (activation->at[i].datagram && server->address_count < ADDRESSES_MAX) {
            server->addresses[server->address_count++] = activation->at[i].address;
        }
    }
    return 0;
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
        .addresses = server->addresses,
        .address_count = server->address_count,
        .activation = &server->activation,
        .max_connections = CONNECTIONS_MAX,
        .max_connections_per_source = CONNECTIONS_PER_SOURCE,
        .idle_ms = IDLE_MS,
        .partial_ms = PARTIAL_MS,
        .rate_limit = (unsigned)(*server->config)->dns_rate_limit,
        .unlimited = server->unlimited,
        .unlimited_count = (*server->config)->dns_unlimited.count,
    };
    size_t failed = 0;
    raise_descriptors();
    int result = dns_listen_new(server->loop, &server->zones->view, server->probes,
                                &options, &failed, &server->listen);
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
    const char *ready_file = (*server->config)->dns_ready_file;
    struct buffer text = buffer_init(4096);
    int result = 0;
    for (size_t i = 0; i < server->address_count; i++) {
        char address[ADDRESS_TEXT_CAPACITY];
        address_text(&server->addresses[i], address);
        for (const struct nameserver_zone *zone = server->zones; zone != NULL;
             zone = zone->next) {
            log_info("serving '%s' on %s (port %u)", zone->name, address,
                     dns_listen_port(server->listen, i));
        }
        buffer_printf(&text, "%u\n", dns_listen_port(server->listen, i));
    }
    if (ready_file[0] != '\0') {
        result = file_write_atomic(ready_file, buffer_text(&text), text.size, 0644);
        if (result != 0) {
            log_error("can't write '%s': %s", ready_file, error_text(result));
        }
    }
    buffer_free(&text);
    if (result == 0) {
        say_ready(server);
    }
    return result;
}

static int watch_signals(struct nameserver *server)
{
    int result =
        loop_signal_new(server->loop, SIGTERM, on_end, server, &server->signals[0]);
    if (result == 0) {
        result =
            loop_signal_new(server->loop, SIGINT, on_end, server, &server->signals[1]);
    }
    if (result == 0) {
        result =
            loop_signal_new(server->loop, SIGHUP, on_reload, server, &server->signals[2]);
    }
    return result;
}

/* Only `status` wants it: what keeps it from us keeps nobody from an answer. */
static void hold_place(const struct nameserver *server)
{
    int error = place_hold((*server->config)->store, "dns");
    if (error == ERROR_BUSY) {
        log_warning("another dns role runs on '%s'", (*server->config)->store);
    }
}

static int start(struct nameserver *server)
{
    int result = prefix_list_parse(&(*server->config)->dns_unlimited, PREFIXES_MAX,
                                   server->unlimited);
    if (result == 0) {
        result = find_addresses(server);
    }
    if (result == 0) {
        result = loop_new(&server->loop);
    }
    if (result == 0) {
        result = watch_signals(server);
    }
    if (result == 0) {
        result = loop_timer_new(server->loop, on_poll, server, &server->poll_timer);
    }
    if (result == 0) {
        result = dns_probe_new(&server->probes);
    }
    if (result == 0) {
        result = open_zones(server);
    }
    if (result == 0) {
        result = confinement_files(CONFINEMENT_DNS, *server->config);
        hold_place(server);
    }
    if (result == 0) {
        result = open_sockets(server);
    }
    if (result == 0) {
        result = watchdog_new(server->loop, is_alive, server, &server->watchdog);
    }
    if (result == 0) {
        show_zones(server, server->zones);
        result =
            nameserver_meter_new(server->loop, (*server->config)->dns_status_listen,
                                 server->listen, find_unreadable, server, &server->meter);
    }
    if (result == 0) {
        result = confinement_calls(CONFINEMENT_DNS, *server->config);
    }
    return result == 0 ? tell_ready(server) : result;
}

static void stop(struct nameserver *server)
{
    watchdog_free(server->watchdog);
    nameserver_meter_free(server->meter);
    dns_listen_free(server->listen);
    free_zones(server->zones);
    dns_probe_free(server->probes);
    loop_timer_free(server->poll_timer);
    for (size_t i = 0; i < sizeof(server->signals) / sizeof(server->signals[0]); i++) {
        loop_signal_free(server->signals[i]);
    }
    loop_free(server->loop);
}

int nameserver_run(struct relay_config **config)
{
    struct nameserver *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return ERROR_MEMORY;
    }
    server->config = config;
    int result = start(server);
    if (result == 0) {
        loop_timer_set(server->poll_timer, POLL_MS);
        result = loop_run(server->loop);
    }
    stop(server);
    free(server);
    return result;
}
