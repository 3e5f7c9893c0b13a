#include "relay/front/meter.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/net/status_server.h"
#include "relay/front/waiting.h"

#include <stdlib.h>
#include <string.h>

enum row {
    ROW_REQUESTS,
    ROW_PROBLEMS,
    ROW_DURATION,
    ROW_CONNECTIONS,
    ROW_HELD,
    ROW_COUNT
};

/* The first part of the path behind /acme/. */
static const char *const resources[] = {
    "directory", "new-nonce", "new-account", "new-order", "revoke-cert", "renewal-info",
    "acct",      "orders",    "order",       "authz",     "finalize",    "cert",
    "addresses", "probe",     "time",        "other",     NULL,
};
static const char *const codes[] = {"2xx", "3xx", "4xx", "5xx", "other", NULL};
/* Until the response is given: finalize and new-order wait for the issuer. */
static const double bounds_s[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                  0.25,  0.5,    1,     2.5,  5,     10,   20};

static const struct metrics_row rows[ROW_COUNT] = {
    [ROW_REQUESTS] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_front_requests_total",
            .help = "Requests that were answered, by resource and class of status.",
            .labels = {{"resource", resources}, {"code", codes}},
        },
    [ROW_PROBLEMS] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_front_problems_total",
            .help = "Problem documents (RFC 8555 6.7) that devices got, by type.",
            .labels = {{.name = "type"}}, /* front_meter's problems */
        },
    [ROW_DURATION] =
        {
            .type = METRICS_HISTOGRAM,
            .name = "latchkey_front_request_duration_seconds",
            .help = "From the whole request to its response, by resource.",
            .labels = {{"resource", resources}},
            .bounds = bounds_s,
            .bound_count = sizeof(bounds_s) / sizeof(bounds_s[0]),
        },
    [ROW_CONNECTIONS] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_front_connections",
            .help = "Open HTTPS connections.",
        },
    [ROW_HELD] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_front_held_requests",
            .help = "Requests that wait for the issuer's decision.",
        },
};

struct front_meter {
    struct service *const *services;
    const struct http_server *http;
    struct metrics *metrics;
    struct status_server *server;
    struct metrics_row rows[ROW_COUNT];
    const char *problems[ACME_PROBLEM_COUNT + 1];
};

static void name_problems(struct front_meter *meter)
{
    meter->problems[ACME_PROBLEM_NONE] = "none";
    for (unsigned i = ACME_PROBLEM_NONE + 1; i < ACME_PROBLEM_COUNT; i++) {
        meter->problems[i] = acme_problem_type_text((enum acme_problem_type)i);
    }
    memcpy(meter->rows, rows, sizeof(rows));
    meter->rows[ROW_PROBLEMS].labels[0].values = meter->problems;
}

unsigned front_meter_resource(const char *path)
{
    char name[24];
    size_t size = 0;
    if (strncmp(path, "/acme/", 6) != 0) {
        return metrics_index(resources, "other");
    }
    size = strcspn(path + 6, "/");
    return metrics_index(
        resources,
        text_format(name, sizeof(name), "%.*s", (int)size, path + 6) ? name : "other");
}

void front_meter_response(struct front_meter *meter, const struct request *request,
                          int status)
{
    unsigned code = status >= 200 && status < 600 ? (unsigned)status / 100 - 2 : 4;
    if (meter == NULL) {
        return;
    }
    metrics_add(meter->metrics,
                (struct metrics_at){ROW_REQUESTS, {request->resource, code}}, 1);
    metrics_observe(meter->metrics,
                    (struct metrics_at){ROW_DURATION, {request->resource}},
                    (double)(clock_mono_ms() - request->started_mono_ms) / 1000);
}

void front_meter_problem(struct front_meter *meter, enum acme_problem_type type)
{
    if (meter != NULL) {
        metrics_add(meter->metrics, (struct metrics_at){ROW_PROBLEMS, {type}}, 1);
    }
}

static void collect(void *arg)
{
    struct front_meter *meter = arg;
    unsigned held = 0;
    metrics_set(meter->metrics, (struct metrics_at){.row = ROW_CONNECTIONS},
                http_server_connection_count(meter->http));
    for (const struct service *at = *meter->services; at != NULL; at = at->next) {
        held += waiting_count(at->waiting);
    }
    metrics_set(meter->metrics, (struct metrics_at){.row = ROW_HELD}, held);
}

static bool is_well(void *arg, struct buffer *reason)
{
    struct front_meter *meter = arg;
    if (service_issuer(*meter->services) == NULL) {
        buffer_append_text(reason,
                           "issuer.db is not there or can't be read: orders will wait");
        return false;
    }
    return true;
}

int front_meter_new(struct service *const *services, const struct http_server *server,
                    struct front_meter **ret_meter)
{
    const char *listen_at = (*services)->config->front_status_listen;
    struct front_meter *meter = calloc(1, sizeof(*meter));
    if (meter == NULL) {
        return ERROR_MEMORY;
    }
    name_problems(meter);
    meter->services = services;
    meter->http = server;
    int error = metrics_new(meter->rows, ROW_COUNT, &meter->metrics);
    if (error != 0) {
        front_meter_free(meter);
        return error;
    }
    struct status_server_options options = {
        .listen = listen_at,
        .role = "front",
        .metrics = meter->metrics,
        .collect = collect,
        .health = is_well,
        .arg = meter,
    };
    error = listen_at[0] == '\0'
                ? 0
                : status_server_new((*services)->loop, &options, &meter->server);
    if (error != 0) {
        log_warning("[front] status_listen = '%s': %s; going on without it", listen_at,
                    status_server_error_text(error));
    }
    *ret_meter = meter;
    return 0;
}

void front_meter_free(struct front_meter *meter)
{
    if (meter == NULL) {
        return;
    }
    status_server_free(meter->server);
    metrics_free(meter->metrics);
    free(meter);
}
