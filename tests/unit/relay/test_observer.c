/* What the roles tell, also somebody in their place, and what is counted in the store. Time is
 * the test's: asking again comes at once, and the DNS rate is over seconds that are not waited
 * for. */
#include "relay/admin/observer.h"

#include "base/core/text.h"
#include "base/net/status_server.h"
#include "relay/store/admin_store.h"
#include "relay/store/ca_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/queue_store.h"
#include "relay/store/schema.h"
#include "tests/unit/net/pump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONE "lan.example.com"
#define OTHER_ZONE "other.example.com"

enum { ASK_MS = 5000, AT_ONCE_MS = 2, TURNS_MAX = 10000, HOUR_S = 3600, DAY_S = 86400 };

static int64_t mono_ms = 1000000;
static char zone_name[] = ZONE;
static char other_zone_name[] = OTHER_ZONE;
static char ca_name[] = "ca";
static char nothing[] = "";

int64_t __wrap_clock_mono_ms(void);
void __real_loop_timer_set(struct loop_timer *timer, int64_t delay_ms);
void __wrap_loop_timer_set(struct loop_timer *timer, int64_t delay_ms);

int64_t __wrap_clock_mono_ms(void)
{
    return mono_ms;
}

void __wrap_loop_timer_set(struct loop_timer *timer, int64_t delay_ms)
{
    __real_loop_timer_set(timer, delay_ms >= ASK_MS ? AT_ONCE_MS : delay_ms);
}

static const char *const transports[] = {"udp", "tcp", NULL};

enum { ROW_ANSWERS };

static const struct metrics_row rows[] = {
    [ROW_ANSWERS] = {.type = METRICS_GAUGE,
                     .name = "latchkey_dns_answers_total",
                     .help = "Answers.",
                     .labels = {{"transport", transports}}},
};

struct role {
    struct metrics *metrics;
    struct status_server *server;
    char listen_at[32];
    unsigned asked;     /* for its metrics */
    const char *reason; /* NULL: it is well */
};

struct fixture {
    char folder[64];
    struct loop *loop;
    struct role front;
    struct role dns;
    struct relay_config config;
    struct relay_config other;
    struct observer *observer;
};

static void count_asking(void *arg)
{
    struct role *role = arg;
    role->asked++;
}

static bool is_well(void *arg, struct buffer *reason)
{
    const struct role *role = arg;
    buffer_append_text(reason, role->reason != NULL ? role->reason : "");
    return role->reason == NULL;
}

static void start_role(struct fixture *fixture, struct role *role)
{
    assert_int_equal(metrics_new(rows, 1, &role->metrics), 0);
    const struct status_server_options options = {
        .listen = "127.0.0.1:0",
        .role = "test",
        .metrics = role->metrics,
        .collect = count_asking,
        .health = is_well,
        .arg = role,
    };
    assert_int_equal(status_server_new(fixture->loop, &options, &role->server), 0);
    assert_true(text_format(role->listen_at, sizeof(role->listen_at), "127.0.0.1:%u",
                            (unsigned)status_server_port(role->server)));
}

static void stop_role(struct role *role)
{
    status_server_free(role->server);
    metrics_free(role->metrics);
    role->server = NULL;
    role->metrics = NULL;
}

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/latchkey-observer-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(loop_new(&fixture->loop), 0);
    start_role(fixture, &fixture->front);
    start_role(fixture, &fixture->dns);
    fixture->other = (struct relay_config){
        .zone = other_zone_name, .ca_directory = ca_name, .store = fixture->folder};
    fixture->config = (struct relay_config){
        .zone = zone_name,
        .ca_directory = ca_name,
        .store = fixture->folder,
        .backup_folder = fixture->folder,
        .next = &fixture->other,
        .front_status_listen = fixture->front.listen_at,
        .issuer_status_listen = nothing,
        .dns_status_listen = fixture->dns.listen_at,
    };
    assert_int_equal(observer_new(fixture->loop, &fixture->config, &fixture->observer),
                     0);
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;
    observer_free(fixture->observer);
    stop_role(&fixture->front);
    stop_role(&fixture->dns);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

typedef bool condition_fn(const struct observer_facts *facts, void *arg);

/* Runs until CONDITION holds. */
static const struct observer_facts *run_until(struct fixture *fixture,
                                              condition_fn *condition, void *arg)
{
    for (unsigned i = 0; !condition(observer_facts(fixture->observer), arg); i++) {
        assert_true(i < TURNS_MAX);
        pump_for(fixture->loop, AT_ONCE_MS);
    }
    return observer_facts(fixture->observer);
}

/* ---- the roles ---- */

static bool are_known(const struct observer_facts *facts, void *arg)
{
    (void)arg;
    return facts->roles[OBSERVER_FRONT].is_well && facts->roles[OBSERVER_DNS].is_well;
}

static bool front_is_ill(const struct observer_facts *facts, void *arg)
{
    (void)arg;
    return facts->roles[OBSERVER_FRONT].is_up && !facts->roles[OBSERVER_FRONT].is_well;
}

static bool front_is_down(const struct observer_facts *facts, void *arg)
{
    (void)arg;
    return !facts->roles[OBSERVER_FRONT].is_up;
}

static void test_roles(void **state)
{
    struct fixture *fixture = *state;
    const struct observer_facts *facts = observer_facts(fixture->observer);
    assert_false(facts->roles[OBSERVER_FRONT].is_known);
    facts = run_until(fixture, are_known, NULL);
    const struct observer_role *front = &facts->roles[OBSERVER_FRONT];
    assert_true(front->is_asked && front->is_known && front->is_up);
    assert_string_equal(front->name, "front");
    assert_string_equal(front->reason, "");
    assert_true(front->memory_bytes > 1e6);
    assert_in_range(front->started_at, facts->now_at - DAY_S, facts->now_at + 1);
    assert_false(facts->roles[OBSERVER_ISSUER].is_asked);
    assert_false(facts->roles[OBSERVER_ISSUER].is_known);
    /* Its reason is one printable line, and no longer than there is room. */
    fixture->front.reason = "issuer.db\n is gone \x01\xff\n";
    run_until(fixture, front_is_ill, NULL);
    assert_string_equal(front->reason, "issuer.db? is gone ??");
    char large[2 * OBSERVER_REASON_CAPACITY];
    memset(large, 'x', sizeof(large));
    large[sizeof(large) - 1] = '\0';
    fixture->front.reason = NULL;
    run_until(fixture, are_known, NULL);
    assert_string_equal(front->reason, "");
    fixture->front.reason = large;
    run_until(fixture, front_is_ill, NULL);
    assert_int_equal(strlen(front->reason), OBSERVER_REASON_CAPACITY - 1);
    stop_role(&fixture->front);
    run_until(fixture, front_is_down, NULL);
    assert_string_equal(front->reason, "does not answer");
    assert_false(front->is_well);
    assert_int_equal(front->metrics.size, 0);
}

/* ---- the rate of the DNS ---- */

static bool is_asked_twice(const struct observer_facts *facts, void *arg)
{
    const struct role *role = arg;
    (void)facts;
    return role->asked >= 2;
}

/* What was set is seen: the asking that began before it may still be under way. */
static void let_see(struct fixture *fixture)
{
    fixture->dns.asked = 0;
    run_until(fixture, is_asked_twice, &fixture->dns);
}

/* Sets both counters; the rate that shows when SECONDS have gone by. */
static double sample(struct fixture *fixture, double udp, double tcp, unsigned seconds)
{
    metrics_set(fixture->dns.metrics, (struct metrics_at){ROW_ANSWERS, {0}}, udp);
    metrics_set(fixture->dns.metrics, (struct metrics_at){ROW_ANSWERS, {1}}, tcp);
    let_see(fixture);
    mono_ms += seconds * 1000;
    let_see(fixture);
    return observer_facts(fixture->observer)->dns_rate[OBSERVER_SAMPLES - 1];
}

static void test_rate(void **state)
{
    struct fixture *fixture = *state;
    const double *rates = observer_facts(fixture->observer)->dns_rate;
    run_until(fixture, are_known, NULL);
    assert_true(sample(fixture, 100, 50, 10) == -1); /* from which on: unknown */
    assert_true(sample(fixture, 400, 50, 10) == 30);
    assert_true(sample(fixture, 500, 50, 9) == 30); /* not yet */
    assert_true(sample(fixture, 500, 51, 11) == 101.0 / 20);
    assert_true(sample(fixture, 5, 0, 10) == -1); /* started again */
    assert_true(sample(fixture, 100, 5, 10) == 10);
    assert_true(sample(fixture, 100, 5, 10) == 0);
    assert_true(rates[OBSERVER_SAMPLES - 2] == 10);
    assert_true(rates[OBSERVER_SAMPLES - 3] == -1);
    assert_true(rates[0] == -1);
    /* While it is down nothing is known, nor at once when it is back. */
    stop_role(&fixture->dns);
    for (unsigned i = 0; rates[OBSERVER_SAMPLES - 1] != -1; i++) {
        assert_true(i < TURNS_MAX);
        mono_ms += 10000;
        pump_for(fixture->loop, AT_ONCE_MS);
    }
}

/* ---- the store ---- */

struct store {
    struct database *front;
    struct database *issuer;
    int64_t front_rev;
    int64_t issuer_rev;
    int64_t now_at;
};

static void open_store(struct fixture *fixture, struct store *store)
{
    store->now_at = observer_facts(fixture->observer)->now_at;
    assert_int_equal(database_open(fixture->folder, "front.db", DATABASE_WRITER,
                                   schema_front, &store->front),
                     0);
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &store->issuer),
                     0);
    assert_int_equal(database_begin(store->front, &store->front_rev), 0);
    assert_int_equal(database_begin(store->issuer, &store->issuer_rev), 0);
}

static void close_store(struct store *store)
{
    assert_int_equal(database_commit(store->front), 0);
    assert_int_equal(database_commit(store->issuer), 0);
    database_close(store->front);
    database_close(store->issuer);
}

static void enrol(struct store *store, const char *zone, const char *id,
                  int64_t published_at)
{
    const struct front_store_account account = {.id = id,
                                                .jwk = "{}",
                                                .registration = "{}",
                                                .token = "",
                                                .contact = "[]",
                                                .status = "valid",
                                                .created_at = 5};
    const struct front_store_addresses addresses = {.id = id,
                                                    .counter = 1,
                                                    .addresses = "10.0.0.1",
                                                    .jws = "{}",
                                                    .published_at = published_at};
    const struct front_store_receipt receipt = {.cloned_at = 5};
    assert_int_equal(
        front_store_add_account(store->front, zone, store->front_rev, &account), 0);
    assert_int_equal(
        front_store_put_addresses(store->front, zone, store->front_rev, &addresses), 0);
    assert_int_equal(
        front_store_put_receipt(store->front, zone, store->front_rev, id, &receipt), 0);
}

/* A certificate of one day that ends in LEFT_S. */
static void certify(struct store *store, const char *zone, const char *id,
                    const char *lane, int64_t left_s)
{
    const struct issuer_store_certificate certificate = {
        .cert_id = id,
        .id = id,
        .number = id,
        .lane = lane,
        .ca = "ca",
        .serial = "01",
        .names = id,
        .spki_hash = "",
        .csr_hash = "",
        .chain = "",
        .alternates = "[]",
        .not_before_at = store->now_at + left_s - DAY_S,
        .not_after_at = store->now_at + left_s,
    };
    assert_int_equal(issuer_store_put_certificate(store->issuer, zone, store->issuer_rev,
                                                  &certificate),
                     0);
}

static void admit(struct store *store, const char *zone, const char *hash, int64_t ago_s)
{
    const struct issuer_store_entry order = {
        .kind = "order", .what = hash, .id = "a", .at = store->now_at - ago_s};
    assert_int_equal(
        issuer_store_put_entry(store->issuer, zone, store->issuer_rev, &order), 0);
}

static void fill(struct store *store)
{
    static const struct queue_store_place place = {.id = "a", .reason = "why"};
    static const struct ca_store_state state = {
        .state = "refused", .reason = "nobody knows it", .terms = "", .thumbprint = ""};
    enrol(store, ZONE, "lives", 5);
    enrol(store, ZONE, "asleep", store->now_at - 3 * DAY_S);
    enrol(store, ZONE, "awake", store->now_at - HOUR_S);
    enrol(store, OTHER_ZONE, "other", 5);
    certify(store, ZONE, "lives", "device", DAY_S - 60);
    certify(store, ZONE, "asleep", "device", -2 * DAY_S - HOUR_S);
    certify(store, ZONE, "awake", "device", -2 * HOUR_S);
    certify(store, OTHER_ZONE, "other", "device", DAY_S - 30);
    certify(store, ZONE, "relay." ZONE, "relay", 9 * DAY_S);
    certify(store, OTHER_ZONE, "relay." OTHER_ZONE, "relay", 8 * DAY_S);
    admit(store, ZONE, "fresh", 60); /* may still be under way */
    admit(store, ZONE, "waits", 2 * HOUR_S);
    admit(store, OTHER_ZONE, "waits", 23 * HOUR_S);
    admit(store, ZONE, "old", 25 * HOUR_S);
    assert_int_equal(
        queue_store_add(store->issuer, OTHER_ZONE, store->issuer_rev, &place), 0);
    assert_int_equal(
        ca_store_put_state(store->issuer, OTHER_ZONE, store->issuer_rev, "ca", &state),
        0);
}

static bool has_store(const struct observer_facts *facts, void *arg)
{
    (void)arg;
    return facts->has_store;
}

static void expect_zones(const struct observer_facts *facts, int64_t now_at)
{
    const struct observer_counts *own = &facts->zones[0];
    const struct observer_counts *other = &facts->zones[1];
    assert_int_equal(facts->zone_count, 2);
    assert_int_equal(own->devices, 3);
    assert_int_equal(other->devices, 1);
    assert_int_equal(own->waiting, 0);
    assert_int_equal(other->waiting, 1);
    assert_int_equal(own->lives[CENSUS_EXPIRED], 2);
    assert_int_equal(other->lives[CENSUS_EXPIRED], 0);
    assert_int_equal(own->orders_day, 1);
    assert_int_equal(own->expired_awake, 1);
    assert_int_equal(other->expired_awake, 0);
    assert_false(other->has_history);
    assert_int_equal(own->relay_not_after_at, now_at + 9 * DAY_S);
    assert_int_equal(other->relay_not_after_at, now_at + 8 * DAY_S);
    assert_string_equal(own->ca_state, "");
    assert_string_equal(other->ca_state, "refused");
    assert_string_equal(other->ca_reason, "nobody knows it");
}

/* All zones together, and each. */
static void test_store(void **state)
{
    struct fixture *fixture = *state;
    const struct observer_facts *facts = run_until(fixture, are_known, NULL);
    struct store store;
    int64_t issued = 0;
    assert_false(facts->has_store);
    assert_true(facts->disk_free > 0 && facts->disk_free <= 1);
    assert_true(facts->disk_free_bytes > 0);
    open_store(fixture, &store);
    fill(&store);
    close_store(&store);
    facts = run_until(fixture, has_store, NULL);
    assert_int_equal(facts->all.devices, 4);
    assert_int_equal(facts->all.clones, 4);
    assert_int_equal(facts->all.waiting, 1);
    assert_int_equal(facts->all.lives[CENSUS_EXPIRED], 2);
    assert_int_equal(facts->all.lives[CENSUS_DAY_1], 2);
    for (size_t i = 0; i < OBSERVER_DAYS; i++) {
        issued += facts->all.issued[i];
    }
    assert_int_equal(issued, 4);
    assert_int_equal(facts->all.issued_day, 2);
    assert_int_equal(facts->all.last_issued_at, store.now_at - 30);
    assert_int_equal(facts->all.orders_day, 2);
    assert_true(facts->all.has_history);
    assert_int_equal(facts->all.expired_awake, 1);
    assert_string_equal(facts->all.expired_id, "awake");
    assert_int_equal(facts->all.relay_not_after_at, store.now_at + 8 * DAY_S);
    assert_int_equal(facts->all.relay_not_before_at, store.now_at + 7 * DAY_S);
    expect_zones(facts, store.now_at);
}

/* ---- backups ---- */

static void note_backup(struct fixture *fixture, int64_t at)
{
    struct database *admin = NULL;
    assert_int_equal(
        database_open(fixture->folder, "admin.db", DATABASE_WRITER, schema_admin, &admin),
        0);
    assert_int_equal(admin_store_note_backup(admin, ZONE, "-", at, "root"), 0);
    database_close(admin);
}

static bool backup_is_of(const struct observer_facts *facts, void *arg)
{
    const int64_t *at = arg;
    return facts->backup_at == *at;
}

static bool are_hidden(const struct observer_facts *facts, void *arg)
{
    (void)arg;
    return facts->hides_backups;
}

static bool are_seen(const struct observer_facts *facts, void *arg)
{
    return !are_hidden(facts, arg);
}

/* One by hand, long ago, is not the last one where nobody can see the nightly ones. */
static void test_backups_in_a_folder_that_is_hidden(void **state)
{
    struct fixture *fixture = *state;
    static char hidden[] = "/dev/null/backup";
    char *folder = fixture->config.backup_folder;
    int64_t noted_at = run_until(fixture, are_known, NULL)->now_at - 9 * DAY_S;
    note_backup(fixture, noted_at);
    fixture->config.backup_keep = 14;
    assert_true(run_until(fixture, backup_is_of, &noted_at)->has_backups);
    fixture->config.backup_folder = hidden;
    assert_false(run_until(fixture, are_hidden, NULL)->has_backups);
    fixture->config.backup_folder = folder;
    assert_true(run_until(fixture, are_seen, NULL)->has_backups);
    /* Without nightly ones those by hand are all there are. */
    fixture->config.backup_folder = hidden;
    fixture->config.backup_keep = 0;
    assert_true(run_until(fixture, are_seen, NULL)->has_backups);
}

static bool has_backup(const struct observer_facts *facts, void *arg)
{
    (void)arg;
    return facts->backup_at != 0;
}

/* It counts as far back as it lies ahead. */
static void test_a_backup_of_the_future(void **state)
{
    struct fixture *fixture = *state;
    int64_t now_at = run_until(fixture, are_known, NULL)->now_at;
    note_backup(fixture, now_at + 9 * DAY_S);
    const struct observer_facts *facts = run_until(fixture, has_backup, NULL);
    assert_true(facts->backup_at >= now_at - 9 * DAY_S);
    assert_true(facts->backup_at < now_at - 8 * DAY_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_roles, start, stop),
        cmocka_unit_test_setup_teardown(test_rate, start, stop),
        cmocka_unit_test_setup_teardown(test_store, start, stop),
        cmocka_unit_test_setup_teardown(test_backups_in_a_folder_that_is_hidden, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_a_backup_of_the_future, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
