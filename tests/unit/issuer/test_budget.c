/* The CA's limits with a clock of our own. */
#include "relay/issuer/budget.h"

#include "base/core/text.h"
#include "relay/store/budget_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/queue_store.h"
#include "relay/store/schema.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define OTHER "dev.example.com" /* of the same registered domain */
#define BUCKET "certificates:example.com"
#define CA "https://ca.example/dir"

enum {
    START_AT = 1000000000,
    HOUR_S = 3600,
    DAY_S = 86400,
    TEXT_MAX = 64,
    TOKEN_S = BUDGET_WEEK_S / 3, /* of three a week */
};

struct fixture {
    char folder[64];
    struct database *database;
    int64_t rev;
    const char *zone;
    struct budget_rules rules;
    unsigned next_number;
    int64_t spare;
    int64_t first_not_before_at;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    memcpy(fixture->folder, "/tmp/latchkey-budget-XXXXXX",
           sizeof("/tmp/latchkey-budget-XXXXXX"));
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->database),
                     0);
    assert_int_equal(database_begin(fixture->database, &fixture->rev), 0);
    fixture->zone = ZONE;
    fixture->rules = (struct budget_rules){
        .on = true,
        .domain = "example.com",
        .certificates = {3, 3, BUDGET_WEEK_S},
        .orders = {100, 100, BUDGET_ORDERS_S},
        .set = {5, 5, BUDGET_WEEK_S},
        .failures = {5, 5, BUDGET_FAILURES_S},
    };
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    database_close(fixture->database);
    free(fixture);
    return 0;
}

struct asked {
    struct budget_decision decision;
    char number[TEXT_MAX];
};

/* Decides and books for device DEVICE at AT. */
static struct asked ask(struct fixture *fixture, unsigned device, int64_t at,
                        enum budget_lane lane)
{
    struct asked asked = {0};
    char id[TEXT_MAX];
    char names[TEXT_MAX];
    struct budget_order order = {.ca = CA,
                                 .number = asked.number,
                                 .id = id,
                                 .names = names,
                                 .lane = lane,
                                 .spare = fixture->spare,
                                 .first_not_before_at = fixture->first_not_before_at};

    assert_true(text_format(asked.number, sizeof(asked.number), "number-%u",
                            fixture->next_number++));
    assert_true(text_format(id, sizeof(id), "device-%u", device));
    assert_true(
        text_format(names, sizeof(names), "*.device-%u.%s", device, fixture->zone));
    assert_int_equal(budget_decide(fixture->database, fixture->zone, &fixture->rules,
                                   &order, at, &asked.decision),
                     0);
    assert_int_equal(budget_book(fixture->database, fixture->zone, fixture->rev,
                                 &fixture->rules, &order, &asked.decision, at),
                     0);
    return asked;
}

static void settle(struct fixture *fixture, const char *number, int64_t at)
{
    assert_int_equal(budget_place(fixture->database, fixture->zone, fixture->rev,
                                  &fixture->rules, number, at),
                     0);
    assert_int_equal(budget_settle(fixture->database, fixture->zone, fixture->rev,
                                   &fixture->rules, number, at),
                     0);
}

/* The same, and the certificate is issued at once. */
static struct asked issue_in(struct fixture *fixture, unsigned device, int64_t at,
                             enum budget_lane lane)
{
    struct asked asked = ask(fixture, device, at, lane);

    if (asked.decision.admitted) {
        settle(fixture, asked.number, at);
    }
    return asked;
}

static struct asked issue(struct fixture *fixture, unsigned device, int64_t at)
{
    return issue_in(fixture, device, at, BUDGET_LANE_FIRST);
}

static void test_refill(void **state)
{
    struct fixture *fixture = *state;
    struct asked asked;

    for (unsigned i = 0; i < 3; i++) {
        assert_true(issue(fixture, i, START_AT).decision.admitted);
    }
    asked = issue(fixture, 3, START_AT + HOUR_S);
    assert_false(asked.decision.admitted);
    assert_int_equal(asked.decision.place, 1);
    /* When the first token comes back: a third of a week after the first was spent. */
    assert_int_equal(asked.decision.retry_at, START_AT + TOKEN_S);
    /* The same device asks again: its place and its time stay. */
    asked = ask(fixture, 3, START_AT + DAY_S, BUDGET_LANE_FIRST);
    assert_int_equal(asked.decision.retry_at, START_AT + TOKEN_S);
    assert_int_equal(asked.decision.place, 1);
    /* Promised is promised. */
    assert_true(issue(fixture, 3, START_AT + TOKEN_S).decision.admitted);
    assert_false(issue(fixture, 4, START_AT + TOKEN_S).decision.admitted);
}

/* A newcomer does not get the token of one that waits. */
static void test_queue(void **state)
{
    struct fixture *fixture = *state;
    struct budget_decision first;
    struct budget_decision second;
    struct budget_decision newcomer;

    for (unsigned i = 0; i < 3; i++) {
        (void)issue(fixture, i, START_AT);
    }
    first = ask(fixture, 10, START_AT + 4 * HOUR_S, BUDGET_LANE_FIRST).decision;
    second = ask(fixture, 11, START_AT + 5 * HOUR_S, BUDGET_LANE_FIRST).decision;
    assert_int_equal(first.place, 1);
    assert_int_equal(second.place, 2);
    assert_int_equal(second.retry_at, START_AT + 2 * TOKEN_S);
    /* One token is there, and it is the first's. */
    newcomer = ask(fixture, 12, first.retry_at, BUDGET_LANE_FIRST).decision;
    assert_false(newcomer.admitted);
    assert_int_equal(newcomer.place, 3);
    assert_false(ask(fixture, 11, first.retry_at, BUDGET_LANE_FIRST).decision.admitted);
    assert_true(issue(fixture, 10, first.retry_at).decision.admitted);
    assert_true(issue(fixture, 11, second.retry_at).decision.admitted);
}

static void sweep(struct fixture *fixture, int64_t at)
{
    assert_int_equal(budget_sweep(fixture->database, fixture->zone, fixture->rev, at), 0);
}

/* Sweeps as a running issuer does, often enough that no gap is seen. */
static void sweep_through(struct fixture *fixture, int64_t from_at, int64_t to_at)
{
    for (int64_t at = from_at; at < to_at; at += 500) {
        sweep(fixture, at);
    }
    sweep(fixture, to_at);
}

/* A place is kept for 26 hours after its turn, and no longer. */
static void test_kept_place(void **state)
{
    struct fixture *fixture = *state;
    int64_t turn_at = 0;

    for (unsigned i = 0; i < 3; i++) {
        (void)issue(fixture, i, START_AT);
    }
    turn_at = ask(fixture, 10, START_AT + HOUR_S, BUDGET_LANE_FIRST).decision.retry_at;
    sweep_through(fixture, START_AT + HOUR_S, turn_at + 26 * HOUR_S);
    assert_false(
        ask(fixture, 20, turn_at + 26 * HOUR_S, BUDGET_LANE_FIRST).decision.admitted);
    sweep_through(fixture, turn_at + 26 * HOUR_S, turn_at + 26 * HOUR_S + 1);
    assert_true(issue(fixture, 20, turn_at + 26 * HOUR_S + 2).decision.admitted);
    /* The one that was away begins at the end. */
    assert_int_equal(
        ask(fixture, 10, turn_at + 26 * HOUR_S + 3, BUDGET_LANE_FIRST).decision.place, 1);
}

/* Nobody loses a place while the relay is off, or because its clock was wrong. */
static void test_gap(void **state)
{
    static const int64_t jumps_s[] = {3 * DAY_S, -HOUR_S, 12 * 365 * (int64_t)DAY_S};
    struct fixture *fixture = *state;
    int64_t at = START_AT + HOUR_S;
    struct budget_decision before;

    for (unsigned i = 0; i < 3; i++) {
        (void)issue(fixture, i, START_AT);
    }
    (void)ask(fixture, 10, at, BUDGET_LANE_FIRST);
    (void)ask(fixture, 11, at, BUDGET_LANE_FIRST);
    sweep(fixture, at);
    for (size_t i = 0; i < sizeof(jumps_s) / sizeof(jumps_s[0]); i++) {
        sweep(fixture, at + jumps_s[i]);
        sweep(fixture, at + jumps_s[i] + 20);
        sweep(fixture, at + 40); /* set right again */
        at += 60;
        before = ask(fixture, 11, at, BUDGET_LANE_FIRST).decision;
        assert_false(before.admitted);
        assert_int_equal(before.place, 2);
        sweep(fixture, at);
    }
}

/* What was spent while the clock was years ahead does not block for years. */
static void test_clock_ahead(void **state)
{
    struct fixture *fixture = *state;
    int64_t far_at = START_AT + 12 * 365 * (int64_t)DAY_S;
    struct budget_decision after;

    for (unsigned i = 0; i < 3; i++) {
        assert_true(issue(fixture, i, far_at).decision.admitted);
    }
    after = ask(fixture, 9, START_AT, BUDGET_LANE_FIRST).decision;
    assert_false(after.admitted);
    assert_in_range(after.retry_at, START_AT, START_AT + BUDGET_WEEK_S);
}

/* Orders in flight hold; one that ends without a certificate gives back, and only an order
 * that was placed at the CA stays counted as one. */
static void test_holds(void **state)
{
    struct fixture *fixture = *state;
    struct asked held[3];
    struct budget_store_bucket bucket;

    for (unsigned i = 0; i < 3; i++) {
        held[i] = ask(fixture, i, START_AT, BUDGET_LANE_FIRST);
        assert_true(held[i].decision.admitted);
    }
    assert_false(ask(fixture, 3, START_AT + 1, BUDGET_LANE_FIRST).decision.admitted);
    assert_int_equal(budget_place(fixture->database, ZONE, fixture->rev, &fixture->rules,
                                  held[0].number, START_AT),
                     0);
    assert_int_equal(
        budget_release(fixture->database, ZONE, fixture->rev, held[0].number), 0);
    assert_true(issue(fixture, 3, START_AT + 2).decision.admitted);
    assert_int_equal(budget_store_bucket(fixture->database, ZONE, CA, "orders", &bucket),
                     0);
    assert_int_equal(bucket.held, 2);
    assert_int_equal(bucket_tokens(&fixture->rules.orders, bucket.full_at_us,
                                   (START_AT + 2) * INT64_C(1000000)),
                     98);
}

/* A full bucket gains nothing while orders only hold: the announcement must know. */
static void test_late_finalize(void **state)
{
    struct fixture *fixture = *state;
    struct asked held[3];
    struct budget_decision refused;

    for (unsigned i = 0; i < 3; i++) {
        held[i] = ask(fixture, i, START_AT, BUDGET_LANE_FIRST);
    }
    refused = ask(fixture, 3, START_AT + 1, BUDGET_LANE_FIRST).decision;
    for (unsigned i = 0; i < 3; i++) {
        settle(fixture, held[i].number, START_AT + BUDGET_RESERVED_S);
    }
    assert_true(issue(fixture, 3, refused.retry_at).decision.admitted);
    assert_in_range(refused.retry_at, START_AT + TOKEN_S, START_AT + TOKEN_S * 11 / 10);
}

static void test_lanes(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 3; i++) {
        (void)issue(fixture, i, START_AT);
    }
    (void)ask(fixture, 9, START_AT, BUDGET_LANE_FIRST); /* somebody waits */
    /* The same names count in their own set only: five at once, the first among them. */
    for (unsigned i = 0; i < 4; i++) {
        assert_true(issue_in(fixture, 0, START_AT,
                             i % 2 == 0 ? BUDGET_LANE_RENEWAL : BUDGET_LANE_KEY_CHANGE)
                        .decision.admitted);
    }
    assert_false(issue_in(fixture, 0, START_AT, BUDGET_LANE_EXPIRING).decision.admitted);
    assert_int_equal(
        issue_in(fixture, 0, START_AT, BUDGET_LANE_RENEWAL).decision.retry_at,
        START_AT + BUDGET_WEEK_S / 5);
    /* Within the CA's window nothing is asked. */
    assert_true(issue_in(fixture, 0, START_AT, BUDGET_LANE_WINDOW).decision.admitted);
    assert_true(issue_in(fixture, 500, START_AT, BUDGET_LANE_RELAY).decision.admitted);
}

/* The relay's own certificate finds a token whatever the devices have used. */
static void test_spare(void **state)
{
    struct fixture *fixture = *state;

    fixture->spare = 1;
    assert_true(issue(fixture, 0, START_AT).decision.admitted);
    assert_true(issue(fixture, 1, START_AT).decision.admitted);
    assert_false(issue(fixture, 2, START_AT).decision.admitted);
    fixture->rules.certificates.size = 1;
    assert_false(issue(fixture, 2, START_AT).decision.admitted); /* but never all */
    fixture->rules.certificates = (struct bucket_limit){1, 1, BUDGET_WEEK_S};
}

/* The CA has said when new names may come again: the queue goes on from there. */
static void test_limited(void **state)
{
    struct fixture *fixture = *state;
    int64_t until_at = START_AT + 5 * HOUR_S;
    struct budget_decision first;
    struct budget_decision second;

    fixture->first_not_before_at = until_at;
    first = ask(fixture, 0, START_AT, BUDGET_LANE_FIRST).decision;
    second = ask(fixture, 1, START_AT, BUDGET_LANE_FIRST).decision;
    assert_false(first.admitted);
    assert_int_equal(first.retry_at, until_at);
    assert_int_equal(second.retry_at, until_at + TOKEN_S);
    assert_true(issue_in(fixture, 9, START_AT, BUDGET_LANE_RENEWAL).decision.admitted);
}

static void test_failures(void **state)
{
    struct fixture *fixture = *state;
    struct budget_order order = {.ca = CA, .id = "device-0", .names = "one two"};
    struct budget_decision refused;

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(budget_note_failure(fixture->database, ZONE, fixture->rev,
                                             &fixture->rules, &order, START_AT),
                         0);
    }
    /* Four of five are spent; a fifth may fail, a sixth not. */
    assert_true(ask(fixture, 0, START_AT, BUDGET_LANE_FIRST).decision.admitted);
    refused = ask(fixture, 0, START_AT, BUDGET_LANE_FIRST).decision;
    assert_false(refused.admitted);
    assert_int_equal(refused.place, 0);
    assert_true(ask(fixture, 1, START_AT, BUDGET_LANE_FIRST).decision.admitted);
}

static void test_off(void **state)
{
    struct fixture *fixture = *state;

    fixture->rules.on = false;
    for (unsigned i = 0; i < 50; i++) {
        assert_true(issue(fixture, 1, START_AT).decision.admitted);
    }
}

/* ---- what issuers before the buckets left ---- */

static void spend_old(struct fixture *fixture, const char *budget, const char *number,
                      int64_t at)
{
    assert_int_equal(
        database_run(fixture->database,
                     "INSERT INTO budgets (zone, ca, budget, number, rev, id, spent_at)"
                     " VALUES (?, ?, ?, ?, 1, 'x', ?)",
                     "tttti", ZONE, CA, budget, number, at),
        0);
}

static void test_import(void **state)
{
    struct fixture *fixture = *state;
    struct issuer_store_order order = {.number = "open",
                                       .id = "device-7",
                                       .names = "n",
                                       .profile = "",
                                       .replaces = "",
                                       .state = ISSUER_STORE_READY,
                                       .problem = "",
                                       .certificate = ""};
    struct budget_store_bucket bucket;

    assert_int_equal(
        issuer_store_put_order(fixture->database, ZONE, fixture->rev, &order), 0);
    spend_old(fixture, "certificates", "a", START_AT - HOUR_S);
    spend_old(fixture, "certificates", "b", START_AT - 2 * HOUR_S);
    spend_old(fixture, "certificates", "open", START_AT - 6 * DAY_S);
    spend_old(fixture, "orders", "a", START_AT - HOUR_S);
    assert_int_equal(database_commit(fixture->database), 0);
    assert_int_equal(budget_open(fixture->database, ZONE, &fixture->rules, START_AT), 0);
    assert_int_equal(budget_open(fixture->database, ZONE, &fixture->rules, START_AT), 0);
    assert_int_equal(budget_store_bucket(fixture->database, ZONE, CA, BUCKET, &bucket),
                     0);
    assert_int_equal(bucket.held, 1);
    assert_int_equal(bucket.full_at_us,
                     (START_AT - 2 * HOUR_S + 2 * TOKEN_S) * INT64_C(1000000));
    assert_int_equal(database_begin(fixture->database, &fixture->rev), 0);
    assert_false(ask(fixture, 1, START_AT, BUDGET_LANE_FIRST).decision.admitted);
    settle(fixture, "open", START_AT);
    assert_int_equal(budget_store_bucket(fixture->database, ZONE, CA, BUCKET, &bucket),
                     0);
    assert_int_equal(bucket.held, 0);
}

/* ZONE or OTHER, each counted with the other. */
static void be(struct fixture *fixture, const char *zone)
{
    fixture->zone = zone;
    fixture->rules.others[0] = strcmp(zone, ZONE) == 0 ? OTHER : ZONE;
    fixture->rules.other_count = 1;
}

/* Two zones of one registered domain: one bucket of certificates, one queue, two of orders. */
static void test_shared(void **state)
{
    struct fixture *fixture = *state;
    struct asked first;
    struct asked second;
    struct asked third;

    be(fixture, ZONE);
    assert_true(issue(fixture, 0, START_AT).decision.admitted);
    be(fixture, OTHER);
    assert_true(issue(fixture, 0, START_AT).decision.admitted);
    assert_true(issue(fixture, 1, START_AT).decision.admitted);
    first = issue(fixture, 2, START_AT + HOUR_S);
    be(fixture, ZONE);
    second = issue(fixture, 2, START_AT + HOUR_S);
    be(fixture, OTHER);
    third = issue(fixture, 3, START_AT + HOUR_S);
    assert_int_equal(first.decision.place, 1);
    assert_int_equal(first.decision.retry_at, START_AT + TOKEN_S);
    assert_false(second.decision.admitted);
    assert_int_equal(second.decision.place, 2);
    assert_int_equal(second.decision.retry_at, START_AT + 2 * TOKEN_S);
    assert_int_equal(third.decision.place, 3);
    /* The token is the first's, whichever zone asks. */
    be(fixture, ZONE);
    assert_false(issue(fixture, 2, START_AT + TOKEN_S).decision.admitted);
    be(fixture, OTHER);
    assert_true(issue(fixture, 2, START_AT + TOKEN_S).decision.admitted);
    /* Renewals are not asked. */
    assert_true(
        issue_in(fixture, 2, START_AT + TOKEN_S, BUDGET_LANE_WINDOW).decision.admitted);
    be(fixture, ZONE);
    assert_int_equal(
        ask(fixture, 2, START_AT + TOKEN_S + HOUR_S, BUDGET_LANE_FIRST).decision.place,
        1);
    assert_true(issue(fixture, 2, START_AT + 2 * TOKEN_S).decision.admitted);
}

/* The account, and with it the bucket of orders and its places, is each zone's own. */
static void test_shared_but_orders(void **state)
{
    struct fixture *fixture = *state;
    struct budget_decision decision;

    fixture->rules.certificates = (struct bucket_limit){100, 100, BUDGET_WEEK_S};
    fixture->rules.orders = (struct bucket_limit){1, 1, BUDGET_ORDERS_S};
    be(fixture, ZONE);
    assert_true(issue(fixture, 0, START_AT).decision.admitted);
    assert_false(issue(fixture, 1, START_AT).decision.admitted);
    assert_false(issue(fixture, 2, START_AT).decision.admitted);
    be(fixture, OTHER);
    assert_true(issue(fixture, 0, START_AT).decision.admitted);
    decision = issue(fixture, 1, START_AT).decision;
    assert_false(decision.admitted);
    assert_int_equal(decision.place, 1);
    assert_int_equal(decision.retry_at, START_AT + BUDGET_ORDERS_S);
}

/* What an order holds in the shared bucket is given back by its own zone, and only once. */
static void test_shared_holds(void **state)
{
    struct fixture *fixture = *state;
    struct budget_store_bucket bucket;
    struct issuer_store_order order = {.id = "device-0",
                                       .names = "n",
                                       .profile = "",
                                       .replaces = "",
                                       .state = ISSUER_STORE_READY,
                                       .expires_at = START_AT + BUDGET_RESERVED_S,
                                       .problem = "",
                                       .certificate = ""};
    struct asked mine;
    struct asked theirs;

    be(fixture, ZONE);
    mine = ask(fixture, 0, START_AT, BUDGET_LANE_FIRST);
    order.number = mine.number;
    assert_int_equal(
        issuer_store_put_order(fixture->database, ZONE, fixture->rev, &order), 0);
    be(fixture, OTHER);
    theirs = ask(fixture, 0, START_AT, BUDGET_LANE_FIRST);
    assert_int_equal(budget_store_bucket(fixture->database, OTHER, CA, BUCKET, &bucket),
                     0);
    assert_int_equal(bucket.held, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(budget_store_end_expired(fixture->database,
                                                  i == 0 ? OTHER : ZONE, fixture->rev,
                                                  START_AT + BUDGET_RESERVED_S),
                         0);
        assert_int_equal(
            budget_store_bucket(fixture->database, ZONE, CA, BUCKET, &bucket), 0);
        assert_int_equal(bucket.held, i == 0 ? 2 : 1);
    }
    assert_int_equal(
        budget_release(fixture->database, OTHER, fixture->rev, theirs.number), 0);
    assert_int_equal(
        budget_release(fixture->database, OTHER, fixture->rev, theirs.number), 0);
    assert_int_equal(budget_store_bucket(fixture->database, ZONE, CA, BUCKET, &bucket),
                     0);
    assert_int_equal(bucket.held, 0);
}

/* What a zone holds that is not open counts no more, until it is open again. */
static void test_shared_by_open_ones(void **state)
{
    struct fixture *fixture = *state;
    struct budget_store_bucket bucket;
    struct asked theirs;

    be(fixture, OTHER);
    theirs = ask(fixture, 0, START_AT, BUDGET_LANE_FIRST);
    assert_true(ask(fixture, 1, START_AT, BUDGET_LANE_FIRST).decision.admitted);
    be(fixture, ZONE);
    assert_true(ask(fixture, 0, START_AT, BUDGET_LANE_FIRST).decision.admitted);
    assert_false(ask(fixture, 1, START_AT, BUDGET_LANE_FIRST).decision.admitted);
    for (int64_t held = 1; held <= 3; held += 2) {
        assert_int_equal(budget_store_clear_shared(fixture->database, fixture->rev), 0);
        assert_int_equal(budget_store_add_shared(fixture->database, ZONE), 0);
        if (held == 3) {
            assert_int_equal(budget_store_add_shared(fixture->database, OTHER), 0);
        }
        assert_int_equal(
            budget_store_bucket(fixture->database, ZONE, CA, BUCKET, &bucket), 0);
        assert_int_equal(bucket.held, held);
        assert_int_equal(
            budget_store_bucket(fixture->database, ZONE, CA, "orders", &bucket), 0);
        assert_int_equal(bucket.held, 1);
    }
    be(fixture, OTHER);
    settle(fixture, theirs.number, START_AT);
    assert_int_equal(budget_store_bucket(fixture->database, ZONE, CA, BUCKET, &bucket),
                     0);
    assert_int_equal(bucket.held, 2);
    assert_int_equal(bucket.full_at_us, (START_AT + TOKEN_S) * INT64_C(1000000));
}

/* An order that ends lowers what is held to none at most. */
static void test_expired_of_none(void **state)
{
    struct fixture *fixture = *state;
    struct budget_store_bucket bucket;
    struct asked asked = ask(fixture, 0, START_AT, BUDGET_LANE_FIRST);
    struct issuer_store_order order = {.number = asked.number,
                                       .id = "device-0",
                                       .names = "n",
                                       .profile = "",
                                       .replaces = "",
                                       .state = ISSUER_STORE_READY,
                                       .expires_at = START_AT,
                                       .problem = "",
                                       .certificate = ""};

    assert_int_equal(
        issuer_store_put_order(fixture->database, ZONE, fixture->rev, &order), 0);
    assert_int_equal(budget_store_clear_shared(fixture->database, fixture->rev), 0);
    assert_int_equal(
        budget_store_end_expired(fixture->database, ZONE, fixture->rev, START_AT), 0);
    assert_int_equal(budget_store_bucket(fixture->database, ZONE, CA, BUCKET, &bucket),
                     0);
    assert_int_equal(bucket.held, 0);
}

/* Buckets that each zone had of its own become one: what both have spent and hold counts. */
static void test_join(void **state)
{
    static const char *const zones[] = {ZONE, OTHER};
    struct fixture *fixture = *state;
    struct budget_store_bucket bucket;

    for (unsigned i = 0; i < 2; i++) {
        const struct budget_store_bucket former = {
            .full_at_us = (START_AT + TOKEN_S) * INT64_C(1000000), .held = 1};
        const struct budget_store_hold hold = {
            .number = "open", .ca = CA, .bucket = "certificates", .units = 1};

        assert_int_equal(budget_store_put_bucket(fixture->database, zones[i],
                                                 fixture->rev, CA, "certificates",
                                                 &former),
                         0);
        assert_int_equal(
            budget_store_put_hold(fixture->database, zones[i], fixture->rev, &hold), 0);
    }
    assert_int_equal(database_commit(fixture->database), 0);
    for (unsigned i = 0; i < 4; i++) {
        be(fixture, zones[i % 2]);
        assert_int_equal(
            budget_open(fixture->database, zones[i % 2], &fixture->rules, START_AT), 0);
    }
    assert_int_equal(budget_store_bucket(fixture->database, ZONE, CA, BUCKET, &bucket),
                     0);
    assert_int_equal(bucket.held, 2);
    assert_int_equal(bucket.full_at_us, (START_AT + 2 * TOKEN_S) * INT64_C(1000000));
    assert_int_equal(database_begin(fixture->database, &fixture->rev), 0);
    settle(fixture, "open", START_AT);
    be(fixture, ZONE);
    settle(fixture, "open", START_AT);
    assert_int_equal(budget_store_bucket(fixture->database, ZONE, CA, BUCKET, &bucket),
                     0);
    assert_int_equal(bucket.held, 0);
    assert_int_equal(bucket.full_at_us, (START_AT + 4 * TOKEN_S) * INT64_C(1000000));
}

/* Two parts of the CA's figure that are spent are the figure once: the first token comes after the
 * time of one. */
static void test_join_spent(void **state)
{
    static const char *const zones[] = {ZONE, OTHER};
    struct fixture *fixture = *state;
    struct budget_store_bucket bucket;
    const struct budget_store_bucket former = {.full_at_us = (START_AT + BUDGET_WEEK_S) *
                                                             INT64_C(1000000)};

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(budget_store_put_bucket(fixture->database, zones[i],
                                                 fixture->rev, CA, "certificates",
                                                 &former),
                         0);
    }
    assert_int_equal(database_commit(fixture->database), 0);
    for (unsigned i = 0; i < 2; i++) {
        be(fixture, zones[i]);
        assert_int_equal(
            budget_open(fixture->database, zones[i], &fixture->rules, START_AT), 0);
    }
    assert_int_equal(budget_store_bucket(fixture->database, ZONE, CA, BUCKET, &bucket),
                     0);
    assert_int_equal(bucket.full_at_us, former.full_at_us);
    assert_int_equal(database_begin(fixture->database, &fixture->rev), 0);
    assert_int_equal(ask(fixture, 0, START_AT, BUDGET_LANE_FIRST).decision.retry_at,
                     START_AT + TOKEN_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clock_ahead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_finalize, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lanes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spare, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_import, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared_but_orders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared_by_open_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expired_of_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_join, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_join_spent, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
