#include "relay/store/overview.h"

#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
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

enum { NOW_AT = 1000000000, DAY_S = 86400, TEXT_MAX = 512, ALL = 100 };

struct fixture {
    char folder[64];
    struct database *front;
    struct database *issuer;
    struct database *admin;
    char seen[TEXT_MAX];
};

static int open_store(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/latchkey-overview-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "front.db", DATABASE_WRITER,
                                   schema_front, &fixture->front),
                     0);
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->issuer),
                     0);
    assert_int_equal(database_open(fixture->folder, "admin.db", DATABASE_WRITER,
                                   schema_admin, &fixture->admin),
                     0);
    *state = fixture;
    return 0;
}

static int close_store(void **state)
{
    struct fixture *fixture = *state;
    database_close(fixture->front);
    database_close(fixture->issuer);
    database_close(fixture->admin);
    free(fixture);
    return 0;
}

static void __attribute__((format(printf, 2, 3)))
see(struct fixture *fixture, const char *format, ...)
{
    size_t size = strlen(fixture->seen);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fixture->seen + size, sizeof(fixture->seen) - size, format, arguments);
    va_end(arguments);
}

static void expect(struct fixture *fixture, int error, const char *seen)
{
    assert_int_equal(error, 0);
    assert_string_equal(fixture->seen, seen);
    fixture->seen[0] = '\0';
}

/* ---- front.db ---- */

static void enrol(struct fixture *fixture, const char *zone, const char *id,
                  int64_t cloned_at)
{
    const struct front_store_account account = {.id = id,
                                                .jwk = "{}",
                                                .registration = "{}",
                                                .token = "kid",
                                                .contact = "[]",
                                                .status = "valid",
                                                .created_at = NOW_AT};
    const struct front_store_receipt receipt = {.cloned_at = cloned_at};
    int64_t rev = 0;
    assert_int_equal(database_begin(fixture->front, &rev), 0);
    assert_int_equal(front_store_add_account(fixture->front, zone, rev, &account), 0);
    assert_int_equal(front_store_put_receipt(fixture->front, zone, rev, id, &receipt), 0);
    assert_int_equal(database_commit(fixture->front), 0);
}

static int see_device(const struct overview_device *device, void *arg)
{
    assert_string_equal(device->status, "valid");
    assert_string_equal(device->token, "kid");
    assert_int_equal(device->created_at, NOW_AT);
    see(arg, "%s ", device->id);
    return 0;
}

/* The pages of a list: each device once, whatever the prefix. */
static void test_devices(void **state)
{
    static const struct {
        const char *prefix;
        const char *after;
        int64_t limit;
        const char *seen;
    } rows[] = {
        {"", "", 2, "a7 aa "},      {"", "aa", 2, "az ba "},
        {"", "ba", 2, "zz "},       {"a", "", ALL, "a7 aa az "},
        {"a", "a7", ALL, "aa az "}, {"z", "", ALL, "zz "},
        {"zz", "", ALL, "zz "},     {"zzz", "", ALL, ""},
        {"aa' OR 1", "", ALL, ""},
    };
    struct fixture *fixture = *state;
    enrol(fixture, ZONE, "aa", 0);
    enrol(fixture, ZONE, "a7", 5);
    enrol(fixture, ZONE, "az", 6);
    enrol(fixture, ZONE, "ba", 0);
    enrol(fixture, ZONE, "zz", 0);
    enrol(fixture, "other.zone", "ab", 7);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int error = overview_devices(fixture->front, ZONE, rows[i].prefix, rows[i].after,
                                     rows[i].limit, see_device, fixture);
        expect(fixture, error, rows[i].seen);
    }
}

static void test_clones(void **state)
{
    struct fixture *fixture = *state;
    int64_t count = -1;
    enrol(fixture, ZONE, "aa", 0);
    enrol(fixture, ZONE, "ab", 5);
    enrol(fixture, "other.zone", "ab", 5);
    assert_int_equal(overview_count_clones(fixture->front, ZONE, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(overview_count_clones(fixture->front, "none.zone", &count), 0);
    assert_int_equal(count, 0);
}

/* ---- issuer.db ---- */

static void certify(struct fixture *fixture, const char *cert_id, const char *id,
                    int64_t not_after_at, const char *lane)
{
    const struct issuer_store_certificate certificate = {
        .cert_id = cert_id,
        .id = id,
        .number = cert_id,
        .lane = lane,
        .ca = "ca",
        .serial = "0a",
        .names = id,
        .spki_hash = "",
        .csr_hash = "",
        .chain = "",
        .alternates = "[]",
        .not_before_at = not_after_at - DAY_S,
        .not_after_at = not_after_at,
    };
    int64_t rev = 0;
    assert_int_equal(database_begin(fixture->issuer, &rev), 0);
    assert_int_equal(
        issuer_store_put_certificate(fixture->issuer, ZONE, rev, &certificate), 0);
    assert_int_equal(database_commit(fixture->issuer), 0);
}

static int see_id(const char *id, int64_t not_after_at, void *arg)
{
    see(arg, "%s%+lld ", id, (long long)(not_after_at - NOW_AT));
    return 0;
}

static void test_expired(void **state)
{
    struct fixture *fixture = *state;
    int64_t rev = 0;
    int64_t count = -1;
    certify(fixture, "1", "ended", NOW_AT - 5, "device");
    certify(fixture, "2", "earlier", NOW_AT - 9, "device");
    certify(fixture, "3", "now", NOW_AT, "device");
    certify(fixture, "4", "lives", NOW_AT + 1, "device");
    certify(fixture, "5", "long ago", NOW_AT - DAY_S, "device");
    certify(fixture, "6", "renewed", NOW_AT - 5, "device");
    certify(fixture, "7", "renewed", NOW_AT + DAY_S, "device");
    certify(fixture, "8", "relay", NOW_AT - 5, "relay");
    certify(fixture, "9", "revoked", NOW_AT - 5, "device");
    assert_int_equal(database_begin(fixture->issuer, &rev), 0);
    assert_int_equal(issuer_store_set_revoked(fixture->issuer, ZONE, rev, "9", NOW_AT, 0),
                     0);
    assert_int_equal(database_commit(fixture->issuer), 0);
    expect(fixture,
           overview_expired(fixture->issuer, ZONE, NOW_AT - DAY_S, NOW_AT, ALL, see_id,
                            fixture),
           "earlier-9 ended-5 now+0 ");
    expect(fixture,
           overview_expired(fixture->issuer, ZONE, NOW_AT - DAY_S, NOW_AT, 1, see_id,
                            fixture),
           "earlier-9 ");
    expect(
        fixture,
        overview_expired(fixture->issuer, "other.zone", 0, NOW_AT, ALL, see_id, fixture),
        "");
    assert_int_equal(overview_count_serial(fixture->issuer, ZONE, "0a", &count), 0);
    assert_int_equal(count, 9);
    assert_int_equal(overview_count_serial(fixture->issuer, ZONE, "0A", &count), 0);
    assert_int_equal(count, 0);
}

static void test_orders(void **state)
{
    struct fixture *fixture = *state;
    int64_t count = -1;
    int64_t rev = 0;
    assert_int_equal(database_begin(fixture->issuer, &rev), 0);
    for (int i = 0; i < 10; i++) {
        char hash[16];
        const struct issuer_store_entry admitted = {
            .kind = "order", .what = hash, .id = "a", .at = NOW_AT + i};
        const struct issuer_store_entry other = {
            .kind = "finalize", .what = hash, .id = "a", .at = NOW_AT + i};
        snprintf(hash, sizeof(hash), "%d", i);
        assert_int_equal(issuer_store_put_entry(fixture->issuer, ZONE, rev, &admitted),
                         0);
        assert_int_equal(issuer_store_put_entry(fixture->issuer, ZONE, rev, &other), 0);
    }
    assert_int_equal(database_commit(fixture->issuer), 0);
    assert_int_equal(
        overview_count_orders(fixture->issuer, ZONE, NOW_AT, NOW_AT + 4, &count), 0);
    assert_int_equal(count, 4);
    assert_int_equal(
        overview_count_orders(fixture->issuer, "other.zone", 0, INT64_MAX, &count), 0);
    assert_int_equal(count, 0);
}

/* It is counted each minute, and there are millions. */
static void test_indexes(void **state)
{
    struct fixture *fixture = *state;
    struct buffer plan = buffer_init(4096);
    assert_int_equal(
        database_query(fixture->issuer,
                       "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM ledger WHERE zone = ? AND"
                       " kind = 'order' AND at > ? AND at <= ?",
                       plan_note, &plan, "tii", ZONE, (int64_t)0, (int64_t)1),
        0);
    assert_non_null(strstr(buffer_text(&plan), "COVERING INDEX ledger_at"));
    assert_non_null(strstr(buffer_text(&plan), "(zone=? AND kind=? AND at>? AND at<?)"));
    buffer_free(&plan);
}

/* ---- admin.db ---- */

static int see_change(const struct overview_change *change, void *arg)
{
    assert_string_equal(change->who, "olga");
    assert_true(change->at > 0);
    see(arg, "%s:%s ", change->action, change->detail);
    return 0;
}

static void test_changes(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(admin_store_block(fixture->admin, ZONE, ID, "why", "olga"), 0);
    assert_int_equal(admin_store_unblock(fixture->admin, ZONE, ID, "olga"), 0);
    assert_int_equal(admin_store_block(fixture->admin, "other.zone", ID, "", "olga"), 0);
    expect(fixture, overview_changes(fixture->admin, ZONE, 1, see_change, fixture),
           "unblock:" ID " ");
    expect(fixture, overview_changes(fixture->admin, ZONE, ALL, see_change, fixture),
           "unblock:" ID " block:" ID " why ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_devices, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_clones, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_expired, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_orders, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_indexes, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_changes, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
