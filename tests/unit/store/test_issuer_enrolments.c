/* Enrolments in the issuer's ledger: how many lately, and what is forgotten of them. */
#include "relay/store/issuer_store.h"

#include "relay/store/queue_store.h"
#include "relay/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ID "abcdefghijklmnopqrstuvwxyz234567"
#define OTHER "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"

struct fixture {
    char folder[64];
    struct database *database;
};

static int open_store(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/latchkey-enrolments-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->database),
                     0);
    *state = fixture;
    return 0;
}

static int close_store(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    struct fixture *fixture = *state;

    database_close(fixture->database);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/issuer.db%s", fixture->folder, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static void put(struct fixture *fixture, const char *kind, const char *what,
                const char *id, int64_t at)
{
    struct issuer_store_entry entry = {.kind = kind, .what = what, .id = id, .at = at};
    int64_t rev = 0;

    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(issuer_store_put_entry(fixture->database, ZONE, rev, &entry), 0);
    assert_int_equal(database_commit(fixture->database), 0);
}

static void test_kth_entry(void **state)
{
    struct fixture *fixture = *state;
    int64_t at = 0;

    assert_int_equal(issuer_store_kth_entry_at(fixture->database, ZONE, "open", 1, &at),
                     0);
    assert_int_equal(at, -1);
    put(fixture, "open", "a", "a", 300);
    put(fixture, "open", "b", "b", 100);
    put(fixture, "open", "c", "c", 200);
    put(fixture, "account", "d", "d", 900);
    assert_int_equal(issuer_store_kth_entry_at(fixture->database, ZONE, "open", 2, &at),
                     0);
    assert_int_equal(at, 200);
    assert_int_equal(issuer_store_kth_entry_at(fixture->database, ZONE, "open", 4, &at),
                     0);
    assert_int_equal(at, -1);
    assert_int_equal(
        issuer_store_kth_entry_at(fixture->database, "other.example", "open", 1, &at), 0);
    assert_int_equal(at, -1);
}

static int see(const struct issuer_store_entry *entry, void *arg)
{
    char *seen = arg;

    assert_string_equal(entry->kind, "fresh");
    snprintf(seen + strlen(seen), 16 - strlen(seen), "%s", entry->what);
    return 0;
}

static void test_old_entries(void **state)
{
    struct fixture *fixture = *state;
    char seen[16] = "";

    put(fixture, "fresh", "c", "c", 300);
    put(fixture, "fresh", "b", "b", 200);
    put(fixture, "fresh", "a", "a", 100);
    assert_int_equal(
        issuer_store_old_entries(fixture->database, ZONE, "fresh", 300, 10, see, seen),
        0);
    assert_string_equal(seen, "ab");
    seen[0] = '\0';
    assert_int_equal(
        issuer_store_old_entries(fixture->database, ZONE, "fresh", 999, 1, see, seen), 0);
    assert_string_equal(seen, "a");
}

static bool is_waiting(struct fixture *fixture, const char *id)
{
    bool waiting = false;

    assert_int_equal(issuer_store_is_waiting(fixture->database, ZONE, id, &waiting), 0);
    return waiting;
}

static void test_waiting(void **state)
{
    struct fixture *fixture = *state;
    struct issuer_store_order order = {.number = "0123",
                                       .id = ID,
                                       .names = "*." ID "." ZONE,
                                       .profile = "",
                                       .replaces = "",
                                       .state = ISSUER_STORE_READY,
                                       .problem = "",
                                       .certificate = ""};
    struct queue_store_place place = {.id = OTHER, .reason = "", .kept_until_at = 100};
    int64_t rev = 0;

    assert_false(is_waiting(fixture, ID));
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(issuer_store_put_order(fixture->database, ZONE, rev, &order), 0);
    assert_int_equal(database_commit(fixture->database), 0);
    assert_true(is_waiting(fixture, ID));
    assert_false(is_waiting(fixture, OTHER));
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(queue_store_add(fixture->database, ZONE, rev, &place), 0);
    assert_int_equal(database_commit(fixture->database), 0);
    assert_true(is_waiting(fixture, OTHER));
}

/* The place at the token is free again; what must hold for ever stays. */
static void test_forget(void **state)
{
    struct fixture *fixture = *state;
    int64_t count = -1;
    int64_t at = 0;
    int64_t rev = 0;

    put(fixture, "account", ID, ID, 100);
    put(fixture, "token", "kid/" ID, ID, 100);
    put(fixture, "order", "hash", ID, 100);
    put(fixture, "account", OTHER, OTHER, 100);
    put(fixture, "token", "kid/" OTHER, OTHER, 100);
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(issuer_store_forget_enrolment(fixture->database, ZONE, ID), 0);
    assert_int_equal(database_commit(fixture->database), 0);
    assert_int_equal(
        issuer_store_count_entries(fixture->database, ZONE, "token", "kid/", &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(issuer_store_entry_at(fixture->database, ZONE, "account", ID, &at),
                     0);
    assert_int_equal(at, -1);
    assert_int_equal(
        issuer_store_entry_at(fixture->database, ZONE, "account", OTHER, &at), 0);
    assert_int_equal(at, 100);
    assert_int_equal(issuer_store_entry_at(fixture->database, ZONE, "order", "hash", &at),
                     0);
    assert_int_equal(at, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kth_entry, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_old_entries, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_waiting, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_forget, open_store, close_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
