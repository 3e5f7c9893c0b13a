/* Counting what the store holds takes some milliseconds with a million devices, so that it
 * is done once a minute at most, when somebody asks. */
#include "relay/issuer/meter.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/net/status_server.h"
#include "relay/issuer/issuance.h"
#include "relay/issuer/issuer_state.h"
#include "relay/store/budget_store.h"
#include "relay/store/census.h"
#include "relay/store/queue_store.h"

#include <stdlib.h>
#include <string.h>

enum { CENSUS_MS = 60 * 1000, ZONES_MAX = 32, ZONE_CAPACITY = 256 };

enum row {
    ROW_ADMISSIONS,
    ROW_REFUSALS,
    ROW_STEPS,
    ROW_ISSUANCES,
    ROW_DURATION,
    ROW_FAILURES,
    ROW_PROBLEMS,
    ROW_CA_READY,
    ROW_CA_ACCOUNT,
    ROW_CA_PAUSED,
    ROW_IN_FLIGHT,
    ROW_WAITING,
    ROW_BUDGET_LEFT,
    ROW_BUDGET_SIZE,
    ROW_LAST_ISSUED,
    ROW_CERTIFICATES,
    ROW_COUNT
};

/* What has the label `zone` besides its own. */
static const enum row zoned[] = {
    ROW_ADMISSIONS,  ROW_REFUSALS,    ROW_ISSUANCES,   ROW_CA_READY,
    ROW_CA_ACCOUNT,  ROW_CA_PAUSED,   ROW_IN_FLIGHT,   ROW_WAITING,
    ROW_BUDGET_LEFT, ROW_BUDGET_SIZE, ROW_LAST_ISSUED, ROW_CERTIFICATES,
};

enum { WAITING_BUDGET, WAITING_SLOT, WAITING_CA };

enum { FAILURE_COUNT = ACME_ERROR_MEMORY + 1 };

static const char *const verdicts[] = {"admitted", "refused", NULL};
static const char *const results[] = {"valid", "invalid", NULL};
static const char *const steps[] = {
    [ACME_ORDER_STEP_NEW] = "new-order",
    [ACME_ORDER_STEP_AUTHORIZE] = "authorize",
    [ACME_ORDER_STEP_PUBLISH] = "propagation",
    [ACME_ORDER_STEP_CHALLENGE] = "challenge",
    [ACME_ORDER_STEP_FINALIZE] = "finalize",
    [ACME_ORDER_STEP_DOWNLOAD] = "download",
    [ACME_ORDER_STEP_END] = NULL,
};
static const char *const waitings[] = {
    [WAITING_BUDGET] = "budget", [WAITING_SLOT] = "slot", [WAITING_CA] = "ca", NULL};
static const char *const budgets[] = {"certificates", "orders", NULL};
static const double bounds_s[] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                  1,    2.5,   5,    10,  30,   90};

#define BOUNDS .bounds = bounds_s, .bound_count = sizeof(bounds_s) / sizeof(bounds_s[0])

static const struct metrics_row rows[ROW_COUNT] = {
    [ROW_ADMISSIONS] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_issuer_orders_total",
            .help = "Devices' orders that were decided.",
            .labels = {{"verdict", verdicts}},
        },
    [ROW_REFUSALS] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_issuer_refusals_total",
            .help = "Devices' orders that were refused, by the problem they were told.",
            .labels = {{.name = "type"}}, /* issuer_meter's problems */
        },
    [ROW_STEPS] =
        {
            .type = METRICS_HISTOGRAM,
            .name = "latchkey_ca_step_duration_seconds",
            .help = "How long each step of an order at the CA took.",
            .labels = {{"step", steps}},
            BOUNDS,
        },
    [ROW_ISSUANCES] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_issuer_issuances_total",
            .help = "Issuances that ended, with a certificate (valid) or without.",
            .labels = {{"result", results}},
        },
    [ROW_DURATION] =
        {
            .type = METRICS_HISTOGRAM,
            .name = "latchkey_issuer_issuance_duration_seconds",
            .help = "From the accepted CSR to the certificate.",
            BOUNDS,
        },
    [ROW_FAILURES] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_ca_failures_total",
            .help = "What failed at the CA, by kind; some of it is tried again.",
            .labels = {{.name = "kind"}}, /* issuer_meter's failures */
        },
    [ROW_PROBLEMS] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_ca_problems_total",
            .help = "Problem documents from the CA, by type.",
            .labels = {{.name = "type"}}, /* issuer_meter's problems */
        },
    [ROW_CA_READY] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_ca_ready",
            .help = "Whether orders for new names are taken to the CA now.",
        },
    [ROW_CA_ACCOUNT] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_ca_account_refused",
            .help =
                "Whether the account at the CA can't be used until the operator acts.",
        },
    [ROW_CA_PAUSED] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_ca_paused_seconds",
            .help = "For how long nothing new is taken to the CA; 0: not at all.",
        },
    [ROW_IN_FLIGHT] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_issuer_in_flight",
            .help = "Issuances under way.",
        },
    [ROW_WAITING] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_issuer_waiting",
            .help = "What waits: devices for the CA's budget, issuances for a slot, "
                    "issuances "
                    "for another try at the CA.",
            .labels = {{"reason", waitings}},
        },
    [ROW_BUDGET_LEFT] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_ca_budget_left",
            .help =
                "What is left now of the CA's limits: certificates for new names (of all "
                "zones of the registered domain together), orders.",
            .labels = {{"budget", budgets}},
        },
    [ROW_BUDGET_SIZE] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_ca_budget_size",
            .help = "The CA's limits, as configured.",
            .labels = {{"budget", budgets}},
        },
    [ROW_LAST_ISSUED] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_issuer_last_issued_timestamp_seconds",
            .help =
                "When the last certificate for a device begins, in seconds since 1970.",
        },
    [ROW_CERTIFICATES] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_certificates",
            .help = "Devices by how long their certificate still holds: less than the "
                    "time, and "
                    "not less than the one before; expired: within 30 days.",
            .labels = {{"left", census_lives}},
        },
};

struct issuer_meter {
    struct metrics *metrics;
    struct status_server *server;
    int64_t census_mono_ms; /* not before this again */
    struct metrics_row rows[ROW_COUNT];
    const char *problems[ACME_PROBLEM_COUNT + 1];
    const char *failures[FAILURE_COUNT + 1];
    /* Zones in the order of their coming; each keeps its place, so that counters go on. */
    struct issuer *issuers[ZONES_MAX];
    size_t issuer_count;
    char zone_names[ZONES_MAX][ZONE_CAPACITY];
    const char *zones[ZONES_MAX + 1];
};

/* VALUE is that of the row's own label, if it has one. */
static struct metrics_at at_zone(enum row row, unsigned value, unsigned zone)
{
    return rows[row].labels[0].name != NULL ? (struct metrics_at){row, {value, zone}}
                                            : (struct metrics_at){row, {zone}};
}

/* ---- what is counted as it happens ---- */

static void count(struct issuer_meter *meter, enum row row, unsigned value)
{
    metrics_add(meter->metrics, (struct metrics_at){row, {value}}, 1);
}

static void count_zone(const struct issuer *issuer, enum row row, unsigned value)
{
    metrics_add(issuer->meter->metrics, at_zone(row, value, issuer->meter_zone), 1);
}

void issuer_meter_admission(const struct issuer *issuer, bool admitted,
                            enum acme_problem_type type)
{
    if (issuer->meter != NULL) {
        count_zone(issuer, ROW_ADMISSIONS, admitted ? 0 : 1);
        if (!admitted) {
            count_zone(issuer, ROW_REFUSALS, type);
        }
    }
}

void issuer_meter_step(struct issuer_meter *meter, struct issuer_meter_span *span,
                       enum acme_order_step step)
{
    int64_t now_mono_ms = clock_mono_ms();

    if (meter == NULL || (span->begun && span->step == step)) {
        return;
    }
    if (span->begun) { /* STEP_END has no series */
        metrics_observe(meter->metrics, (struct metrics_at){ROW_STEPS, {span->step}},
                        (double)(now_mono_ms - span->since_mono_ms) / 1000);
    }
    *span = (struct issuer_meter_span){true, step, now_mono_ms};
}

void issuer_meter_failure(struct issuer_meter *meter, const struct acme_error *failure)
{
    if (meter == NULL) {
        return;
    }
    count(meter, ROW_FAILURES, failure->type);
    if (failure->problem.type != ACME_PROBLEM_NONE) {
        count(meter, ROW_PROBLEMS, failure->problem.type);
    }
}

void issuer_meter_end(const struct issuer *issuer, int64_t started_mono_ms, bool good)
{
    if (issuer->meter == NULL) {
        return;
    }
    count_zone(issuer, ROW_ISSUANCES, good ? 0 : 1);
    if (good) {
        metrics_observe(issuer->meter->metrics, (struct metrics_at){.row = ROW_DURATION},
                        (double)(clock_mono_ms() - started_mono_ms) / 1000);
    }
}

/* ---- what is looked up when somebody asks ---- */

static void set(const struct issuer *issuer, enum row row, unsigned value, int64_t number)
{
    metrics_set(issuer->meter->metrics, at_zone(row, value, issuer->meter_zone),
                (double)number);
}

static void collect_ca(const struct issuer *issuer)
{
    const struct ca *ca = issuer->ca;
    int64_t now_at = clock_wall_at();
    int64_t paused_until_at = ca_paused_until(ca);
    int64_t retry_at = 0;
    struct acme_problem problem = {0};
    bool refuses = ca_refuses(ca, now_at, &problem, &retry_at);

    set(issuer, ROW_CA_READY, 0, refuses || ca_limited_until(ca) > now_at ? 0 : 1);
    set(issuer, ROW_CA_ACCOUNT, 0,
        refuses && problem.type == ACME_PROBLEM_SERVER_INTERNAL ? 1 : 0);
    set(issuer, ROW_CA_PAUSED, 0,
        paused_until_at > now_at ? paused_until_at - now_at : 0);
}

static int collect_budget(const struct issuer *issuer, unsigned budget, const char *name,
                          const struct bucket_limit *limit)
{
    struct budget_store_bucket bucket;
    int error = budget_store_bucket(issuer->database, issuer->config->zone,
                                    issuer->config->ca_directory, name, &bucket);

    if (error == 0) {
        int64_t left =
            bucket_tokens(limit, bucket.full_at_us, clock_wall_at() * 1000000) -
            bucket.held;

        set(issuer, ROW_BUDGET_LEFT, budget, left > 0 ? left : 0);
        set(issuer, ROW_BUDGET_SIZE, budget, limit->size);
    }
    return error;
}

static int collect_budgets(const struct issuer *issuer)
{
    const struct budget_rules *rules = &issuer->rules;
    char name[BUDGET_STORE_NAME_SIZE];
    int error = 0;

    if (!rules->on) {
        return 0;
    }
    error = budget_store_domain_bucket(rules->domain, name)
                ? collect_budget(issuer, 0, name, &rules->certificates)
                : ERROR_LIMIT;
    return error == 0 ? collect_budget(issuer, 1, budgets[1], &rules->orders) : error;
}

static int collect_store(const struct issuer *issuer)
{
    const char *zone = issuer->config->zone;
    int64_t counts[CENSUS_LIFE_COUNT];
    int64_t queue = 0;
    int64_t last_at = 0;
    int error = queue_store_count_ahead(issuer->database, zone, INT64_MAX, &queue);

    if (error == 0) {
        set(issuer, ROW_WAITING, WAITING_BUDGET, queue);
        error = census_last_issued(issuer->database, zone, &last_at);
    }
    if (error == 0 && last_at != 0) {
        set(issuer, ROW_LAST_ISSUED, 0, last_at);
    }
    if (error == 0) {
        error = collect_budgets(issuer);
    }
    if (error == 0) {
        error = census_certificates(issuer->database, zone, clock_wall_at(), counts);
    }
    for (unsigned i = 0; error == 0 && i < CENSUS_LIFE_COUNT; i++) {
        set(issuer, ROW_CERTIFICATES, i, counts[i]);
    }
    return error;
}

/* Of a zone that is configured no more nothing but what it has counted is told. */
static void clear_zone(const struct issuer *issuer)
{
    for (size_t i = 0; i < sizeof(zoned) / sizeof(zoned[0]); i++) {
        if (rows[zoned[i]].type == METRICS_GAUGE) {
            for (unsigned value = 0; value < CENSUS_LIFE_COUNT; value++) {
                metrics_clear(issuer->meter->metrics,
                              at_zone(zoned[i], value, issuer->meter_zone));
            }
        }
    }
}

static void collect_zone(const struct issuer *issuer, bool is_counting)
{
    struct issuance_counts counts = issuance_counts(issuer->issuances);
    int error = 0;

    if (issuer->kept != NULL) {
        clear_zone(issuer);
        return;
    }
    collect_ca(issuer);
    set(issuer, ROW_IN_FLIGHT, 0, (int64_t)issuance_count(issuer->issuances));
    set(issuer, ROW_WAITING, WAITING_SLOT, (int64_t)counts.queued);
    set(issuer, ROW_WAITING, WAITING_CA, (int64_t)counts.held);
    error = is_counting ? collect_store(issuer) : 0;
    if (error != 0) {
        log_warning("issuer.db can't be counted: %s", error_text(error));
    }
}

static void collect(void *arg)
{
    struct issuer_meter *meter = arg;
    int64_t now_mono_ms = clock_mono_ms();
    bool is_counting = now_mono_ms >= meter->census_mono_ms;

    for (size_t i = 0; i < meter->issuer_count; i++) {
        collect_zone(meter->issuers[i], is_counting);
    }
    if (is_counting) {
        meter->census_mono_ms = now_mono_ms + CENSUS_MS;
    }
}

static bool is_well(void *arg, struct buffer *reason)
{
    const struct issuer_meter *meter = arg;
    int64_t now_at = clock_wall_at();
    bool well = true;

    for (size_t i = 0; i < meter->issuer_count; i++) {
        const struct issuer *issuer = meter->issuers[i];
        struct acme_problem problem = {0};
        int64_t retry_at = 0;

        if (issuer->kept == NULL && ca_refuses(issuer->ca, now_at, &problem, &retry_at)) {
            buffer_printf(reason, "%s%s: %s", well ? "" : "; ", issuer->config->zone,
                          problem.detail);
            well = false;
        }
    }
    return well;
}

/* ---- start and end ---- */

static void name_values(struct issuer_meter *meter)
{
    meter->problems[ACME_PROBLEM_NONE] = "none";
    for (unsigned i = ACME_PROBLEM_NONE + 1; i < ACME_PROBLEM_COUNT; i++) {
        meter->problems[i] = acme_problem_type_text((enum acme_problem_type)i);
    }
    for (unsigned i = 0; i < FAILURE_COUNT; i++) {
        meter->failures[i] = acme_error_type_text((enum acme_error_type)i);
    }
    memcpy(meter->rows, rows, sizeof(rows));
    meter->rows[ROW_REFUSALS].labels[0].values = meter->problems;
    meter->rows[ROW_PROBLEMS].labels[0].values = meter->problems;
    meter->rows[ROW_FAILURES].labels[0].values = meter->failures;
    for (size_t i = 0; i < ZONES_MAX; i++) {
        meter->zones[i] = meter->zone_names[i];
    }
    for (size_t i = 0; i < sizeof(zoned) / sizeof(zoned[0]); i++) {
        struct metrics_row *row = &meter->rows[zoned[i]];

        row->labels[row->labels[0].name != NULL ? 1 : 0] =
            (struct metrics_label){"zone", meter->zones};
    }
}

int issuer_meter_new(struct loop *loop, const char *listen_at,
                     struct issuer_meter **ret_meter)
{
    struct issuer_meter *meter = calloc(1, sizeof(*meter));
    int error = ERROR_MEMORY;

    if (meter == NULL) {
        return ERROR_MEMORY;
    }
    name_values(meter);
    error = metrics_new(meter->rows, ROW_COUNT, &meter->metrics);
    if (error != 0) {
        issuer_meter_free(meter);
        return error;
    }
    if (listen_at[0] != '\0') {
        struct status_server_options options = {
            .listen = listen_at,
            .role = "issuer",
            .metrics = meter->metrics,
            .collect = collect,
            .health = is_well,
            .arg = meter,
        };

        error = status_server_new(loop, &options, &meter->server);
    }
    if (error != 0) {
        log_warning("[issuer] status_listen = '%s': %s; going on without it", listen_at,
                    status_server_error_text(error));
    }
    *ret_meter = meter;
    return 0;
}

void issuer_meter_add(struct issuer *issuer)
{
    struct issuer_meter *meter = issuer->meter;

    issuer->meter_zone = (unsigned)meter->issuer_count;
    if (meter->issuer_count == ZONES_MAX ||
        !text_copy(meter->zone_names[meter->issuer_count], ZONE_CAPACITY,
                   issuer->config->zone)) {
        issuer->meter_zone = ZONES_MAX; /* no series has it */
        log_warning(
            "'%s' is not in the metrics until a restart: too many zones have come",
            issuer->config->zone);
        return;
    }
    meter->issuers[meter->issuer_count++] = issuer;
    meter->census_mono_ms = 0;
}

void issuer_meter_free(struct issuer_meter *meter)
{
    if (meter == NULL) {
        return;
    }
    status_server_free(meter->server);
    metrics_free(meter->metrics);
    free(meter);
}
