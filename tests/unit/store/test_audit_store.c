#include "relay/store/audit_store.h"

#include "relay/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"

static int open_store(void **state)
{
    char folder[] = "/tmp/latchkey-audit-XXXXXX";
    struct database *database = NULL;

    assert_non_null(mkdtemp(folder));
    assert_int_equal(
        database_open(folder, "admin.db", DATABASE_WRITER, schema_admin, &database), 0);
    *state = database;
    return 0;
}

static int close_store(void **state)
{
    database_close(*state);
    return 0;
}

static void add(struct database *database, const char *zone, const char *detail)
{
    struct audit_store_line line = {"olga", "block", detail};
    int64_t rev = 0;

    assert_int_equal(database_begin(database, &rev), 0);
    assert_int_equal(audit_store_finish(database, zone, rev, 0, &line), 0);
}

static int64_t broken_row(struct database *database)
{
    struct audit_store_head head;
    int64_t broken = -1;

    assert_int_equal(audit_store_verify(database, ZONE, &head, &broken), 0);
    return broken;
}

static void test_the_chain_holds(void **state)
{
    struct audit_store_head head;
    struct audit_store_head verified;
    int64_t broken = -1;

    assert_int_equal(audit_store_head(*state, ZONE, &head), 0);
    assert_int_equal(head.number, 0);
    assert_string_equal(head.hash, "");
    assert_int_equal(broken_row(*state), 0);
    for (int i = 0; i < 5; i++) {
        add(*state, ZONE, "a");
        add(*state, "other.example.com", "b"); /* each zone has a chain of its own */
    }
    assert_int_equal(audit_store_head(*state, ZONE, &head), 0);
    assert_int_equal(head.number, 5);
    assert_int_equal(audit_store_verify(*state, ZONE, &verified, &broken), 0);
    assert_int_equal(broken, 0);
    assert_int_equal(verified.number, 5);
    assert_string_equal(verified.hash, head.hash);
}

static void test_a_change_that_failed_leaves_no_line(void **state)
{
    struct audit_store_line line = {"olga", "block", "x"};
    struct audit_store_head head;
    int64_t rev = 0;

    assert_int_equal(database_begin(*state, &rev), 0);
    assert_int_equal(audit_store_finish(*state, ZONE, rev, ERROR_EXISTS, &line),
                     ERROR_EXISTS);
    assert_int_equal(audit_store_head(*state, ZONE, &head), 0);
    assert_int_equal(head.number, 0);
}

static void run(struct database *database, const char *sql)
{
    assert_int_equal(database_run(database, sql, ""), 0);
}

static void test_what_was_done_to_it_shows(void **state)
{
    for (int i = 0; i < 4; i++) {
        add(*state, ZONE, "a");
    }
    run(*state, "UPDATE audit SET detail = 'b' WHERE number = 3");
    assert_int_equal(broken_row(*state), 3);
    run(*state, "UPDATE audit SET detail = 'a' WHERE number = 3");
    assert_int_equal(broken_row(*state), 0);
    run(*state, "UPDATE audit SET at = at - 1 WHERE number = 2");
    assert_int_equal(broken_row(*state), 2);
    run(*state, "UPDATE audit SET at = at + 1 WHERE number = 2");
    run(*state, "DELETE FROM audit WHERE number = 1");
    assert_int_equal(broken_row(*state), 1);
}

/* Fields can't flow into one another: "ab" "c" is not "a" "bc". */
static void test_where_a_field_ends_counts(void **state)
{
    add(*state, ZONE, "a");
    run(*state, "UPDATE audit SET action = 'blocka', detail = ''");
    assert_int_equal(broken_row(*state), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_chain_holds, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_a_change_that_failed_leaves_no_line,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(test_what_was_done_to_it_shows, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(test_where_a_field_ends_counts, open_store,
                                        close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
