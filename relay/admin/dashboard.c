/* The admin role's table of contents: what is opened in which order, and which path is what
 * page. */
#include "relay/admin/dashboard.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/html.h"
#include "base/core/log.h"
#include "base/core/metrics.h"
#include "base/core/notify.h"
#include "base/core/text.h"
#include "base/lanname.h"
#include "base/net/http_server.h"
#include "base/net/loopback.h"
#include "base/net/watchdog.h"
#include "relay/admin/ct_monitor.h"
#include "relay/admin/dashboard_style.h"
#include "relay/admin/watchman.h"
#include "relay/confinement.h"
#include "relay/store/place.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CONNECTIONS_MAX = 32, DEADLINE_S = 10, HEADER_BYTES_MAX = 16 << 10 };

enum { ROW_BUILD, ROW_START, ROW_ALERTS, ROW_ROLES, ROW_DEVICES, ROW_CT, ROW_COUNT };

static const char *const own_names[] = {"admin", NULL};
static const char *const versions[] = {LATCHKEY_VERSION, NULL};

enum { ZONE_CAPACITY = 256 };

static const char *const role_names[] = {"front", "issuer", "dns", NULL};
static const char *const ct_names[] = {"known", "unknown", NULL};

static const struct metrics_row rows[ROW_COUNT] = {
    [ROW_BUILD] = {.type = METRICS_GAUGE,
                   .name = "latchkey_build_info",
                   .help = "The program's version and the role that it plays; always 1.",
                   .labels = {{"role", own_names}, {"version", versions}}},
    [ROW_START] = {.type = METRICS_GAUGE,
                   .name = "process_start_time_seconds",
                   .help = "When the process started, in seconds since 1970."},
    [ROW_ALERTS] = {.type = METRICS_GAUGE,
                    .name = "latchkey_alert_active",
                    .help = "Whether the condition holds.",
                    .labels = {{"alert", alert_names}, {.name = "zone"}}},
    [ROW_ROLES] = {.type = METRICS_GAUGE,
                   .name = "latchkey_role_up",
                   .help = "Whether the role answers on its status listener.",
                   .labels = {{"role", role_names}}},
    [ROW_DEVICES] = {.type = METRICS_GAUGE,
                     .name = "latchkey_devices",
                     .help = "Devices with a valid account.",
                     .labels = {{.name = "zone"}}},
    [ROW_CT] = {.type = METRICS_GAUGE,
                .name = "latchkey_ct_certificates",
                .help =
                    "Certificates that the CA logged and that still hold, by whether the "
                    "issuer's ledger has them.",
                .labels = {{"ledger", ct_names}}},
};

struct dashboard {
    struct relay_config **config;
    struct loop *loop;
    struct loop_signal *signals[3];
    struct watchdog *watchdog;
    struct http_server *http;
    struct observer *observer;
    struct errand *errand;
    struct watchman *watchman;
    struct ct_monitor *ct_monitor;
    struct dashboard_check ct;
    struct metrics *metrics;
    struct metrics_row rows[ROW_COUNT];
    char zone_names[RELAY_CONFIG_ZONES_MAX][ZONE_CAPACITY]; /* present ones, in order */
    const char *zones[RELAY_CONFIG_ZONES_MAX + 1];
    int error; /* why it can't go on after a reload */
};

/* ---- pages ---- */

static void respond(struct http_exchange *exchange, int status, const char *type,
                    const char *text, size_t size)
{
    http_exchange_add_header(exchange, "Cache-Control", "no-store");
    http_exchange_add_header(exchange, "X-Content-Type-Options", "nosniff");
    http_exchange_add_header(exchange, "Referrer-Policy", "no-referrer");
    http_exchange_add_header(exchange, "Cross-Origin-Resource-Policy", "same-origin");
    http_exchange_add_header(
        exchange, "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "
        "'none'");
    http_exchange_respond(exchange, status, type, text, size);
}

static void respond_text(struct http_exchange *exchange, int status, const char *type,
                         const char *text)
{
    respond(exchange, status, type, text, strlen(text));
}

static void respond_page(struct http_exchange *exchange, int status, struct buffer *html)
{
    if (html->error == 0) {
        respond(exchange, status, "text/html; charset=utf-8", buffer_text(html),
                html->size);
    } else {
        respond_text(exchange, 500, "text/plain", "the page can't be made\n");
    }
}

/* The value of NAME in the query, or "" in TEXT when it is not there or too long. */
static void take_value(struct http_exchange *exchange, const char *name, char *ret_text,
                       size_t capacity)
{
    const char *query = http_exchange_query(exchange);
    struct buffer value = buffer_init(capacity - 1);
    struct bytes form = {(const uint8_t *)query, strlen(query)};
    if (html_form_value(form, name, &value) != 0 ||
        !text_copy(ret_text, capacity, buffer_text(&value))) {
        ret_text[0] = '\0';
    }
    buffer_free(&value);
}

static const struct relay_config *find_zone(const struct relay_config *config,
                                            const char *name)
{
    for (const struct relay_config *at = config; at != NULL; at = at->next) {
        if (strcmp(at->zone, name) == 0) {
            return at;
        }
    }
    return config;
}

static void show_devices(const struct dashboard_view *view,
                         struct http_exchange *exchange, struct buffer *html)
{
    char prefix[LANNAME_ID_SIZE + 1];
    char after[LANNAME_ID_SIZE + 1];
    take_value(exchange, "q", prefix, sizeof(prefix));
    take_value(exchange, "after", after, sizeof(after));
    text_lower(prefix);
    dashboard_page_devices(view, prefix, after, html);
    respond_page(exchange, 200, html);
}

static void show_device(const struct dashboard_view *view, struct http_exchange *exchange,
                        const char *id, struct buffer *html)
{
    int error = lanname_is_id((const uint8_t *)id, strlen(id))
                    ? dashboard_page_device(view, id, html)
                    : ERROR_NOT_FOUND;
    if (error == 0) {
        respond_page(exchange, 200, html);
        return;
    }
    buffer_reset(html);
    dashboard_page_sorry(view,
                         error == ERROR_NOT_FOUND
                             ? "No device of this name has enrolled here."
                             : error_text(error),
                         html);
    respond_page(exchange, error == ERROR_NOT_FOUND ? 404 : 500, html);
}

static void show_page(struct dashboard *dashboard, struct http_exchange *exchange,
                      const char *path)
{
    struct buffer html = buffer_init(DASHBOARD_PAGE_BYTES);
    char zone[256];
    take_value(exchange, "zone", zone, sizeof(zone));
    struct dashboard_view view = {
        .config = *dashboard->config,
        .zone = find_zone(*dashboard->config, zone),
        .observer = dashboard->observer,
        .alerts = watchman_alerts(dashboard->watchman),
        .zone_count = watchman_zone_count(dashboard->watchman),
        .ct = &dashboard->ct,
    };
    view.delegation = watchman_delegation(dashboard->watchman, view.zone->zone);
    if (strcmp(path, "/") == 0) {
        dashboard_page_home(&view, &html);
        respond_page(exchange, 200, &html);
    } else if (strcmp(path, "/devices") == 0) {
        show_devices(&view, exchange, &html);
    } else if (text_starts_with(path, "/device/")) {
        show_device(&view, exchange, path + strlen("/device/"), &html);
    } else {
        dashboard_page_sorry(&view, "There is no such page.", &html);
        respond_page(exchange, 404, &html);
    }
    buffer_free(&html);
}

static void set_zone(struct dashboard *dashboard, const struct alert_zone *alerts,
                     const struct observer_counts *counts, unsigned zone)
{
    for (unsigned i = 0; i < ALERT_COUNT; i++) {
        struct metrics_at at = {ROW_ALERTS, {i, zone}};
        if (zone == 0 || !alert_is_of_relay((enum alert_kind)i)) {
            metrics_set(dashboard->metrics, at, alerts->alerts.at[i].is_active);
        }
    }
    metrics_set(dashboard->metrics, (struct metrics_at){ROW_DEVICES, {zone}},
                (double)counts->devices);
}

static void clear_zone(struct dashboard *dashboard, unsigned zone)
{
    for (unsigned i = 0; i < ALERT_COUNT; i++) {
        metrics_clear(dashboard->metrics, (struct metrics_at){ROW_ALERTS, {i, zone}});
    }
    metrics_clear(dashboard->metrics, (struct metrics_at){ROW_DEVICES, {zone}});
}

static void show_metrics(struct dashboard *dashboard, struct http_exchange *exchange)
{
    const struct observer_facts *facts = observer_facts(dashboard->observer);
    const struct alert_zone *alerts = watchman_alerts(dashboard->watchman);
    size_t zone_count = watchman_zone_count(dashboard->watchman);
    struct buffer text = buffer_init(METRICS_TEXT_BYTES);
    for (unsigned i = 0; i < RELAY_CONFIG_ZONES_MAX; i++) {
        clear_zone(dashboard, i);
        if (i < zone_count &&
            text_copy(dashboard->zone_names[i], ZONE_CAPACITY, alerts[i].zone)) {
            set_zone(dashboard, &alerts[i], &facts->zones[i], i);
        }
    }
    for (unsigned i = 0; i < OBSERVER_ROLES; i++) {
        if (facts->roles[i].is_known) {
            metrics_set(dashboard->metrics, (struct metrics_at){ROW_ROLES, {i}},
                        facts->roles[i].is_up);
        }
    }
    if (metrics_render(dashboard->metrics, &text) == 0) {
        respond(exchange, 200, "text/plain; version=0.0.4; charset=utf-8",
                buffer_text(&text), text.size);
    } else {
        respond_text(exchange, 500, "text/plain", "the metrics can't be written\n");
    }
    buffer_free(&text);
}

static void handle(struct http_exchange *exchange, void *arg)
{
    struct dashboard *dashboard = arg;
    const char *method = http_exchange_method(exchange);
    const char *path = http_exchange_path(exchange);
    if (!loopback_is_host(http_exchange_header(exchange, "Host"))) {
        respond_text(
            exchange, 421, "text/plain",
            "open this as http://localhost: other names are not answered here\n");
    } else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        http_exchange_add_header(exchange, "Allow", "GET, HEAD");
        respond_text(exchange, 405, "text/plain", "nothing can be changed here\n");
    } else if (strcmp(path, "/style.css") == 0) {
        respond_text(exchange, 200, "text/css; charset=utf-8", dashboard_style_css);
    } else if (strcmp(path, "/live.js") == 0) {
        respond_text(exchange, 200, "text/javascript; charset=utf-8",
                     dashboard_style_script);
    } else if (strcmp(path, "/icon.svg") == 0) {
        respond_text(exchange, 200, "image/svg+xml", dashboard_style_icon);
    } else if (strcmp(path, "/metrics") == 0) {
        show_metrics(dashboard, exchange);
    } else if (strcmp(path, "/healthz") == 0) {
        respond_text(exchange, 200, "text/plain", "ok\n");
    } else {
        show_page(dashboard, exchange, path);
    }
}

/* ---- what was logged ---- */

static void on_ct(const struct ct_monitor_result *result, void *arg)
{
    struct dashboard *dashboard = arg;
    if (!result->is_done) {
        log_warning("certificates that the CA logged: %s", result->text);
        return;
    }
    dashboard->ct.at = clock_wall_at();
    dashboard->ct.is_good = result->is_good;
    text_copy(dashboard->ct.text, sizeof(dashboard->ct.text), result->text);
    metrics_set(dashboard->metrics, (struct metrics_at){ROW_CT, {0}},
                (double)result->known);
    metrics_set(dashboard->metrics, (struct metrics_at){ROW_CT, {1}},
                (double)result->unknown);
}

/* ---- start and end ---- */

static void on_signal(int number, void *arg)
{
    struct dashboard *dashboard = arg;
    log_info("ending on signal %d", number);
    notify_stopping();
    loop_stop(dashboard->loop);
}

static int listen_there(struct dashboard *dashboard, const struct address *address)
{
    const struct http_server_options options = {
        .max_connections = CONNECTIONS_MAX,
        .handshake_s = DEADLINE_S,
        .request_s = DEADLINE_S,
        .idle_s = DEADLINE_S,
        .response_s = DEADLINE_S,
        .max_header_bytes = HEADER_BYTES_MAX,
        .max_body_bytes = 1,
    };
    uint16_t port = 0;
    char text[16];
    int error =
        http_server_new(dashboard->loop, &options, handle, dashboard, &dashboard->http);
    if (error == 0) {
        /* A unix socket is for its user and group. */
        mode_t mask = umask(0007);
        error = http_server_listen(dashboard->http, address, &port);
        umask(mask);
    }
    if (error == 0 && (*dashboard->config)->admin_ready_file[0] != '\0') {
        snprintf(text, sizeof(text), "%u\n", port);
        error = file_write_atomic((*dashboard->config)->admin_ready_file, text,
                                  strlen(text), 0644);
    }
    return error;
}

static int open_server(struct dashboard *dashboard)
{
    const char *listen_at = (*dashboard->config)->admin_listen;
    struct address address;
    if (listen_at[0] == '\0') {
        log_info("serves no dashboard, only alerts: [admin] listen is none");
        return 0;
    }
    int error = loopback_parse(listen_at, &address);
    if (error == 0) {
        error = listen_there(dashboard, &address);
    }
    if (error == 0) {
        log_info("serves the dashboard on %s", listen_at);
    } else {
        log_error("[admin] listen = '%s': %s", listen_at,
                  error == ERROR_IO       ? strerror(errno)
                  : error == ERROR_DENIED ? "must be a loopback address or a path"
                                          : error_text(error));
    }
    return error;
}

/* What looks at the relay by the configuration. */
static int open_watch(struct dashboard *dashboard)
{
    const struct relay_config *config = *dashboard->config;
    int error = observer_new(dashboard->loop, config, &dashboard->observer);
    if (error == 0) {
        error = watchman_new(dashboard->loop, config, dashboard->observer,
                             dashboard->errand, &dashboard->ct, &dashboard->watchman);
    }
    dashboard->ct.is_on = config->ct_url[0] != '\0';
    if (error == 0 && dashboard->ct.is_on) {
        error = ct_monitor_new(dashboard->loop, config, dashboard->observer, on_ct,
                               dashboard, &dashboard->ct_monitor);
    }
    return error;
}

static void close_watch(struct dashboard *dashboard)
{
    ct_monitor_free(dashboard->ct_monitor);
    watchman_free(dashboard->watchman);
    observer_free(dashboard->observer);
    dashboard->ct_monitor = NULL;
    dashboard->watchman = NULL;
    dashboard->observer = NULL;
}

/* The listener and the helper stay; what looks at the relay begins anew. */
static void on_reload(int number, void *arg)
{
    struct dashboard *dashboard = arg;
    (void)number;
    notify_reloading();
    struct relay_config *config = relay_config_reload(*dashboard->config, "admin");
    if (config != NULL) {
        close_watch(dashboard);
        relay_config_replace(dashboard->config, config);
        dashboard->error = open_watch(dashboard);
    }
    if (dashboard->error != 0) {
        log_error("can't go on: %s", error_text(dashboard->error));
        loop_stop(dashboard->loop);
        return;
    }
    notify_ready("Watches the relay");
}

static int open_metrics(struct dashboard *dashboard)
{
    for (size_t i = 0; i < RELAY_CONFIG_ZONES_MAX; i++) {
        dashboard->zones[i] = dashboard->zone_names[i];
    }
    memcpy(dashboard->rows, rows, sizeof(rows));
    dashboard->rows[ROW_ALERTS].labels[1].values = dashboard->zones;
    dashboard->rows[ROW_DEVICES].labels[0].values = dashboard->zones;
    return metrics_new(dashboard->rows, ROW_COUNT, &dashboard->metrics);
}

static int open_parts(struct dashboard *dashboard)
{
    static const struct {
        int number;
        loop_signal_fn *fn;
    } signals[] = {{SIGTERM, on_signal}, {SIGINT, on_signal}, {SIGHUP, on_reload}};
    int error = loop_new(&dashboard->loop);
    for (size_t i = 0; error == 0 && i < sizeof(signals) / sizeof(signals[0]); i++) {
        error = loop_signal_new(dashboard->loop, signals[i].number, signals[i].fn,
                                dashboard, &dashboard->signals[i]);
    }
    if (error == 0) {
        error = open_metrics(dashboard);
    }
    if (error == 0) {
        metrics_set(dashboard->metrics, (struct metrics_at){.row = ROW_BUILD}, 1);
        metrics_set(dashboard->metrics, (struct metrics_at){.row = ROW_START},
                    (double)clock_wall_at());
    }
    if (error == 0) {
        error = open_watch(dashboard);
    }
    if (error == 0) {
        error = watchdog_new(dashboard->loop, NULL, NULL, &dashboard->watchdog);
    }
    if (error != 0) {
        log_error("can't start: %s", error_text(error));
    }
    return error;
}

static void close_all(struct dashboard *dashboard)
{
    http_server_free(dashboard->http);
    watchdog_free(dashboard->watchdog);
    close_watch(dashboard);
    errand_free(dashboard->errand);
    metrics_free(dashboard->metrics);
    for (size_t i = 0; i < sizeof(dashboard->signals) / sizeof(dashboard->signals[0]);
         i++) {
        loop_signal_free(dashboard->signals[i]);
    }
    if (dashboard->loop != NULL) {
        loop_free(dashboard->loop);
    }
}

int dashboard_run(struct relay_config **config, const char *path)
{
    struct dashboard dashboard = {.config = config};
    /* First: the helper shall have nothing of the rest. */
    int error = errand_new((*config)->alert_command, path, ERRAND_MS, &dashboard.errand);
    if (error != 0) {
        log_error("can't start the helper: %s", error_text(error));
        return error;
    }
    if (place_hold((*config)->store, "admin") == ERROR_BUSY) {
        log_warning("another admin role runs on '%s'", (*config)->store);
    }
    error = open_parts(&dashboard);
    if (error == 0) {
        error = open_server(&dashboard);
    }
    if (error == 0) {
        error = confinement_enter(CONFINEMENT_ADMIN, *config);
    }
    if (error == 0) {
        notify_ready("Watches the relay");
        error = loop_run(dashboard.loop);
    }
    error = error != 0 ? error : dashboard.error;
    close_all(&dashboard);
    return error;
}
