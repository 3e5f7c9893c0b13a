/* The issuer's start, end and housekeeping. The parts, in the order a request meets them:
 * requests (follows front.db), admission and acceptance (verify, budget), issuance (ca,
 * propagation), revoke, window; commit makes all their writes durable together. */
#include "relay/issuer/issuer.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/log.h"
#include "base/core/notify.h"
#include "base/net/watchdog.h"
#include "relay/confinement.h"
#include "relay/issuer/enrolment.h"
#include "relay/issuer/ca_key.h"
#include "relay/issuer/issuance.h"
#include "relay/issuer/meter.h"
#include "relay/issuer/issuer_state.h"
#include "relay/issuer/issuer_wishes.h"
#include "relay/issuer/requests.h"
#include "relay/issuer/revoke.h"
#include "relay/issuer/rollover.h"
#include "relay/issuer/statements.h"
#include "relay/issuer/window.h"
#include "relay/store/budget_store.h"
#include "relay/store/place.h"
#include "relay/store/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DNS_PORT = 53,
    SWEEP_MS = 20000,
    PRUNE_EVERY = 30,    /* sweeps */
    TOMBSTONE_S = 86400, /* readers that were away so long start from their snapshot */
    ORDER_KEPT_S = 120 * 86400,      /* longer than a certificate that it may explain */
    CERTIFICATE_KEPT_S = 30 * 86400, /* after its end */
    ANSWER_KEPT_S = 7 * 86400,       /* front forgets the question then, too */
    /* What was signed once stays used: nonces are front's, and a front may be captured.
     * Far longer than the rows of its orders. */
    SIGNED_KEPT_S = 400 * 86400,
    FIRST_LOOK_MS = 40,
};

struct run {
    struct relay_config **config;
    struct loop *loop;
    struct database *database;
    struct commit *commit;
    struct issuer *issuers; /* one a zone, the main one first */
    struct loop_signal *hangup;
    struct loop_signal *terminate;
    struct loop_signal *interrupt;
    struct loop_timer *sweep;
    struct watchdog *watchdog;
    unsigned sweep_count;
};

/* ---- which name servers to ask ---- */

static int add_server(struct propagation_servers *servers, const char *text,
                      uint16_t port)
{
    struct address address;
    int error = address_parse(text, port, &address);

    if (error != 0) {
        log_error("'%s' is no address of a name server to check", text);
        return error;
    }
    if (servers->count == PROPAGATION_SERVERS_MAX) {
        log_error("more than %d name servers to check", PROPAGATION_SERVERS_MAX);
        return ERROR_LIMIT;
    }
    servers->at[servers->count++] = address;
    return 0;
}

/* "ns1.lan.example.com=192.0.2.1,2001:db8::1": each address after the '='. */
static int add_addresses_of(struct propagation_servers *servers, const char *text)
{
    const char *at = strchr(text, '=');
    int error = 0;

    while (error == 0 && at != NULL) {
        size_t size = strcspn(at + 1, ",");
        char address[ADDRESS_TEXT_CAPACITY];

        if (!text_format(address, sizeof(address), "%.*s", (int)size, at + 1)) {
            return ERROR_LIMIT;
        }
        error = add_server(servers, address, DNS_PORT);
        at = at[1 + size] == ',' ? at + 1 + size : NULL;
    }
    return error;
}

/* A server that listens everywhere is asked at loopback. */
static int add_listener(struct propagation_servers *servers, const char *text)
{
    char address[ADDRESS_TEXT_CAPACITY];

    if (text_starts_with(text, "0.0.0.0:")) {
        return text_format(address, sizeof(address), "127.0.0.1:%s",
                           strchr(text, ':') + 1)
                   ? add_server(servers, address, DNS_PORT)
                   : ERROR_LIMIT;
    }
    if (text_starts_with(text, "[::]:")) {
        return text_format(address, sizeof(address), "[::1]:%s", text + strlen("[::]:"))
                   ? add_server(servers, address, DNS_PORT)
                   : ERROR_LIMIT;
    }
    return add_server(servers, text, DNS_PORT);
}

static int find_servers(const struct relay_config *config,
                        struct propagation_servers *servers)
{
    int error = 0;

    for (size_t i = 0; error == 0 && i < config->name_server_checks.count; i++) {
        error = add_server(servers, config->name_server_checks.at[i], DNS_PORT);
    }
    for (size_t i = 0; error == 0 && config->name_server_checks.count == 0 &&
                       i < config->dns_name_servers.count;
         i++) {
        error = add_addresses_of(servers, config->dns_name_servers.at[i]);
    }
    if (error == 0 && servers->count == 0) {
        for (size_t i = 0; error == 0 && i < config->dns_listen.count; i++) {
            error = add_listener(servers, config->dns_listen.at[i]);
        }
    }
    if (error == 0 && servers->count == 0) {
        log_error(
            "no address of a name server to check: give [issuer] check_name_servers");
        error = ERROR_NOT_FOUND;
    }
    return error;
}

/* ---- housekeeping ---- */

/* What must happen in time. */
static int sweep(struct issuer *issuer, int64_t rev, int64_t now_at)
{
    static const char expired[] = "{\"type\":\"urn:ietf:params:acme:error:malformed\","
                                  "\"detail\":\"The order was not finalized in time\","
                                  "\"status\":403}";
    const char *zone = issuer->config->zone;
    struct database *database = issuer->database;
    int count = 0;
    int error = issuer_store_expire_orders(database, zone, rev, now_at, expired, &count);

    if (error == 0) {
        error = issuer_store_forget_orders(database, zone, ISSUER_STORE_REFUSED, now_at);
    }
    if (error == 0) {
        error = issuer_store_sweep_challenges(database, zone, rev, now_at,
                                              now_at - TOMBSTONE_S);
    }
    if (error == 0) {
        error = budget_sweep(database, zone, rev, now_at);
    }
    if (error == 0) {
        error = statements_sweep(issuer, now_at);
    }
    if (error == 0) {
        error = enrolment_sweep(issuer, rev, now_at);
    }
    if (error == 0 && count > 0) {
        log_info("%d orders expired unused", count);
    }
    return error;
}

static int prune_ledger(struct issuer *issuer, int64_t now_at)
{
    static const struct {
        const char *kind;
        int64_t kept_s;
    } kinds[] = {
        {"order", SIGNED_KEPT_S},       {"finalize", SIGNED_KEPT_S},
        {"key", SIGNED_KEPT_S},         {"renewal-key", SIGNED_KEPT_S},
        {"relay-order", SIGNED_KEPT_S}, {"failure", BUDGET_WEEK_S},
        {"unused", BUDGET_WEEK_S},      {"open", BUDGET_WEEK_S},
    };
    int error = 0;

    for (size_t i = 0; error == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        error = issuer_store_forget_entries(issuer->database, issuer->config->zone,
                                            kinds[i].kind, now_at - kinds[i].kept_s);
    }
    return error;
}

/* What only takes up room. */
static int prune(struct issuer *issuer, int64_t now_at)
{
    const char *zone = issuer->config->zone;
    struct database *database = issuer->database;
    int error = prune_ledger(issuer, now_at);

    if (error == 0) {
        error = issuer_store_forget_orders(database, zone, ISSUER_STORE_VALID,
                                           now_at - ORDER_KEPT_S);
    }
    if (error == 0) {
        error = issuer_store_forget_orders(database, zone, ISSUER_STORE_INVALID,
                                           now_at - ANSWER_KEPT_S);
    }
    if (error == 0) {
        error = issuer_store_forget_issuances(database, zone);
    }
    if (error == 0) {
        error = issuer_store_forget_revocations(database, zone, now_at - ANSWER_KEPT_S);
    }
    if (error == 0) {
        error = issuer_store_end_checks(database, zone, now_at);
    }
    return error == 0 ? issuer_store_forget_certificates(database, zone,
                                                         now_at - CERTIFICATE_KEPT_S)
                      : error;
}

static void on_sweep(void *arg)
{
    struct run *run = arg;
    bool pruning = run->sweep_count++ % PRUNE_EVERY == 0;
    int64_t now_at = clock_wall_at();
    int64_t rev = 0;
    int error = commit_begin(run->commit, &rev);

    for (struct issuer *issuer = run->issuers; error == 0 && issuer != NULL;
         issuer = issuer->next) {
        error = sweep(issuer, rev, now_at);
        if (error == 0 && pruning) {
            error = prune(issuer, now_at);
        }
    }
    if (error != 0) {
        (void)commit_fail(run->commit, error, "housekeeping");
        return;
    }
    for (struct issuer *issuer = run->issuers; issuer != NULL; issuer = issuer->next) {
        ca_note_state(issuer->ca);
        issuance_wake(issuer->issuances);
    }
    loop_timer_set(run->sweep, SWEEP_MS);
}

static void on_signal(int signal_number, void *arg)
{
    struct run *run = arg;
    size_t count = 0;

    for (const struct issuer *issuer = run->issuers; issuer != NULL;
         issuer = issuer->next) {
        count += issuance_count(issuer->issuances);
    }
    log_info("signal %d: ending; %zu issuances go on at the next start", signal_number,
             count);
    notify_stopping();
    loop_stop(run->loop);
}

/* ---- start ---- */

/* Each start is a new generation: a writer that was replaced can't write any more. */
static int take_generation(struct issuer *issuer)
{
    const char *zone = issuer->config->zone;
    struct issuer_store_entry entry = {.kind = "generation", .what = "issuer", .id = ""};
    int64_t rev = 0;
    int64_t last = -1;
    int error =
        issuer_store_entry_at(issuer->database, zone, entry.kind, entry.what, &last);

    if (error == 0) {
        issuer->generation = (last < 0 ? 0 : last) + 1;
        entry.at = issuer->generation;
        error = database_begin(issuer->database, &rev);
    }
    if (error == 0) {
        error = issuer_store_put_entry(issuer->database, zone, rev, &entry);
        if (error == 0) {
            error = issuer_store_take_issuances(issuer->database, zone, rev,
                                                issuer->generation);
        }
        if (error == 0) {
            error = database_commit(issuer->database);
        } else {
            database_rollback(issuer->database);
        }
    }
    if (error != 0) {
        log_error("issuer.db can't be written: %s: %s", error_text(error),
                  database_error(issuer->database));
    }
    return error;
}

/* The account's key of each zone was made after issuer.db: alone, it says that the ledger is lost.
 * An empty one would know neither what was issued nor what may not be issued again. */
static bool is_ledger_lost(const struct relay_config *config)
{
    char path[PATH_MAX];
    bool is_gone =
        place_path(config->store, "issuer", "issuer.db", path, sizeof(path)) == 0 &&
        access(path, F_OK) != 0 && errno == ENOENT;
    bool is_lost = false;

    for (; is_gone && config != NULL; config = config->next) {
        char key_path[PATH_MAX] = "";
        struct key *key = NULL;

        if (ca_key_read(config, CA_KEY_PRESENT, key_path, &key) != ERROR_NOT_FOUND) {
            log_error(
                "'%s' is gone, and '%s' of '%s' is there: bring the store back from a "
                "backup. Only to begin without all that was issued, make an empty '%s' "
                "(touch)",
                path, key_path, config->zone, path);
            is_lost = true;
        }
        key_free(key);
    }
    return is_lost;
}

static int open_store(struct run *run)
{
    const struct relay_config *config = *run->config;
    int error = is_ledger_lost(config) ? ERROR_NOT_FOUND : 0;

    if (error != 0) {
        return error;
    }
    error = database_open(config->store, "issuer.db", DATABASE_WRITER, schema_issuer,
                          &run->database);
    if (error != 0) {
        log_error("issuer.db in '%s' can't be opened: %s: %s", config->store,
                  error_text(error), database_open_error());
        return error;
    }
    return commit_new(run->loop, run->database, &run->commit);
}

/* Only tokens need the secret; with open enrolment it may be missing. */
static int read_secret(struct issuer *issuer)
{
    int error = token_secret_read(issuer->config->secret_file, true, issuer->secret);

    if (error == ERROR_DENIED ||
        (error != 0 && issuer->config->enrolment == RELAY_ENROLMENT_TOKEN)) {
        log_error("the secret file '%s' can't be read: %s", issuer->config->secret_file,
                  error_text(error));
        return error;
    }
    issuer->has_secret = error == 0;
    return 0;
}

struct database *issuer_state_admin(struct issuer *issuer)
{
    if (issuer->admin == NULL &&
        database_open(issuer->config->store, "admin.db", DATABASE_READER, schema_admin,
                      &issuer->admin) != 0) {
        issuer->admin = NULL;
    }
    return issuer->admin;
}

static int open_parts(struct issuer *issuer)
{
    int error = ca_new(issuer->loop, issuer->config, issuer->database, issuer->commit,
                       &issuer->ca);

    if (error == 0) {
        error = issuance_open_all(issuer, &issuer->issuances);
    }
    if (error == 0) {
        error = revoke_open_all(issuer, &issuer->revocations);
    }
    if (error == 0) {
        error = window_poll_new(issuer, &issuer->windows);
    }
    if (error == 0) {
        error = statements_open(issuer, &issuer->statements);
    }
    if (error == 0) {
        error = rollover_open(issuer, &issuer->rollover);
    }
    if (error == 0) {
        error = issuer_wishes_open(issuer, &issuer->wishes);
    }
    if (error == 0) {
        error = requests_open(issuer, &issuer->requests);
    }
    return error;
}

/* What of CONFIG is kept in another form. */
static int take_config(struct issuer *issuer, const struct relay_config *config)
{
    struct propagation_servers servers = {.count = 0};
    int error = find_servers(config, &servers);

    if (error == 0) {
        issuer->servers = servers;
    }
    issuer->config = config;
    issuer->verify = (struct verify_context){
        .zone = config->zone,
        .base_url = config->base_url,
        .aliases = (const char *const *)config->base_url_aliases.at,
        .alias_count = config->base_url_aliases.count,
    };
    issuer->rules = budget_rules_of(config);
    return error;
}

static void close_zone(struct issuer *issuer)
{
    requests_close(issuer->requests);
    rollover_close(issuer->rollover);
    issuer_wishes_close(issuer->wishes);
    statements_close(issuer->statements);
    window_poll_free(issuer->windows);
    revoke_close_all(issuer->revocations);
    issuance_close_all(issuer->issuances);
    ca_free(issuer->ca);
    database_close(issuer->front);
    database_close(issuer->admin);
    digest_wipe(issuer->secret, sizeof(issuer->secret));
    relay_config_replace(&issuer->kept, NULL);
    free(issuer);
}

static int start_zone(struct run *run, struct issuer *issuer,
                      const struct relay_config *config)
{
    int error = take_config(issuer, config);

    if (error == 0) {
        error = commit_flush(run->commit); /* what follows has transactions of its own */
    }
    if (error == 0) {
        error = take_generation(issuer);
    }
    if (error == 0) {
        error = read_secret(issuer);
    }
    if (error == 0) {
        error =
            budget_open(issuer->database, config->zone, &issuer->rules, clock_wall_at());
    }
    if (error == 0) {
        error = open_parts(issuer);
    }
    if (error == 0) {
        log_info("issuing for '%s' from '%s', generation %" PRId64, config->zone,
                 config->ca_directory, issuer->generation);
        ca_start(issuer->ca);
    }
    return error;
}

static int open_zone(struct run *run, const struct relay_config *config)
{
    struct issuer **end = &run->issuers;
    struct issuer *issuer = calloc(1, sizeof(*issuer));
    int error = 0;

    if (issuer == NULL) {
        return ERROR_MEMORY;
    }
    issuer->loop = run->loop;
    issuer->database = run->database;
    issuer->commit = run->commit;
    issuer->shown_after_ms = FIRST_LOOK_MS;
    error = start_zone(run, issuer, config);
    if (error != 0) {
        close_zone(issuer);
        return error;
    }
    /* One meter for all zones. */
    if (run->issuers != NULL) {
        issuer->meter = run->issuers->meter;
    } else {
        error = issuer_meter_new(run->loop, config->issuer_status_listen, &issuer->meter);
    }
    if (error == 0) {
        issuer_meter_add(issuer);
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = issuer;
    return error;
}

/* Zones come and go, and what their orders hold in shared buckets stays. What those of the open
 * ones hold counts: it alone is given back. */
static int count_shared(struct run *run)
{
    int64_t rev = 0;
    int error = commit_begin(run->commit, &rev);

    if (error == 0) {
        error = budget_store_clear_shared(run->database, rev);
    }
    for (const struct issuer *issuer = run->issuers; error == 0 && issuer != NULL;
         issuer = issuer->next) {
        error = budget_store_add_shared(run->database, issuer->config->zone);
    }
    return error == 0 ? 0 : commit_fail(run->commit, error, "shared budgets");
}

/* ---- SIGHUP ---- */

/* A zone that is configured again after it was not. */
static void reopen_requests(struct issuer *issuer)
{
    relay_config_replace(&issuer->kept, NULL);
    if (requests_open(issuer, &issuer->requests) != 0) {
        log_error("the requests of '%s' can't be followed until a restart",
                  issuer->config->zone);
    }
}

/* What was begun for a zone that is configured no more is ended; nothing new is decided. */
static void retire_zone(struct run *run, struct issuer *issuer)
{
    log_info("'%s' gets no certificates any more", issuer->config->zone);
    requests_close(issuer->requests);
    issuer->requests = NULL;
    issuer->kept = relay_config_detach(run->config, issuer->config->zone);
    (void)!take_config(issuer, issuer->kept);
}

static const struct relay_config *config_of(const struct relay_config *config,
                                            const char *zone)
{
    while (config != NULL && strcmp(config->zone, zone) != 0) {
        config = config->next;
    }
    return config;
}

static const struct issuer *find_issuer(const struct run *run, const char *zone)
{
    const struct issuer *issuer = run->issuers;

    while (issuer != NULL && strcmp(issuer->config->zone, zone) != 0) {
        issuer = issuer->next;
    }
    return issuer;
}

static void take_configs(struct run *run, struct relay_config *config)
{
    for (struct issuer *issuer = run->issuers; issuer != NULL; issuer = issuer->next) {
        const struct relay_config *now = config_of(config, issuer->config->zone);

        if (now != NULL) {
            (void)!take_config(issuer, now);
            if (!issuer->has_secret) {
                (void)!read_secret(issuer); /* tokens may count from now on */
            }
            ca_reload(issuer->ca, now);
            statements_reload(issuer->statements);
            if (issuer->kept != NULL) {
                reopen_requests(issuer);
            }
            issuance_wake(issuer->issuances);
        } else if (issuer->kept == NULL) {
            retire_zone(run, issuer);
            ca_reload(issuer->ca, issuer->kept);
        }
    }
    for (const struct relay_config *at = config; at != NULL; at = at->next) {
        if (find_issuer(run, at->zone) == NULL && open_zone(run, at) != 0) {
            log_error("'%s' gets no certificates until the next reload", at->zone);
        }
    }
    (void)!count_shared(run);
    relay_config_replace(run->config, config);
}

/* One line for people, at the end of the start and of a reload. */
static void say_ready(const struct run *run)
{
    struct buffer zones = buffer_init(8192);

    for (const struct relay_config *config = *run->config; config != NULL;
         config = config->next) {
        const struct issuer *issuer = find_issuer(run, config->zone);
        bool is_open = issuer != NULL && !ca_is_shut(issuer->ca);

        buffer_printf(&zones, "%s%s from %s%s", config == *run->config ? "" : ", ",
                      config->zone, config->ca_directory,
                      is_open ? "" : " (not now: see the log)");
    }
    notify_ready("Issues for %s", buffer_text(&zones));
    buffer_free(&zones);
}

/* Where the CA's files could not be used, other ones may be named now. */
static void mark_unused(struct run *run)
{
    for (struct relay_config *config = *run->config; config != NULL;
         config = config->next) {
        const struct issuer *issuer = find_issuer(run, config->zone);

        config->is_unused = issuer != NULL && ca_is_shut(issuer->ca);
    }
}

static void on_reload(int signal_number, void *arg)
{
    struct run *run = arg;
    struct relay_config *config = NULL;

    (void)signal_number;
    notify_reloading();
    mark_unused(run);
    config = relay_config_reload(*run->config, "issuer");
    if (config != NULL) {
        take_configs(run, config);
    }
    say_ready(run);
}

/* ---- start and end ---- */

static int write_ready(const struct relay_config *config)
{
    char text[32];
    int error = 0;

    if (config->issuer_ready_file[0] == '\0') {
        return 0;
    }
    (void)text_format(text, sizeof(text), "%ld\n", (long)getpid());
    error = file_write_atomic(config->issuer_ready_file, text, strlen(text), 0644);
    if (error != 0) {
        log_error("the ready file '%s' can't be written: %s", config->issuer_ready_file,
                  error_text(error));
    }
    return error;
}

static int watch(struct run *run)
{
    int error = loop_signal_new(run->loop, SIGTERM, on_signal, run, &run->terminate);

    if (error == 0) {
        error = loop_signal_new(run->loop, SIGINT, on_signal, run, &run->interrupt);
    }
    if (error == 0) {
        error = loop_signal_new(run->loop, SIGHUP, on_reload, run, &run->hangup);
    }
    if (error == 0) {
        error = loop_timer_new(run->loop, on_sweep, run, &run->sweep);
    }
    return error == 0 ? watchdog_new(run->loop, NULL, NULL, &run->watchdog) : error;
}

static int open_run(struct run *run)
{
    int error = loop_new(&run->loop);

    if (error == 0) {
        error = watch(run);
    }
    if (error == 0) {
        error = open_store(run);
    }
    for (const struct relay_config *config = *run->config; error == 0 && config != NULL;
         config = config->next) {
        error = open_zone(run, config);
    }
    return error == 0 ? count_shared(run) : error;
}

static void close_run(struct run *run)
{
    if (run->issuers != NULL) {
        issuer_meter_free(run->issuers->meter);
    }
    for (struct issuer *issuer = run->issuers; issuer != NULL; issuer = issuer->next) {
        issuer->meter = NULL;
    }
    while (run->issuers != NULL) {
        struct issuer *issuer = run->issuers;

        run->issuers = issuer->next;
        close_zone(issuer);
    }
    commit_free(run->commit);
    database_close(run->database);
    watchdog_free(run->watchdog);
    if (run->sweep != NULL) {
        loop_timer_free(run->sweep);
    }
    loop_signal_free(run->terminate);
    loop_signal_free(run->interrupt);
    loop_signal_free(run->hangup);
    if (run->loop != NULL) {
        loop_free(run->loop);
    }
}

static bool are_terms_agreed(const struct relay_config *config)
{
    for (; config != NULL; config = config->next) {
        if (!config->ca_terms_agreed) {
            log_error("%s: the CA's terms must be agreed to: set 'terms_agreed = yes' in "
                      "[issuer]",
                      config->path);
            return false;
        }
    }
    return true;
}

int issuer_run(struct relay_config **config)
{
    struct run run = {.config = config};
    int error = 0;

    if (!are_terms_agreed(*config)) {
        return ERROR_DENIED;
    }
    error = open_run(&run);
    if (error == 0) {
        error = confinement_enter(CONFINEMENT_ISSUER, *config);
    }
    if (error == 0) {
        error = write_ready(*config);
    }
    if (error == 0) {
        loop_timer_set(run.sweep, SWEEP_MS);
        say_ready(&run);
        error = loop_run(run.loop);
        if (error == 0) {
            error = commit_error(run.commit);
        }
        log_info("ended after %" PRIu64 " commits", commit_count(run.commit));
    }
    close_run(&run);
    return error;
}
