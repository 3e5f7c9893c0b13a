/* The roles are asked every ASK_MS, the store is counted every COUNT_MS: a count takes some
 * milliseconds with a million devices. */
#include "relay/admin/observer.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/admin/backup_folder.h"
#include "relay/admin/exposition.h"
#include "relay/admin/scrape.h"
#include "relay/store/ca_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/overview.h"
#include "relay/store/queue_store.h"
#include "relay/store/schema.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

enum {
    ASK_MS = 5000,
    COUNT_MS = 60000,
    SAMPLE_MS = 10000,
    SCRAPE_MS = 3000,
    HOUR_S = 3600,
    DAY_S = 86400,
    EXPIRED_S = 30 * DAY_S
};

struct asking {
    struct observer *observer;
    unsigned index; /* of the role */
    struct scrape *metrics;
    struct scrape *health;
};

struct observer {
    struct loop *loop;
    const struct relay_config *config;
    struct loop_timer *ask_timer;
    struct loop_timer *count_timer;
    struct database *front;
    struct database *issuer;
    struct database *admin;
    struct asking askings[OBSERVER_ROLES];
    double dns_total; /* of answers; -1: unknown */
    int64_t dns_mono_ms;
    bool complained; /* that the folder of backups can't be listed */
    struct observer_facts facts;
};

/* ---- the roles ---- */

static void on_metrics(int status, struct bytes body, void *arg)
{
    struct asking *asking = arg;
    struct observer_role *role = &asking->observer->facts.roles[asking->index];
    double value = 0;
    role->is_known = true;
    role->is_up = status == 200;
    buffer_reset(&role->metrics);
    if (!role->is_up) {
        role->is_well = false;
        text_copy(role->reason, sizeof(role->reason), "does not answer");
        return;
    }
    (void)buffer_append(&role->metrics, body.data, body.size);
    if (exposition_value(body, "process_resident_memory_bytes", &value)) {
        role->memory_bytes = value;
    }
    if (exposition_value(body, "process_start_time_seconds", &value)) {
        role->started_at = (int64_t)value;
    }
}

static void on_health(int status, struct bytes body, void *arg)
{
    struct asking *asking = arg;
    struct observer_role *role = &asking->observer->facts.roles[asking->index];
    if (status != 200 && status != 503) {
        return; /* on_metrics tells of it */
    }
    while (body.size > 0 && body.data[body.size - 1] == '\n') {
        body.size--;
    }
    role->is_well = status == 200;
    text_printable(role->reason, sizeof(role->reason), (const char *)body.data,
                   role->is_well ? 0 : body.size);
}

struct total {
    double sum;
    bool any;
};

static void add_up(const char *first, const char *second, double value, void *arg)
{
    struct total *total = arg;
    (void)first;
    (void)second;
    total->sum += value;
    total->any = true;
}

/* One more sample of the DNS rate; a counter that fell is a role that was started again. */
static void note_dns(struct observer *observer, int64_t now_mono_ms)
{
    const struct observer_role *dns = &observer->facts.roles[OBSERVER_DNS];
    double *rates = observer->facts.dns_rate;
    struct total total = {0};
    int64_t passed_ms = now_mono_ms - observer->dns_mono_ms;
    if (passed_ms < SAMPLE_MS) {
        return;
    }
    exposition_each(buffer_bytes(&dns->metrics), "latchkey_dns_answers_total", add_up,
                    &total);
    memmove(rates, rates + 1, (OBSERVER_SAMPLES - 1) * sizeof(*rates));
    rates[OBSERVER_SAMPLES - 1] =
        total.any && observer->dns_total >= 0 && total.sum >= observer->dns_total
            ? (total.sum - observer->dns_total) * 1000 / (double)passed_ms
            : -1;
    observer->dns_total = total.any ? total.sum : -1;
    observer->dns_mono_ms = now_mono_ms;
}

static void on_ask(void *arg)
{
    struct observer *observer = arg;
    note_dns(observer, clock_mono_ms());
    for (size_t i = 0; i < OBSERVER_ROLES; i++) {
        if (observer->askings[i].metrics != NULL) {
            scrape_get(observer->askings[i].metrics, "/metrics");
            scrape_get(observer->askings[i].health, "/healthz");
        }
    }
    loop_timer_set(observer->ask_timer, ASK_MS);
}

/* ---- the store ---- */

static struct database *open_when_there(const struct observer *observer,
                                        struct database **database, const char *name,
                                        const char *const *schema)
{
    if (*database == NULL && database_open(observer->config->store, name, DATABASE_READER,
                                           schema, database) != 0) {
        *database = NULL;
    }
    return *database;
}

struct database *observer_front(struct observer *observer)
{
    return open_when_there(observer, &observer->front, "front.db", schema_front);
}

struct database *observer_issuer(struct observer *observer)
{
    return open_when_there(observer, &observer->issuer, "issuer.db", schema_issuer);
}

struct database *observer_admin(struct observer *observer)
{
    return open_when_there(observer, &observer->admin, "admin.db", schema_admin);
}

static int count_front(struct database *front, const char *zone,
                       struct observer_counts *counts)
{
    int error = census_devices(front, zone, &counts->devices);
    return error == 0 ? overview_count_clones(front, zone, &counts->clones) : error;
}

static int take_relay(const struct issuer_store_certificate *certificate, void *arg)
{
    struct observer_counts *counts = arg;
    counts->relay_not_after_at = certificate->not_after_at;
    counts->relay_not_before_at = certificate->not_before_at;
    return 0;
}

static int take_state(const struct ca_store_state *state, void *arg)
{
    struct observer_counts *counts = arg;
    text_printable(counts->ca_state, sizeof(counts->ca_state), state->state,
                   strlen(state->state));
    text_printable(counts->ca_reason, sizeof(counts->ca_reason), state->reason,
                   strlen(state->reason));
    return 0;
}

static int count_days(struct database *issuer, const char *zone, int64_t now_at,
                      struct observer_counts *counts)
{
    int64_t today_at = now_at - now_at % DAY_S;
    int error = 0;
    for (int i = 0; error == 0 && i < OBSERVER_DAYS; i++) {
        int64_t from_at = today_at - (OBSERVER_DAYS - 1 - i) * (int64_t)DAY_S;
        error = census_issued(issuer, zone, from_at, from_at + DAY_S, &counts->issued[i]);
    }
    return error;
}

/* What there is once at most. */
static int read_single(struct database *issuer, const struct relay_config *config,
                       struct observer_counts *counts)
{
    int error =
        issuer_store_relay_certificate(issuer, config->zone, "", take_relay, counts);
    if (error == 0 || error == ERROR_NOT_FOUND) {
        error = ca_store_state(issuer, config->zone, config->ca_directory, take_state,
                               counts);
    }
    return error == ERROR_NOT_FOUND ? 0 : error;
}

static int count_issuer(struct database *issuer, const struct relay_config *config,
                        int64_t now_at, struct observer_counts *counts)
{
    const char *zone = config->zone;
    int64_t former = 0;
    int error = census_certificates(issuer, zone, now_at, counts->lives);
    if (error == 0) {
        error = census_last_issued(issuer, zone, &counts->last_issued_at);
    }
    if (error == 0) {
        error = overview_count_orders(issuer, zone, now_at - DAY_S, now_at - HOUR_S,
                                      &counts->orders_day);
    }
    if (error == 0) {
        error =
            census_issued(issuer, zone, now_at - DAY_S, INT64_MAX, &counts->issued_day);
    }
    if (error == 0) {
        error = census_issued(issuer, zone, 0, now_at - 2 * DAY_S, &former);
    }
    if (error == 0) {
        error = queue_store_count_ahead(issuer, zone, INT64_MAX, &counts->waiting);
    }
    if (error == 0) {
        error = count_days(issuer, zone, now_at, counts);
    }
    counts->has_history = former > 0;
    return error == 0 ? read_single(issuer, config, counts) : error;
}

struct awake {
    struct observer *observer;
    const char *zone;
    struct observer_counts *counts;
    int64_t not_after_at;
};

static int take_publication(const struct front_store_addresses *addresses, void *arg)
{
    struct awake *awake = arg;
    if (addresses->published_at > awake->not_after_at) {
        awake->counts->expired_awake++;
        text_copy(awake->counts->expired_id, sizeof(awake->counts->expired_id),
                  addresses->id);
    }
    return 0;
}

static int take_expired(const char *id, int64_t not_after_at, void *arg)
{
    struct awake *awake = arg;
    awake->not_after_at = not_after_at;
    int error = front_store_get_addresses(awake->observer->front, awake->zone, id,
                                          take_publication, awake);
    return error == ERROR_NOT_FOUND ? 0 : error;
}

static int count_zone(struct observer *observer, const struct relay_config *config,
                      int64_t now_at, struct observer_counts *counts)
{
    const char *zone = config->zone;
    struct awake awake = {observer, zone, counts, 0};
    struct database *front = observer_front(observer);
    struct database *issuer = observer_issuer(observer);
    int error = front != NULL ? count_front(front, zone, counts) : 0;
    if (error == 0 && issuer != NULL) {
        error = count_issuer(issuer, config, now_at, counts);
    }
    if (error == 0 && front != NULL && issuer != NULL) {
        error = overview_expired(issuer, zone, now_at - EXPIRED_S, now_at,
                                 OBSERVER_AWAKE_MAX, take_expired, &awake);
    }
    return error;
}

/* Once, as it stays so until somebody mends it. */
static void complain_of_folder(struct observer *observer, int error)
{
    if (error != 0 && !observer->complained) {
        log_warning(
            "'%s' can't be listed (%s), so that nobody is told when the nightly "
            "backups cease; let the group latchkey list it (chgrp latchkey, chmod "
            "0750), and start the role again if the folder is new",
            observer->config->backup_folder, error_text(error));
    }
    observer->complained = error != 0;
}

/* One for all zones: noted by a command, or in the folder of the nightly ones. What can't be seen
 * is no fault of the relay's. */
static void find_backup(struct observer *observer, struct observer_facts *facts)
{
    const struct relay_config *config = observer->config;
    struct database *admin = observer_admin(observer);
    int64_t noted_at = 0;
    int64_t made_at = 0;
    if (admin != NULL && overview_last_backup(admin, &noted_at) != 0) {
        noted_at = 0;
    }
    if (noted_at > facts->now_at) {
        noted_at = 2 * facts->now_at - noted_at; /* as backup_folder_newest() has it */
    }
    int error = backup_folder_newest(config->backup_folder, facts->now_at, &made_at);
    facts->backup_at = made_at > noted_at ? made_at : noted_at;
    facts->hides_backups = error != 0 && config->backup_keep > 0;
    facts->has_backups =
        !facts->hides_backups && (noted_at > 0 || config->backup_keep > 0);
    complain_of_folder(observer, facts->hides_backups ? error : 0);
}

static void measure_disk(const struct observer *observer, struct observer_facts *facts)
{
    struct statvfs disk;
    if (statvfs(observer->config->store, &disk) == 0 && disk.f_blocks > 0) {
        facts->disk_free = (double)disk.f_bavail / (double)disk.f_blocks;
        facts->disk_free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
    }
}

static void add_counts(struct observer_counts *all, const struct observer_counts *one)
{
    all->devices += one->devices;
    all->clones += one->clones;
    all->waiting += one->waiting;
    for (size_t i = 0; i < CENSUS_LIFE_COUNT; i++) {
        all->lives[i] += one->lives[i];
    }
    for (size_t i = 0; i < OBSERVER_DAYS; i++) {
        all->issued[i] += one->issued[i];
    }
    if (one->last_issued_at > all->last_issued_at) {
        all->last_issued_at = one->last_issued_at;
    }
    all->orders_day += one->orders_day;
    all->issued_day += one->issued_day;
    all->expired_awake += one->expired_awake;
    if (one->expired_awake > 0) {
        text_copy(all->expired_id, sizeof(all->expired_id), one->expired_id);
    }
    all->has_history = all->has_history || one->has_history;
    if (one->relay_not_after_at != 0 &&
        (all->relay_not_after_at == 0 ||
         one->relay_not_after_at < all->relay_not_after_at)) {
        all->relay_not_after_at = one->relay_not_after_at;
        all->relay_not_before_at = one->relay_not_before_at;
    }
}

/* A restore puts other files in the place of those that are open. */
static void follow_files(struct observer *observer)
{
    struct database *const databases[] = {observer->front, observer->issuer,
                                          observer->admin};
    for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++) {
        if (databases[i] != NULL) {
            (void)database_changed(databases[i]);
        }
    }
}

/* Counted into a copy: what can't be read leaves the last facts as they were. */
static void on_count(void *arg)
{
    struct observer *observer = arg;
    struct observer_facts facts = observer->facts;
    int error = 0;
    follow_files(observer);
    facts.now_at = clock_wall_at();
    facts.all = (struct observer_counts){0};
    facts.zone_count = 0;
    for (const struct relay_config *at = observer->config;
         error == 0 && at != NULL && facts.zone_count < RELAY_CONFIG_ZONES_MAX;
         at = at->next) {
        struct observer_counts *counts = &facts.zones[facts.zone_count++];

        *counts = (struct observer_counts){0};
        error = count_zone(observer, at, facts.now_at, counts);
        add_counts(&facts.all, counts);
    }
    facts.has_store = error == 0 && observer->front != NULL && observer->issuer != NULL;
    if (error == 0) {
        find_backup(observer, &facts);
        measure_disk(observer, &facts);
        observer->facts = facts;
    } else {
        observer->facts.has_store = false;
        database_close(observer->front);
        database_close(observer->issuer);
        observer->front = observer->issuer = NULL;
    }
    loop_timer_set(observer->count_timer, facts.has_store ? COUNT_MS : ASK_MS);
}

/* ---- start and end ---- */

static int open_role(struct observer *observer, unsigned index, const char *name,
                     const char *listen_at)
{
    struct asking *asking = &observer->askings[index];
    struct observer_role *role = &observer->facts.roles[index];
    role->name = name;
    role->metrics = buffer_init(SCRAPE_BYTES_MAX);
    asking->observer = observer;
    asking->index = index;
    role->is_asked = listen_at[0] != '\0';
    if (!role->is_asked) {
        return 0;
    }
    int error = scrape_new(observer->loop, listen_at, SCRAPE_MS, on_metrics, asking,
                           &asking->metrics);
    return error == 0 ? scrape_new(observer->loop, listen_at, SCRAPE_MS, on_health,
                                   asking, &asking->health)
                      : error;
}

static int open_all(struct observer *observer)
{
    const struct relay_config *config = observer->config;
    int error = open_role(observer, OBSERVER_FRONT, "front", config->front_status_listen);
    if (error == 0) {
        error =
            open_role(observer, OBSERVER_ISSUER, "issuer", config->issuer_status_listen);
    }
    if (error == 0) {
        error = open_role(observer, OBSERVER_DNS, "dns", config->dns_status_listen);
    }
    if (error == 0) {
        error = loop_timer_new(observer->loop, on_ask, observer, &observer->ask_timer);
    }
    if (error == 0) {
        error =
            loop_timer_new(observer->loop, on_count, observer, &observer->count_timer);
    }
    return error;
}

int observer_new(struct loop *loop, const struct relay_config *config,
                 struct observer **ret_observer)
{
    struct observer *observer = calloc(1, sizeof(*observer));
    if (observer == NULL) {
        return ERROR_MEMORY;
    }
    observer->loop = loop;
    observer->config = config;
    observer->dns_total = -1;
    observer->dns_mono_ms = clock_mono_ms();
    for (size_t i = 0; i < OBSERVER_SAMPLES; i++) {
        observer->facts.dns_rate[i] = -1;
    }
    int error = open_all(observer);
    if (error != 0) {
        observer_free(observer);
        return error;
    }
    on_count(observer);
    on_ask(observer);
    *ret_observer = observer;
    return 0;
}

void observer_free(struct observer *observer)
{
    if (observer == NULL) {
        return;
    }
    for (size_t i = 0; i < OBSERVER_ROLES; i++) {
        scrape_free(observer->askings[i].metrics);
        scrape_free(observer->askings[i].health);
        buffer_free(&observer->facts.roles[i].metrics);
    }
    loop_timer_free(observer->ask_timer);
    loop_timer_free(observer->count_timer);
    database_close(observer->front);
    database_close(observer->issuer);
    database_close(observer->admin);
    free(observer);
}

const struct observer_facts *observer_facts(struct observer *observer)
{
    observer->facts.now_at = clock_wall_at();
    return &observer->facts;
}
