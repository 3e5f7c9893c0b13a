/* What the operator looks for in issuer.db, and what becomes of a forgotten device's orders. */
#include "relay/store/issuer_store.h"

#include "relay/store/budget_store.h"
#include "relay/store/schema.h"
#include "tests/unit/store/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ID "abcdefghijklmnopqrstuvwxyz234567"
#define OTHER "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

enum { NOW_AT = 1000000000, DAY_S = 86400, TEXT_MAX = 256, ALL = 100 };

struct fixture {
    char folder[64];
    struct database *database;
    int64_t rev;
    char seen[TEXT_MAX]; /* certIDs, a blank behind each */
};

static int open_store(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/latchkey-lists-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->database),
                     0);
    assert_int_equal(database_begin(fixture->database, &fixture->rev), 0);
    *state = fixture;
    return 0;
}

static int close_store(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(database_commit(fixture->database), 0);
    database_close(fixture->database);
    free(fixture);
    return 0;
}

/* ---- certificates ---- */

enum mark { LIVE, REPLACED, REVOKED };

struct made {
    const char *cert_id; /* its serial too */
    const char *id;
    int ends_in_days;
    enum mark mark;
    const char *lane;
};

static void put(struct fixture *fixture, const char *zone, const struct made *made)
{
    const struct issuer_store_certificate certificate = {
        .cert_id = made->cert_id,
        .id = made->id,
        .number = made->cert_id,
        .lane = made->lane,
        .ca = "https://ca.example/directory",
        .serial = made->cert_id,
        .names = made->id,
        .spki_hash = "",
        .csr_hash = "",
        .chain = "",
        .alternates = "[]",
        .not_before_at = NOW_AT - 45 * DAY_S,
        .not_after_at = NOW_AT + (int64_t)made->ends_in_days * DAY_S,
    };
    assert_int_equal(
        issuer_store_put_certificate(fixture->database, zone, fixture->rev, &certificate),
        0);
    if (made->mark == REPLACED) {
        assert_int_equal(issuer_store_set_replaced(fixture->database, zone, fixture->rev,
                                                   made->cert_id),
                         0);
    } else if (made->mark == REVOKED) {
        assert_int_equal(issuer_store_set_revoked(fixture->database, zone, fixture->rev,
                                                  made->cert_id, NOW_AT, 1),
                         0);
    }
}

static void put_all(struct fixture *fixture)
{
    static const struct made rows[] = {
        {"a1", "one", -1, LIVE, "device"}, /* ended, renewed without a word */
        {"a2", "one", 20, LIVE, "device"},      {"ab", "two", 10, REPLACED, "device"},
        {"b1", "two", 30, LIVE, "device"},      {"c1", "three", 5, LIVE, "device"},
        {"c2", "three", 40, REVOKED, "device"}, {"d1", "four", -2, LIVE, "device"},
        {"e1", "relay", 3, LIVE, "relay"},
    };
    static const struct made other = {"a3", "one", 50, LIVE, "device"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        put(fixture, ZONE, &rows[i]);
    }
    put(fixture, "other.zone", &other);
}

static int note(const struct issuer_store_life *life, void *arg)
{
    struct fixture *fixture = arg;
    size_t size = strlen(fixture->seen);
    assert_string_equal(life->serial, life->cert_id);
    snprintf(fixture->seen + size, sizeof(fixture->seen) - size, "%s ", life->cert_id);
    return 0;
}

static void expect(struct fixture *fixture, int error, const char *seen)
{
    assert_int_equal(error, 0);
    assert_string_equal(fixture->seen, seen);
    fixture->seen[0] = '\0';
}

static void test_current(void **state)
{
    static const struct {
        const char *id;
        const char *seen;
    } rows[] = {{"one", "a2 "}, {"two", "b1 "}, {"three", "c1 "}, {"four", "d1 "}};
    struct fixture *fixture = *state;
    put_all(fixture);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect(
            fixture,
            issuer_store_current_life(fixture->database, ZONE, rows[i].id, note, fixture),
            rows[i].seen);
    }
    assert_int_equal(
        issuer_store_current_life(fixture->database, ZONE, "relay", note, fixture),
        ERROR_NOT_FOUND);
    assert_int_equal(
        issuer_store_current_life(fixture->database, "other.zone", "two", note, fixture),
        ERROR_NOT_FOUND);
}

/* Each device once, by its current certificate, the first to end first. */
static void test_ending(void **state)
{
    static const struct {
        int days;
        int64_t limit;
        const char *seen;
    } rows[] = {
        {-3, ALL, ""},          {-2, ALL, "d1 "},          {5, ALL, "d1 c1 "},
        {20, ALL, "d1 c1 a2 "}, {99, ALL, "d1 c1 a2 b1 "}, {99, 2, "d1 c1 "},
    };
    struct fixture *fixture = *state;
    put_all(fixture);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct issuer_store_ending_page page = {
            .until_at = NOW_AT + (int64_t)rows[i].days * DAY_S,
            .after_at = INT64_MIN,
            .after_id = "",
            .limit = rows[i].limit};
        expect(fixture,
               issuer_store_ending(fixture->database, ZONE, &page, note, fixture),
               rows[i].seen);
    }
}

/* Page by page, also through many that end at one moment: each once, and by the index from where
 * the page before ended. */
static void test_pages_of_ending(void **state)
{
    static const struct made rows[] = {
        {"1", "d", 5, LIVE, "device"}, {"2", "a", 5, LIVE, "device"},
        {"3", "c", 5, LIVE, "device"}, {"4", "b", 5, LIVE, "device"},
        {"5", "z", 4, LIVE, "device"}, {"6", "a", 2, REPLACED, "device"},
    };
    static const struct {
        int after_days;
        const char *after_id;
        const char *seen;
    } pages[] = {{4, "z", "2 4 "}, {5, "b", "3 1 "}, {5, "d", ""}, {4, "y", "5 2 "}};
    struct fixture *fixture = *state;
    struct buffer plan = buffer_init(4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        put(fixture, ZONE, &rows[i]);
    }
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        const struct issuer_store_ending_page page = {
            .until_at = NOW_AT + 9 * DAY_S,
            .after_at = NOW_AT + (int64_t)pages[i].after_days * DAY_S,
            .after_id = pages[i].after_id,
            .limit = 2};
        expect(fixture,
               issuer_store_ending(fixture->database, ZONE, &page, note, fixture),
               pages[i].seen);
    }
    assert_int_equal(
        database_query(fixture->database,
                       "EXPLAIN QUERY PLAN SELECT id FROM certificates"
                       " WHERE zone = ? AND not_after_at <= ? AND (not_after_at, id) >"
                       " (?, ?) AND lane = 'device' AND revoked_at = 0 AND replaced = 0"
                       " ORDER BY not_after_at, id LIMIT ?",
                       plan_note, &plan, "tiiti", ZONE, (int64_t)1, (int64_t)0, "",
                       (int64_t)1),
        0);
    assert_non_null(strstr(buffer_text(&plan),
                           "certificates_current (zone=? AND (not_after_at,id)>(?,?)"));
    assert_null(strstr(buffer_text(&plan), "B-TREE"));
    buffer_free(&plan);
}

static void test_serials_and_lives(void **state)
{
    struct fixture *fixture = *state;
    struct database *database = fixture->database;
    put_all(fixture);
    expect(fixture, issuer_store_lives_of_serial(database, ZONE, "a", ALL, note, fixture),
           "a1 a2 ab ");
    expect(fixture, issuer_store_lives_of_serial(database, ZONE, "a", 1, note, fixture),
           "a1 ");
    expect(fixture,
           issuer_store_lives_of_serial(database, ZONE, "e1", ALL, note, fixture), "e1 ");
    expect(fixture, issuer_store_lives_of_serial(database, ZONE, "f", ALL, note, fixture),
           "");
    expect(fixture,
           issuer_store_lives_of_id(database, ZONE, "one", NOW_AT, note, fixture), "a2 ");
    expect(fixture,
           issuer_store_lives_of_id(database, ZONE, "two", NOW_AT, note, fixture),
           "ab b1 ");
    expect(fixture,
           issuer_store_lives_of_id(database, ZONE, "three", NOW_AT, note, fixture),
           "c1 ");
    expect(fixture,
           issuer_store_lives_of_id(database, ZONE, "four", NOW_AT, note, fixture), "");
}

/* ---- orders ---- */

static void put_order(struct fixture *fixture, const char *zone, const char *number,
                      const char *id, enum issuer_store_state how)
{
    const struct issuer_store_order order = {.number = number,
                                             .id = id,
                                             .names = "",
                                             .profile = "",
                                             .replaces = "",
                                             .state = how,
                                             .created_at = NOW_AT,
                                             .expires_at = NOW_AT + 3600,
                                             .problem = "",
                                             .certificate = ""};
    const struct budget_store_hold hold = {.number = number,
                                           .ca = "ca",
                                           .bucket = "certificates",
                                           .units = 1,
                                           .held_at = NOW_AT};
    assert_int_equal(
        issuer_store_put_order(fixture->database, zone, fixture->rev, &order), 0);
    assert_int_equal(budget_store_put_hold(fixture->database, zone, fixture->rev, &hold),
                     0);
}

static int take_order(const struct issuer_store_order *order, void *arg)
{
    struct fixture *fixture = arg;
    snprintf(fixture->seen, sizeof(fixture->seen), "%s %s",
             issuer_store_state_text(order->state), order->problem);
    return 0;
}

static void expect_order(struct fixture *fixture, const char *zone, const char *number,
                         const char *want)
{
    expect(fixture,
           issuer_store_order(fixture->database, zone, number, take_order, fixture),
           want);
}

/* Only what was ready ends: a certificate that is being made is waited for, and the others keep
 * what they hold. */
static void test_end_ready_orders(void **state)
{
    struct fixture *fixture = *state;
    struct database *database = fixture->database;
    struct budget_store_bucket bucket = {.held = 6};
    int64_t count = -1;
    int64_t unused_at = 0;
    put_order(fixture, ZONE, "ready1", ID, ISSUER_STORE_READY);
    put_order(fixture, ZONE, "ready2", ID, ISSUER_STORE_READY);
    put_order(fixture, ZONE, "processing", ID, ISSUER_STORE_PROCESSING);
    put_order(fixture, ZONE, "valid", ID, ISSUER_STORE_VALID);
    put_order(fixture, ZONE, "other", OTHER, ISSUER_STORE_READY);
    put_order(fixture, "other.zone", "same", ID, ISSUER_STORE_READY);
    assert_int_equal(budget_store_put_bucket(database, ZONE, fixture->rev, "ca",
                                             "certificates", &bucket),
                     0);
    assert_int_equal(
        issuer_store_end_ready_orders(database, ZONE, fixture->rev, ID, "{\"a\":1}"), 0);
    expect_order(fixture, ZONE, "ready1", "invalid {\"a\":1}");
    expect_order(fixture, ZONE, "ready2", "invalid {\"a\":1}");
    expect_order(fixture, ZONE, "processing", "processing ");
    expect_order(fixture, ZONE, "valid", "valid ");
    expect_order(fixture, ZONE, "other", "ready ");
    expect_order(fixture, "other.zone", "same", "ready ");
    assert_int_equal(budget_store_bucket(database, ZONE, "ca", "certificates", &bucket),
                     0);
    assert_int_equal(bucket.held, 4);
    assert_int_equal(issuer_store_count_processing(database, ZONE, ID, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(issuer_store_count_open_orders(database, ZONE, ID, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(
        issuer_store_entry_at(database, ZONE, "unused", "ready1", &unused_at), 0);
    assert_true(unused_at > 0);
    /* Once more: nothing is given back twice. */
    assert_int_equal(
        issuer_store_end_ready_orders(database, ZONE, fixture->rev, ID, "{}"), 0);
    expect_order(fixture, ZONE, "ready1", "invalid {\"a\":1}");
    assert_int_equal(budget_store_bucket(database, ZONE, "ca", "certificates", &bucket),
                     0);
    assert_int_equal(bucket.held, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_current, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_ending, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_pages_of_ending, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_serials_and_lives, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_end_ready_orders, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
