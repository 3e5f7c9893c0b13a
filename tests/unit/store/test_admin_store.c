#include "relay/store/admin_store.h"

#include "relay/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ID "abcdefghijklmnopqrstuvwxyz234567"

struct fixture {
    char folder[64];
    struct database *writer;
    struct database *reader;
};

static int open_store(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    memcpy(fixture->folder, "/tmp/latchkey-admin-XXXXXX",
           sizeof("/tmp/latchkey-admin-XXXXXX"));
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "admin.db", DATABASE_WRITER,
                                   schema_admin, &fixture->writer),
                     0);
    assert_int_equal(database_open(fixture->folder, "admin.db", DATABASE_READER,
                                   schema_admin, &fixture->reader),
                     0);
    *state = fixture;
    return 0;
}

static int close_store(void **state)
{
    struct fixture *fixture = *state;
    database_close(fixture->reader);
    database_close(fixture->writer);
    free(fixture);
    return 0;
}

static int count_token(const struct admin_store_token *token, void *arg)
{
    int *live = arg;
    *live += token->gone ? 0 : 1;
    return 0;
}

static void test_tokens(void **state)
{
    struct fixture *fixture = *state;
    struct admin_store_token token = {.kid = "kid1", .label = "hall", .created_at = 5};
    int live = 0;
    assert_int_equal(
        admin_store_get_token(fixture->reader, ZONE, "kid1", count_token, &live),
        ERROR_NOT_FOUND);
    assert_int_equal(admin_store_put_token(fixture->writer, ZONE, &token, "op"), 0);
    assert_int_not_equal(admin_store_put_token(fixture->writer, ZONE, &token, "op"), 0);
    assert_int_equal(
        admin_store_get_token(fixture->reader, ZONE, "kid1", count_token, &live), 0);
    assert_int_equal(live, 1);
    assert_int_equal(
        admin_store_get_token(fixture->reader, "other.zone", "kid1", count_token, &live),
        ERROR_NOT_FOUND);
    assert_int_equal(admin_store_end_token(fixture->writer, ZONE, "kid1", "op"), 0);
    assert_int_equal(admin_store_end_token(fixture->writer, ZONE, "kid1", "op"),
                     ERROR_NOT_FOUND);
    live = 0;
    assert_int_equal(admin_store_tokens(fixture->reader, ZONE, count_token, &live), 0);
    assert_int_equal(live, 0);
}

struct seen {
    int count;
    bool gone;
    int64_t rev;
};

static int see_block(const struct admin_store_block *block, void *arg)
{
    struct seen *seen = arg;
    seen->count++;
    seen->gone = block->gone;
    seen->rev = block->rev;
    return 0;
}

static void test_blocks_are_followed_by_rev(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {0};
    bool blocked = false;
    assert_int_equal(admin_store_unblock(fixture->writer, ZONE, ID, "op"),
                     ERROR_NOT_FOUND);
    assert_int_equal(admin_store_block(fixture->writer, ZONE, ID, "stolen", "op"), 0);
    assert_int_equal(admin_store_is_blocked(fixture->reader, ZONE, ID, &blocked), 0);
    assert_true(blocked);
    assert_int_equal(admin_store_blocks_since(fixture->reader, ZONE, 0, see_block, &seen),
                     0);
    assert_int_equal(seen.count, 1);
    int64_t rev = seen.rev;
    assert_true(rev > 0);
    assert_int_equal(admin_store_unblock(fixture->writer, ZONE, ID, "op"), 0);
    seen = (struct seen){0};
    assert_int_equal(
        admin_store_blocks_since(fixture->reader, ZONE, rev, see_block, &seen), 0);
    assert_int_equal(seen.count, 1);
    assert_true(seen.gone);
    assert_true(seen.rev > rev);
    assert_int_equal(admin_store_is_blocked(fixture->reader, ZONE, ID, &blocked), 0);
    assert_false(blocked);
}

struct chain {
    int64_t count;
    char last[80];
    bool repeated;
};

static int see_audit(const struct database_row *row, void *arg)
{
    struct chain *chain = arg;
    chain->count++;
    chain->repeated = chain->repeated || strcmp(chain->last, database_text(row, 0)) == 0;
    strncpy(chain->last, database_text(row, 0), sizeof(chain->last) - 1);
    return 0;
}

static void test_every_change_is_audited(void **state)
{
    struct fixture *fixture = *state;
    struct chain chain = {0};
    assert_int_equal(admin_store_block(fixture->writer, ZONE, ID, "a", "op"), 0);
    assert_int_equal(admin_store_block(fixture->writer, ZONE, ID, "a", "op"), 0);
    assert_int_equal(admin_store_unblock(fixture->writer, ZONE, ID, "op"), 0);
    /* A change that fails leaves no line. */
    assert_int_equal(admin_store_unblock(fixture->writer, ZONE, ID, "op"),
                     ERROR_NOT_FOUND);
    assert_int_equal(database_query(fixture->reader,
                                    "SELECT hash FROM audit ORDER BY number", see_audit,
                                    &chain, ""),
                     0);
    assert_int_equal(chain.count, 3);
    assert_false(chain.repeated);
}

/* A file that was lost goes on where the issuer was. */
static void test_serials_go_on(void **state)
{
    struct fixture *fixture = *state;
    struct admin_store_move move = {
        .serial = 7, .target = "https://relay.example/acme/directory", .issued_at = 5};
    struct admin_store_move last = {.serial = 0};
    int64_t serial = 4;
    assert_int_equal(admin_store_put_move(fixture->writer, ZONE, &move, "op"), 0);
    assert_int_equal(move.serial, 8);
    move.serial = 0;
    assert_int_equal(admin_store_put_move(fixture->writer, ZONE, &move, "op"), 0);
    assert_int_equal(move.serial, 9);
    assert_int_equal(admin_store_last_move(fixture->reader, ZONE, &last), 0);
    assert_int_equal(last.serial, 9);
    assert_int_equal(admin_store_ask_rollover(fixture->writer, ZONE, 5, "op", &serial),
                     0);
    assert_int_equal(serial, 5);
    serial = 0;
    assert_int_equal(admin_store_ask_rollover(fixture->writer, ZONE, 5, "op", &serial),
                     0);
    assert_int_equal(serial, 6);
    assert_int_equal(admin_store_last_rollover(fixture->reader, ZONE, &serial), 0);
    assert_int_equal(serial, 6);
    assert_int_equal(admin_store_last_rollover(fixture->reader, "other.zone", &serial),
                     0);
    assert_int_equal(serial, 0);
}

/* The commands that write admin.db may be newer than the last one that did. */
static void test_older_file(void **state)
{
    struct fixture *fixture = *state;
    const char *const older[] = {schema_admin[0], NULL};
    struct database *reader = NULL;
    struct admin_store_move move;
    int64_t settled_at = -1;
    assert_int_equal(
        database_open(fixture->folder, "older.db", DATABASE_WRITER, older, &reader), 0);
    database_close(reader);
    assert_int_equal(database_open(fixture->folder, "older.db", DATABASE_READER,
                                   schema_admin, &reader),
                     0);
    assert_int_equal(admin_store_last_move(reader, ZONE, &move), ERROR_NOT_FOUND);
    assert_int_equal(admin_store_clone_settled_at(reader, ZONE, ID, &settled_at), 0);
    assert_int_equal(settled_at, 0);
    database_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tokens, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_blocks_are_followed_by_rev, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(test_every_change_is_audited, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(test_serials_go_on, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_older_file, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
