/* What the operator looks for in front.db, by index, and what goes when a device is forgotten. */
#include "relay/store/front_store.h"

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

enum { FIRST_AT = 1000, IDS_MAX = 512, ALL = 100 };

struct fixture {
    char folder[64];
    struct database *database;
    int64_t rev;
    char ids[IDS_MAX]; /* as the last list gave them, a blank behind each */
};

/* Four devices of this zone, of which b and c have one token, and one of another. */
static void fill(struct fixture *fixture)
{
    static const struct {
        const char *zone;
        const char *id;
        const char *token;
        const char *contact;
        const char *addresses;
    } rows[] = {
        {ZONE, "aaaa", "", "[]", "10.0.0.1"},
        {ZONE, "aabb", "kid1", "[\"mailto:Hall@Example.com\"]", "10.0.0.11 fd00::1"},
        {ZONE, "abba", "kid1", "[\"mailto:attic@example.com\"]", ""},
        {ZONE, "bbbb", "kid2", "[]", NULL},
        {"other.zone", "aacc", "kid1", "[\"mailto:hall@example.com\"]", "10.0.0.1"},
    };
    assert_int_equal(database_begin(fixture->database, &fixture->rev), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct front_store_account account = {.id = rows[i].id,
                                                    .jwk = "{}",
                                                    .registration = "{}",
                                                    .token = rows[i].token,
                                                    .contact = rows[i].contact,
                                                    .status = "valid",
                                                    .created_at = FIRST_AT};
        const struct front_store_addresses addresses = {.id = rows[i].id,
                                                        .counter = 1,
                                                        .addresses = rows[i].addresses,
                                                        .jws = "{}",
                                                        .published_at = FIRST_AT};
        const struct front_store_receipt receipt = {.cloned_at = i % 2 == 1 ? 5 : 0};
        assert_int_equal(front_store_add_account(fixture->database, rows[i].zone,
                                                 fixture->rev, &account),
                         0);
        assert_int_equal(front_store_put_receipt(fixture->database, rows[i].zone,
                                                 fixture->rev, rows[i].id, &receipt),
                         0);
        if (rows[i].addresses != NULL) {
            assert_int_equal(front_store_put_addresses(fixture->database, rows[i].zone,
                                                       fixture->rev, &addresses),
                             0);
        }
    }
    assert_int_equal(database_commit(fixture->database), 0);
}

static int open_store(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/latchkey-lists-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "front.db", DATABASE_WRITER,
                                   schema_front, &fixture->database),
                     0);
    fill(fixture);
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

static int note(const char *id, void *arg)
{
    struct fixture *fixture = arg;
    size_t size = strlen(fixture->ids);
    snprintf(fixture->ids + size, sizeof(fixture->ids) - size, "%s ", id);
    return 0;
}

/* That the list, which ended with ERROR, was IDS. */
static void expect(struct fixture *fixture, int error, const char *ids)
{
    assert_int_equal(error, 0);
    assert_string_equal(fixture->ids, ids);
    fixture->ids[0] = '\0';
}

static void test_prefixes_and_pages(void **state)
{
    static const struct {
        const char *prefix;
        const char *after;
        int64_t limit;
        const char *ids;
    } rows[] = {
        {"", "", ALL, "aaaa aabb abba bbbb "},
        {"", "", 2, "aaaa aabb "},
        {"", "aabb", 2, "abba bbbb "},
        {"", "bbbb", 2, ""},
        {"", "aab", ALL, "aabb abba bbbb "},
        {"a", "", ALL, "aaaa aabb abba "},
        {"aa", "", ALL, "aaaa aabb "},
        {"aa", "aaaa", ALL, "aabb "},
        {"abba", "", ALL, "abba "},
        {"abbab", "", ALL, ""},
        {"c", "", ALL, ""},
        {"", "", 0, ""},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect(fixture,
               front_store_ids(fixture->database, ZONE, rows[i].prefix, rows[i].after,
                               rows[i].limit, note, fixture),
               rows[i].ids);
    }
}

static void test_filters(void **state)
{
    struct fixture *fixture = *state;
    struct database *database = fixture->database;
    int64_t count = 0;
    expect(fixture,
           front_store_ids_of_token(database, ZONE, "kid1", "", ALL, note, fixture),
           "aabb abba ");
    expect(fixture,
           front_store_ids_of_token(database, ZONE, "kid1", "aabb", ALL, note, fixture),
           "abba ");
    expect(fixture, front_store_ids_of_token(database, ZONE, "", "", 1, note, fixture),
           "aaaa ");
    expect(fixture, front_store_ids_cloned(database, ZONE, "", ALL, note, fixture),
           "aabb bbbb ");
    expect(fixture, front_store_ids_cloned(database, ZONE, "aabb", ALL, note, fixture),
           "bbbb ");
    expect(fixture,
           front_store_ids_of_contact(database, ZONE, "hALL@", ALL, note, fixture),
           "aabb ");
    expect(fixture, front_store_ids_of_contact(database, ZONE, "%", ALL, note, fixture),
           "");
    /* An address is found whole: 10.0.0.1 is no part of 10.0.0.11. */
    expect(fixture,
           front_store_ids_of_address(database, ZONE, "10.0.0.1", ALL, note, fixture),
           "aaaa ");
    expect(fixture,
           front_store_ids_of_address(database, ZONE, "fd00::1", ALL, note, fixture),
           "aabb ");
    assert_int_equal(front_store_count_accounts(database, ZONE, &count), 0);
    assert_int_equal(count, 4);
}

/* A page of a token's devices costs what the page has, however many others there are. */
static void test_indexes(void **state)
{
    struct fixture *fixture = *state;
    struct buffer plan = buffer_init(4096);
    assert_int_equal(database_query(fixture->database,
                                    "EXPLAIN QUERY PLAN SELECT id FROM accounts"
                                    " WHERE zone = ? AND token = ? AND id > ?"
                                    " ORDER BY id LIMIT ?",
                                    plan_note, &plan, "ttti", ZONE, "kid1", "",
                                    (int64_t)ALL),
                     0);
    assert_non_null(
        strstr(buffer_text(&plan),
               "COVERING INDEX accounts_token (zone=? AND token=? AND id>?)"));
    assert_null(strstr(buffer_text(&plan), "B-TREE"));
    buffer_free(&plan);
}

static int stop(const char *id, void *arg)
{
    (void)note(id, arg);
    return ERROR_DENIED;
}

static void test_the_callbacks_word(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(front_store_ids(fixture->database, ZONE, "", "", ALL, stop, fixture),
                     ERROR_DENIED);
    assert_string_equal(fixture->ids, "aaaa ");
}

static int see_publication(const struct front_store_addresses *addresses, void *arg)
{
    *(struct front_store_addresses *)arg = *addresses;
    return addresses->addresses[0] == '\0' && addresses->jws[0] == '\0' ? 0
                                                                        : ERROR_EXISTS;
}

/* The account and what was signed go; the publication's counter stays as a tombstone. */
static void test_forget(void **state)
{
    struct fixture *fixture = *state;
    struct database *database = fixture->database;
    struct front_store_addresses seen = {0};
    struct front_store_receipt receipt;
    int64_t rev = 0;
    assert_int_equal(database_begin(database, &rev), 0);
    assert_int_equal(front_store_forget_device(database, ZONE, rev, "aabb"), 0);
    assert_int_equal(front_store_forget_device(database, ZONE, rev, "aabb"),
                     ERROR_NOT_FOUND);
    assert_int_equal(database_commit(database), 0);
    expect(fixture, front_store_ids(database, ZONE, "", "", ALL, note, fixture),
           "aaaa abba bbbb ");
    assert_int_equal(front_store_get_receipt(database, ZONE, "aabb", &receipt),
                     ERROR_NOT_FOUND);
    assert_int_equal(
        front_store_get_addresses(database, ZONE, "aabb", see_publication, &seen), 0);
    assert_true(seen.gone);
    assert_int_equal(seen.counter, 1);
    assert_int_equal(seen.rev, rev);
    /* Another zone's device of the same name stays. */
    expect(fixture, front_store_ids(database, "other.zone", "", "", ALL, note, fixture),
           "aacc ");
}

static void test_reactivate(void **state)
{
    struct fixture *fixture = *state;
    struct database *database = fixture->database;
    int64_t rev = 0;
    assert_int_equal(database_begin(database, &rev), 0);
    assert_int_equal(front_store_reactivate(database, ZONE, rev, "aaaa"),
                     ERROR_NOT_FOUND);
    assert_int_equal(
        front_store_update_account(database, ZONE, rev, "aaaa", "[]", "deactivated"), 0);
    assert_int_equal(front_store_reactivate(database, "other.zone", rev, "aaaa"),
                     ERROR_NOT_FOUND);
    assert_int_equal(front_store_reactivate(database, ZONE, rev, "aaaa"), 0);
    assert_int_equal(front_store_reactivate(database, ZONE, rev, "nobody"),
                     ERROR_NOT_FOUND);
    assert_int_equal(database_commit(database), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_prefixes_and_pages, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_filters, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_indexes, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_the_callbacks_word, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_forget, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_reactivate, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
