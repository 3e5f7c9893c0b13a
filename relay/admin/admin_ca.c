#include "relay/admin/admin_ca.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "relay/admin/admin_output.h"
#include "relay/admin/admin_stores.h"
#include "relay/store/admin_store.h"
#include "relay/store/bucket.h"
#include "relay/store/budget_store.h"
#include "relay/store/ca_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/queue_store.h"
#include "relay/store/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    THUMBPRINT_MAX = 64,
    JSON_BYTES = 16 << 10,
    WEEK_S = 7 * 86400,
    ORDERS_S = 3 * 3600,
    NOTED_MS = 2000,
};

#define US_PER_S INT64_C(1000000)

struct budget {
    const char *name;
    const char *bucket;
    struct bucket_limit limit;
    int64_t left;
    int64_t held;
};

struct report {
    const struct relay_config *config;
    char account[LIMIT_URL_BYTES];
    char caa[LIMIT_URL_BYTES * 2];
    int64_t created_at;
    char state[16];
    char reason[LIMIT_DETAIL_BYTES];
    int64_t until_at;
    char terms[LIMIT_URL_BYTES];
    char thumbprint[THUMBPRINT_MAX];
    int64_t rollover_at;
    int64_t issued_at; /* -1: never */
    int64_t waiting;
    struct budget budgets[2];
    struct relay_config_share share; /* of the first */
};

/* ---- reading ---- */

static int take_account(const struct issuer_store_ca_account *account, void *arg)
{
    struct report *report = arg;

    if (strcmp(account->ca, report->config->ca_directory) != 0) {
        return 0;
    }
    report->created_at = account->created_at;
    return text_copy(report->account, sizeof(report->account), account->url) &&
                   text_copy(report->caa, sizeof(report->caa), account->caa)
               ? 0
               : ERROR_LIMIT;
}

static int take_state(const struct ca_store_state *state, void *arg)
{
    struct report *report = arg;

    report->until_at = state->until_at;
    report->rollover_at = state->rollover_at;
    return text_copy(report->state, sizeof(report->state), state->state) &&
                   text_copy(report->reason, sizeof(report->reason), state->reason) &&
                   text_copy(report->terms, sizeof(report->terms), state->terms) &&
                   text_copy(report->thumbprint, sizeof(report->thumbprint),
                             state->thumbprint)
               ? 0
               : ERROR_LIMIT;
}

static int read_budget(struct database *issuer, const struct relay_config *config,
                       struct budget *budget)
{
    int64_t now_us = clock_wall_at() * US_PER_S;
    struct budget_store_bucket bucket;
    int error = budget_store_bucket(issuer, config->zone, config->ca_directory,
                                    budget->bucket, &bucket);

    if (error == 0) {
        budget->held = bucket.held;
        budget->left =
            bucket_tokens(&budget->limit,
                          bucket_judge(&budget->limit, bucket.full_at_us, now_us),
                          now_us) -
            bucket.held;
    }
    return error;
}

static int read_report(struct database *issuer, struct report *report)
{
    const struct relay_config *config = report->config;
    bool has = false;
    int error = issuer_store_ca_accounts(issuer, config->zone, take_account, report);

    if (error == 0) {
        error = ca_store_state(issuer, config->zone, config->ca_directory, take_state,
                               report);
        error = error == ERROR_NOT_FOUND ? 0 : error;
    }
    if (error == 0) {
        error = issuer_store_entry_at(issuer, config->zone, "last", "issued",
                                      &report->issued_at);
    }
    if (error == 0) {
        error = database_has_table(issuer, "buckets", &has);
    }
    for (size_t i = 0; error == 0 && has && i < 2; i++) {
        error = read_budget(issuer, config, &report->budgets[i]);
    }
    if (error == 0 && has) {
        error =
            queue_store_count_ahead(issuer, config->zone, INT64_MAX, &report->waiting);
    }
    return error;
}

/* ---- printing ---- */

static void print_time(const char *title, int64_t at, const char *otherwise)
{
    char text[TEXT_TIME_CAPACITY];

    if (at > 0) {
        text_time(at, text);
    }
    printf("%-14s %s\n", title, at > 0 ? text : otherwise);
}

static void print_report(const struct report *report)
{
    const struct relay_config *config = report->config;
    char others[ADMIN_OUTPUT_ZONES_CAPACITY];

    printf("%-14s %s\n", "CA", config->ca_directory);
    printf("%-14s %s\n", "account",
           report->account[0] != '\0' ? report->account : "none yet");
    printf("%-14s %s%s%s\n", "state", report->state,
           report->reason[0] != '\0' ? ": " : "", report->reason);
    if (report->until_at > 0) {
        print_time("until", report->until_at, "");
    }
    print_time("made", report->created_at, "never");
    printf("%-14s %s\n", "contact",
           config->ca_contact[0] != '\0' ? config->ca_contact : "none");
    printf("%-14s %s\n", "terms", report->terms[0] != '\0' ? report->terms : "none");
    printf("%-14s %s\n", "key",
           report->thumbprint[0] != '\0' ? report->thumbprint : "none");
    print_time("key since", report->rollover_at, "the account was made");
    printf("%-14s %s\n", "CAA", report->caa[0] != '\0' ? report->caa : ";");
    print_time("last issued", report->issued_at, "never");
    if (!config->budgets) {
        printf("%-14s off ([issuer] budgets = no)\n", "budgets");
    }
    if (report->share.other_count > 0) {
        admin_output_others(&report->share, ", ", others);
        printf("%-14s certificates for '%s', with %s\n", "shared",
               config->registered_domain, others);
    }
    for (size_t i = 0; config->budgets && i < 2; i++) {
        const struct budget *budget = &report->budgets[i];

        printf("%-14s %" PRId64 " of %" PRId64 " left, one more each %" PRId64
               " s; %" PRId64 " held by open orders\n",
               budget->name, budget->left, budget->limit.size,
               bucket_interval_us(&budget->limit) / US_PER_S, budget->held);
    }
    printf("%-14s %" PRId64 " (latchkey-relay queue)\n", "waiting", report->waiting);
}

static int add_budget(json_t *object, const struct budget *budget)
{
    json_t *one = json_object();
    int error = one == NULL ? ERROR_MEMORY : json_set_i64(one, "left", budget->left);

    if (error == 0) {
        error = json_set_i64(one, "size", budget->limit.size);
    }
    if (error == 0) {
        error = json_set_i64(one, "held", budget->held);
    }
    if (error == 0) {
        error = json_set_i64(one, "refillMilliseconds",
                             bucket_interval_us(&budget->limit) / 1000);
    }
    if (error != 0) {
        json_decref(one);
        return error;
    }
    return json_set_take(object, budget->name, one);
}

static int add_texts(json_t *object, const struct report *report)
{
    const struct {
        const char *name;
        const char *value;
    } texts[] = {
        {"directory", report->config->ca_directory},
        {"account", report->account},
        {"state", report->state},
        {"reason", report->reason},
        {"contact", report->config->ca_contact},
        {"termsOfService", report->terms},
        {"keyThumbprint", report->thumbprint},
        {"caa", report->caa},
    };
    int error = 0;

    for (size_t i = 0; error == 0 && i < sizeof(texts) / sizeof(texts[0]); i++) {
        error = json_set_text(object, texts[i].name, texts[i].value);
    }
    return error == 0 ? admin_output_share(object, report->config) : error;
}

static int print_json(const struct report *report)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"until", report->until_at},         {"createdAt", report->created_at},
        {"rolloverAt", report->rollover_at}, {"lastIssuedAt", report->issued_at},
        {"waiting", report->waiting},
    };
    struct buffer text = buffer_init(JSON_BYTES);
    json_t *object = json_object();
    json_t *budgets = json_object();
    int error =
        object == NULL || budgets == NULL ? ERROR_MEMORY : add_texts(object, report);

    for (size_t i = 0; error == 0 && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        error = json_set_i64(object, numbers[i].name, numbers[i].value);
    }
    for (size_t i = 0; error == 0 && report->config->budgets && i < 2; i++) {
        error = add_budget(budgets, &report->budgets[i]);
    }
    if (error == 0) {
        error = json_set_take(object, "budgets", json_incref(budgets));
    }
    if (error == 0) {
        error = json_dump(object, &text);
    }
    if (error == 0) {
        puts(buffer_text(&text));
    }
    json_decref(budgets);
    json_decref(object);
    buffer_free(&text);
    return error;
}

/* ---- the commands ---- */

static int show(const struct relay_config *config, bool json)
{
    struct relay_config_share share = relay_config_zones_share(config);
    char domain_bucket[BUDGET_STORE_NAME_SIZE];
    struct report report = {
        .config = config,
        .state = "starting",
        .issued_at = -1,
        .share = share,
        .budgets = {{.name = "certificates",
                     .bucket = domain_bucket,
                     .limit = bucket_limit_of(share.burst, share.week, WEEK_S)},
                    {.name = "orders",
                     .bucket = "orders",
                     .limit = bucket_limit_of(config->budget_orders_burst,
                                              config->budget_orders_3h, ORDERS_S)}},
    };
    struct database *issuer = NULL;
    int error = budget_store_domain_bucket(config->registered_domain, domain_bucket)
                    ? database_open(config->store, "issuer.db", DATABASE_READER,
                                    schema_issuer, &issuer)
                    : ERROR_LIMIT;

    if (error == ERROR_NOT_FOUND) {
        fprintf(stderr,
                "latchkey-relay: there is no account yet: start the issuer once\n");
        return EXIT_FAILURE;
    }
    if (error == 0) {
        error = read_report(issuer, &report);
    }
    database_close(issuer);
    if (error == 0 && json) {
        error = print_json(&report);
    } else if (error == 0) {
        print_report(&report);
    }
    if (error != 0) {
        fprintf(stderr, "latchkey-relay: the CA's state in '%s' can't be read: %s\n",
                config->store, error_text(error));
        return EXIT_FAILURE;
    }
    return ca_store_is_refused(report.state) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The serial of the last wish that the issuer has followed: it takes none below it. */
static int64_t last_rollover(const struct relay_config *config)
{
    struct database *issuer = NULL;
    int64_t serial = 0;

    if (database_open(config->store, "issuer.db", DATABASE_READER, schema_issuer,
                      &issuer) != 0 ||
        issuer_store_entry_at(issuer, config->zone, "rollover", "issuer", &serial) != 0) {
        serial = 0;
    }
    database_close(issuer);
    return admin_stores_last(serial);
}

static int64_t rolled_at(const struct relay_config *config)
{
    struct report report = {.config = config};
    struct database *issuer = NULL;

    if (database_open(config->store, "issuer.db", DATABASE_READER, schema_issuer,
                      &issuer) != 0 ||
        ca_store_state(issuer, config->zone, config->ca_directory, take_state, &report) !=
            0) {
        report.rollover_at = 0;
    }
    database_close(issuer);
    return report.rollover_at;
}

/* The wish has ended; with a new key unless the CA took none. The issuer notes that in a commit of
 * its own. */
static int report_rollover(const struct relay_config *config, int64_t asked_at)
{
    int64_t until_mono_ms = clock_mono_ms() + NOTED_MS;

    while (rolled_at(config) < asked_at && clock_mono_ms() < until_mono_ms) {
        admin_stores_pause();
    }
    if (rolled_at(config) < asked_at) {
        fprintf(stderr,
                "latchkey-relay: the account keeps its key, as the CA did not take "
                "the new one; the issuer's log says why\n");
        return ADMIN_FAILED;
    }
    printf(
        "the account has a new key: make a backup, as those before hold the old one\n");
    return ADMIN_DONE;
}

static int ask_rollover(const struct relay_config *config)
{
    struct database *admin = NULL;
    int64_t asked_at = clock_wall_at();
    int64_t serial = last_rollover(config);
    int error = admin_stores_write(config, &admin);

    if (error != 0) {
        return ADMIN_FAILED;
    }
    error = admin_store_ask_rollover(admin, config->zone, asked_at, admin_stores_who(),
                                     &serial);
    if (error != 0) {
        error = admin_stores_fail("the wish can't be stored", error, admin);
        database_close(admin);
        return error;
    }
    database_close(admin);
    error = admin_stores_wait_issuer(config, last_rollover, serial);
    return error == ADMIN_DONE ? report_rollover(config, asked_at) : error;
}

int admin_ca_run(const struct relay_config *config, int argc, char **argv)
{
    if (argc == 1) {
        return show(config, false);
    }
    if (argc == 2 && strcmp(argv[1], "--json") == 0) {
        return show(config, true);
    }
    if (argc == 2 && strcmp(argv[1], "rollover") == 0) {
        return ask_rollover(config);
    }
    fprintf(stderr, "latchkey-relay: ca takes --json, or: rollover\n");
    return 2;
}
