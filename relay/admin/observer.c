/* The roles are asked every ASK_MS, the store is counted every COUNT_MS: a count takes some
 * milliseconds with a million devices. */
#include "relay/admin/observer.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "relay/admin/backup_folder.h"
#include "relay/admin/exposition.h"
#include "relay/admin/scrape.h"
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
                       struct observer_facts *facts)
{
    int64_t devices = 0;
    int64_t clones = 0;
    int error = census_devices(front, zone, &devices);
    if (error == 0) {
        error = overview_count_clones(front, zone, &clones);
    }
    facts->devices += devices;
    facts->clones += clones;
    return error;
}

static int take_relay(const struct issuer_store_certificate *certificate, void *arg)
{
    struct observer_facts *facts = arg;
    if (facts->relay_not_after_at == 0 ||
        certificate->not_after_at < facts->relay_not_after_at) {
        facts->relay_not_after_at = certificate->not_after_at;
        facts->relay_not_before_at = certificate->not_before_at;
    }
    return 0;
}

static int count_days(struct database *issuer, const char *zone,
                      struct observer_facts *facts)
{
    int64_t today_at = facts->now_at - facts->now_at % DAY_S;
    int error = 0;
    for (int i = 0; error == 0 && i < OBSERVER_DAYS; i++) {
        int64_t from_at = today_at - (OBSERVER_DAYS - 1 - i) * (int64_t)DAY_S;
        int64_t count = 0;
        error = census_issued(issuer, zone, from_at, from_at + DAY_S, &count);
        facts->issued[i] += count;
    }
    return error;
}

static int count_issuer(struct database *issuer, const char *zone,
                        struct observer_facts *facts)
{
    int64_t lives[CENSUS_LIFE_COUNT];
    int64_t last_at = 0;
    int64_t orders = 0;
    int64_t issued = 0;
    int64_t former = 0;
    int64_t waiting = 0;
    int error = census_certificates(issuer, zone, facts->now_at, lives);
    for (size_t i = 0; error == 0 && i < CENSUS_LIFE_COUNT; i++) {
        facts->lives[i] += lives[i];
    }
    if (error == 0) {
        error = census_last_issued(issuer, zone, &last_at);
    }
    if (error == 0) {
        error = overview_count_orders(issuer, zone, facts->now_at - DAY_S,
                                      facts->now_at - HOUR_S, &orders);
    }
    if (error == 0) {
        error = census_issued(issuer, zone, facts->now_at - DAY_S, INT64_MAX, &issued);
    }
    if (error == 0) {
        error = census_issued(issuer, zone, 0, facts->now_at - 2 * DAY_S, &former);
    }
    if (error == 0) {
        error = queue_store_count_ahead(issuer, zone, INT64_MAX, &waiting);
    }
    if (error == 0) {
        error = count_days(issuer, zone, facts);
    }
    if (error == 0) {
        error = issuer_store_relay_certificate(issuer, zone, "", take_relay, facts);
        error = error == ERROR_NOT_FOUND ? 0 : error;
    }
    facts->last_issued_at =
        last_at > facts->last_issued_at ? last_at : facts->last_issued_at;
    facts->orders_day += orders;
    facts->has_history = facts->has_history || former > 0;
    facts->issued_day += issued;
    facts->waiting += waiting;
    return error;
}

struct awake {
    struct observer *observer;
    const char *zone;
    struct observer_facts *facts;
    int64_t not_after_at;
};

static int take_publication(const struct front_store_addresses *addresses, void *arg)
{
    struct awake *awake = arg;
    if (addresses->published_at > awake->not_after_at) {
        awake->facts->expired_awake++;
        text_copy(awake->facts->expired_id, sizeof(awake->facts->expired_id),
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

static int count_zone(struct observer *observer, const char *zone,
                      struct observer_facts *facts)
{
    struct awake awake = {observer, zone, facts, 0};
    struct database *front = observer_front(observer);
    struct database *issuer = observer_issuer(observer);
    int error = front != NULL ? count_front(front, zone, facts) : 0;
    if (error == 0 && issuer != NULL) {
        error = count_issuer(issuer, zone, facts);
    }
    if (error == 0 && front != NULL && issuer != NULL) {
        error = overview_expired(issuer, zone, facts->now_at - EXPIRED_S, facts->now_at,
                                 OBSERVER_AWAKE_MAX, take_expired, &awake);
    }
    return error;
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
    bool is_seen =
        backup_folder_newest(config->backup_folder, facts->now_at, &made_at) == 0;
    facts->backup_at = made_at > noted_at ? made_at : noted_at;
    facts->has_backups = noted_at > 0 || (is_seen && config->backup_keep > 0);
}

static void measure_disk(const struct observer *observer, struct observer_facts *facts)
{
    struct statvfs disk;
    if (statvfs(observer->config->store, &disk) == 0 && disk.f_blocks > 0) {
        facts->disk_free = (double)disk.f_bavail / (double)disk.f_blocks;
        facts->disk_free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
    }
}

static void forget_counts(struct observer_facts *facts)
{
    facts->devices = facts->clones = facts->waiting = 0;
    facts->last_issued_at = facts->relay_not_after_at = 0;
    facts->orders_day = facts->issued_day = facts->backup_at = 0;
    facts->has_history = facts->has_backups = false;
    facts->expired_awake = 0;
    memset(facts->lives, 0, sizeof(facts->lives));
    memset(facts->issued, 0, sizeof(facts->issued));
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
    forget_counts(&facts);
    for (const struct relay_config *at = observer->config; error == 0 && at != NULL;
         at = at->next) {
        error = count_zone(observer, at->zone, &facts);
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
