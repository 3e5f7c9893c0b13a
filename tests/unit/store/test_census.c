/* Devices and certificates counted, and by indexes: a scan would read every chain. */
#include "relay/store/census.h"

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

enum { NOW_AT = 1000000000, DAY_S = 86400, HOUR_S = 3600 };

struct fixture {
    char folder[64];
    struct database *database;
    unsigned made;
};

static int open_store(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    memcpy(fixture->folder, "/tmp/latchkey-census-XXXXXX",
           sizeof("/tmp/latchkey-census-XXXXXX"));
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->database),
                     0);
    *state = fixture;
    return 0;
}

static int close_store(void **state)
{
    struct fixture *fixture = *state;

    database_close(fixture->database);
    free(fixture);
    return 0;
}

/* Writes a certificate of ID that ends at END_AT; its name is *RET_NAME (static). */
static const char *put(struct fixture *fixture, const char *id, int64_t end_at,
                       const char *lane)
{
    static char name[32];
    struct issuer_store_certificate certificate = {
        .cert_id = name,
        .id = id,
        .number = name,
        .lane = lane,
        .ca = "https://ca.example/directory",
        .serial = "01",
        .names = id,
        .spki_hash = "",
        .csr_hash = "",
        .chain = "",
        .alternates = "[]",
        .not_before_at = end_at - 45 * DAY_S,
        .not_after_at = end_at,
    };
    int64_t rev = 0;

    snprintf(name, sizeof(name), "certificate%u", fixture->made++);
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(
        issuer_store_put_certificate(fixture->database, ZONE, rev, &certificate), 0);
    assert_int_equal(database_commit(fixture->database), 0);
    return name;
}

static void revoke(struct fixture *fixture, const char *name)
{
    int64_t rev = 0;

    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(
        issuer_store_set_revoked(fixture->database, ZONE, rev, name, NOW_AT, 0), 0);
    assert_int_equal(database_commit(fixture->database), 0);
}

static void test_lives(void **state)
{
    struct fixture *fixture = *state;
    int64_t counts[CENSUS_LIFE_COUNT];
    int64_t rev = 0;

    put(fixture, "gone", NOW_AT - 31 * DAY_S, "device"); /* too long ago to tell of */
    put(fixture, "expired", NOW_AT - DAY_S, "device");
    put(fixture, "now", NOW_AT, "device"); /* has expired */
    put(fixture, "day", NOW_AT + HOUR_S, "device");
    put(fixture, "two", NOW_AT + 2 * DAY_S, "device");
    put(fixture, "five", NOW_AT + 5 * DAY_S, "device");
    put(fixture, "ten", NOW_AT + 10 * DAY_S, "device");
    put(fixture, "twenty", NOW_AT + 20 * DAY_S, "device");
    put(fixture, "forty", NOW_AT + 40 * DAY_S, "device");
    put(fixture, "relay.lan.example.com", NOW_AT + HOUR_S, "relay");
    /* Renewed: only the newer one counts, marked as replaced or not. */
    put(fixture, "renewed", NOW_AT + HOUR_S, "device");
    put(fixture, "renewed", NOW_AT + 40 * DAY_S, "device");
    const char *replaced = put(fixture, "marked", NOW_AT + HOUR_S, "device");
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(issuer_store_set_replaced(fixture->database, ZONE, rev, replaced),
                     0);
    assert_int_equal(database_commit(fixture->database), 0);
    put(fixture, "marked", NOW_AT + 40 * DAY_S, "device");
    /* A renewal that was revoked is none: what was there before it counts, as in `list`. */
    put(fixture, "back", NOW_AT + 5 * DAY_S, "device");
    revoke(fixture, put(fixture, "back", NOW_AT + 40 * DAY_S, "device"));
    revoke(fixture, put(fixture, "revoked", NOW_AT + HOUR_S, "device"));

    assert_int_equal(census_certificates(fixture->database, ZONE, NOW_AT, counts), 0);
    assert_int_equal(counts[CENSUS_EXPIRED], 2);
    assert_int_equal(counts[CENSUS_DAY_1], 1);
    assert_int_equal(counts[CENSUS_DAY_3], 1);
    assert_int_equal(counts[CENSUS_DAY_7], 2);
    assert_int_equal(counts[CENSUS_DAY_14], 1);
    assert_int_equal(counts[CENSUS_DAY_30], 1);
    assert_int_equal(counts[CENSUS_LONGER], 3);
    assert_int_equal(census_certificates(fixture->database, "other.zone", NOW_AT, counts),
                     0);
    assert_int_equal(counts[CENSUS_LONGER], 0);
}

static void test_issued(void **state)
{
    struct fixture *fixture = *state;
    int64_t count = -1;
    int64_t last_at = -1;

    assert_int_equal(census_last_issued(fixture->database, ZONE, &last_at), 0);
    assert_int_equal(last_at, 0);
    put(fixture, "a", NOW_AT + 45 * DAY_S, "device");
    put(fixture, "b", NOW_AT + 45 * DAY_S + 10, "device");
    put(fixture, "relay", NOW_AT + 45 * DAY_S + 20, "relay");
    assert_int_equal(census_issued(fixture->database, ZONE, NOW_AT, NOW_AT + 10, &count),
                     0);
    assert_int_equal(count, 1);
    assert_int_equal(census_issued(fixture->database, ZONE, NOW_AT, NOW_AT + 99, &count),
                     0);
    assert_int_equal(count, 2);
    assert_int_equal(census_last_issued(fixture->database, ZONE, &last_at), 0);
    assert_int_equal(last_at, NOW_AT + 10);
}

static void test_indexes(void **state)
{
    struct fixture *fixture = *state;
    struct buffer plan = buffer_init(4096);

    assert_int_equal(
        database_query(
            fixture->database,
            "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM (SELECT MAX(not_after_at) AS m"
            " FROM certificates WHERE zone = ? AND lane = 'device' AND replaced = 0"
            " AND revoked_at = 0 GROUP BY id) AS lives WHERE m > ?",
            plan_note, &plan, "ti", ZONE, (int64_t)0),
        0);
    assert_non_null(strstr(buffer_text(&plan), "COVERING INDEX certificates_lives"));
    assert_null(strstr(buffer_text(&plan), "TEMP B-TREE"));
    buffer_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lives, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_issued, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_indexes, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
