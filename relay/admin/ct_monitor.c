/* Logs show a certificate before the issuer has stored it, so that one that began within the last
 * hours is left for the next look. */
#include "relay/admin/ct_monitor.h"

#include "base/core/clock.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/net/http_client.h"
#include "relay/admin/ct_log.h"
#include "relay/store/overview.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_MS = 2000,
    DAY_MS = 86400 * 1000,
    HOUR_MS = 3600 * 1000,
    CONNECT_MS = 10000,
    TOTAL_MS = 120000,
    FRESH_S = 2 * 3600,
};

struct ct_monitor {
    struct loop *loop;
    const struct relay_config *config;
    const struct relay_config *zone; /* that is asked for now */
    struct observer *observer;
    ct_monitor_fn *fn;
    void *arg;
    struct loop_timer *timer;
    struct resolver *resolver;
    struct http_client *http;
    struct ct_monitor_result result;
};

static void finish(struct ct_monitor *monitor)
{
    struct ct_monitor_result *result = &monitor->result;
    result->is_good = result->unknown == 0;
    if (result->is_done && result->is_good) {
        (void)text_format(result->text, sizeof(result->text),
                          "%lld logged certificates, all in the ledger",
                          (long long)result->known);
    }
    loop_timer_set(monitor->timer, result->is_done ? DAY_MS : HOUR_MS);
    monitor->fn(result, monitor->arg);
}

static void fail(struct ct_monitor *monitor, const char *why)
{
    monitor->result.is_done = false;
    if (!text_format(monitor->result.text, sizeof(monitor->result.text),
                     "'%s' could not be looked up: %s", monitor->zone->zone, why)) {
        text_copy(monitor->result.text, sizeof(monitor->result.text),
                  "could not be looked up");
    }
    finish(monitor);
}

static int take_entry(const struct ct_log_entry *entry, void *arg)
{
    struct ct_monitor *monitor = arg;
    struct ct_monitor_result *result = &monitor->result;
    struct database *issuer = observer_issuer(monitor->observer);
    int64_t now_at = clock_wall_at();
    int64_t count = 0;
    if (entry->not_after_at <= now_at || entry->not_before_at > now_at - FRESH_S) {
        return 0;
    }
    int error = issuer == NULL ? ERROR_NOT_FOUND
                               : overview_count_serial(issuer, monitor->zone->zone,
                                                       entry->serial, &count);
    if (error != 0) {
        return error;
    }
    result->known += count > 0 ? 1 : 0;
    /* Each is logged twice: as precertificate and as certificate. The first is named. */
    if (count == 0 && result->unknown++ == 0 &&
        !text_format(
            result->text, sizeof(result->text),
            "a certificate that this relay did not order: serial %s, for %.150s, by "
            "%.150s",
            entry->serial, entry->names, entry->issuer)) {
        text_copy(result->text, sizeof(result->text),
                  "a certificate that this relay did not order");
    }
    return 0;
}

static void ask(struct ct_monitor *monitor);

static void on_response(const struct http_response *response, void *arg)
{
    struct ct_monitor *monitor = arg;
    char text[64];
    if (response->error != ERROR_NONE) {
        fail(monitor, response->error_text[0] != '\0' ? response->error_text
                                                      : error_text(response->error));
        return;
    }
    if (response->status != 200) {
        (void)text_format(text, sizeof(text), "status %d", response->status);
        fail(monitor, text);
        return;
    }
    int error =
        ct_log_read(response->body.data, response->body.size, take_entry, monitor);
    if (error != 0) {
        fail(monitor, error == ERROR_NOT_FOUND ? "issuer.db is not there"
                      : error == ERROR_LIMIT   ? "the answer is too large"
                      : error == ERROR_SYNTAX  ? "the answer is no list of certificates"
                                               : error_text(error));
        return;
    }
    monitor->zone = monitor->zone->next;
    ask(monitor);
}

/* Asks for the zone that comes next; all done when there is none. */
static void ask(struct ct_monitor *monitor)
{
    char url[LIMIT_URL_BYTES];
    struct http_transfer *transfer = NULL;
    struct http_request request = {
        .method = "GET",
        .url = url,
        .accept = "application/json",
        .max_response_bytes = CT_LOG_BYTES_MAX,
    };
    if (monitor->zone == NULL) {
        finish(monitor);
        return;
    }
    const char *pattern = monitor->config->ct_url;
    const char *place = strstr(pattern, "%s");
    if (place == NULL ||
        !text_format(url, sizeof(url), "%.*s%s%s", (int)(place - pattern), pattern,
                     monitor->zone->zone, place + 2)) {
        fail(monitor, "[admin] ct_url is too long");
        return;
    }
    int error =
        http_client_send(monitor->http, &request, on_response, monitor, &transfer);
    if (error != 0) {
        fail(monitor, error_text(error));
    }
}

static void on_time(void *arg)
{
    struct ct_monitor *monitor = arg;
    monitor->result = (struct ct_monitor_result){.is_done = true};
    monitor->zone = monitor->config;
    ask(monitor);
}

int ct_monitor_new(struct loop *loop, const struct relay_config *config,
                   struct observer *observer, ct_monitor_fn *fn, void *arg,
                   struct ct_monitor **ret_monitor)
{
    struct http_client_options options = {
        .ca_file = config->ct_ca_file[0] != '\0' ? config->ct_ca_file : NULL,
        .user_agent = "latchkey-relay/" LATCHKEY_VERSION,
        .max_connections = 1,
        .connect_ms = CONNECT_MS,
        .total_ms = TOTAL_MS,
    };
    struct ct_monitor *monitor = calloc(1, sizeof(*monitor));
    if (monitor == NULL) {
        return ERROR_MEMORY;
    }
    monitor->loop = loop;
    monitor->config = config;
    monitor->observer = observer;
    monitor->fn = fn;
    monitor->arg = arg;
    int error = loop_timer_new(loop, on_time, monitor, &monitor->timer);
    if (error == 0) {
        error = resolver_new(loop, NULL, 0, &monitor->resolver);
    }
    options.resolver = monitor->resolver;
    if (error == 0) {
        error = http_client_new(loop, &options, &monitor->http);
    }
    if (error != 0) {
        ct_monitor_free(monitor);
        return error;
    }
    loop_timer_set(monitor->timer, FIRST_MS);
    *ret_monitor = monitor;
    return 0;
}

void ct_monitor_free(struct ct_monitor *monitor)
{
    if (monitor == NULL) {
        return;
    }
    if (monitor->http != NULL) {
        http_client_free(monitor->http);
    }
    resolver_free(monitor->resolver);
    loop_timer_free(monitor->timer);
    free(monitor);
}
