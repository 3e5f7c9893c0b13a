/* Which device an operator means, and stores of which only a part is there. */
#include "relay/admin/admin_stores.h"

#include "relay/store/front_store.h"
#include "relay/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_AB "abbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_7 "7777777777777777777777777777777z"

static char zone_name[] = ZONE;

struct fixture {
    char folder[64];
    struct relay_config config;
};

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/latchkey-stores-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->config = (struct relay_config){.zone = zone_name, .store = fixture->folder};
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    free(*state);
    return 0;
}

static void enrol(struct fixture *fixture, const char *zone, const char *id)
{
    const struct front_store_account account = {.id = id,
                                                .jwk = "{}",
                                                .registration = "{}",
                                                .token = "",
                                                .contact = "[]",
                                                .status = "valid",
                                                .created_at = 5};
    struct database *front = NULL;
    int64_t rev = 0;
    assert_int_equal(
        database_open(fixture->folder, "front.db", DATABASE_WRITER, schema_front, &front),
        0);
    assert_int_equal(database_begin(front, &rev), 0);
    assert_int_equal(front_store_add_account(front, zone, rev, &account), 0);
    assert_int_equal(database_commit(front), 0);
    database_close(front);
}

static int find(struct fixture *fixture, const char *text, char *ret_id)
{
    struct admin_stores stores;
    ret_id[0] = '\0';
    assert_int_equal(admin_stores_open(&fixture->config, &stores), 0);
    int status = admin_stores_find(&stores, text, ret_id);
    admin_stores_close(&stores);
    return status;
}

static void test_find(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *id;
    } rows[] = {
        {ID_A, ADMIN_DONE, ID_A},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ADMIN_DONE, ID_A},
        {"ccccccccccccccccccccccccccccc234", ADMIN_DONE,
         "ccccccccccccccccccccccccccccc234"}, /* a whole id needs no account */
        {"aa", ADMIN_DONE, ID_A},
        {"AB", ADMIN_DONE, ID_AB},
        {"7", ADMIN_DONE, ID_7},
        {"a", ADMIN_USAGE, ""},      /* several */
        {"ac", ADMIN_NOT_FOUND, ""}, /* another zone's */
        {"b", ADMIN_NOT_FOUND, ""},
        {"", ADMIN_USAGE, ""},
        {"a'", ADMIN_USAGE, ""},
        {"a%", ADMIN_USAGE, ""},
        {"a1", ADMIN_USAGE, ""},
        {ID_A "a", ADMIN_USAGE, ""},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1", ADMIN_USAGE, ""},
    };
    struct fixture *fixture = *state;
    enrol(fixture, ZONE, ID_A);
    enrol(fixture, ZONE, ID_AB);
    enrol(fixture, ZONE, ID_7);
    enrol(fixture, "other.zone", "accccccccccccccccccccccccccccccc");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char id[LANNAME_ID_SIZE + 1];
        if (find(fixture, rows[i].text, id) != rows[i].status) {
            fail_msg("'%s'", rows[i].text);
        }
        assert_string_equal(id, rows[i].id);
    }
}

/* A relay that has not begun has an empty store, not a broken one. */
static void test_nothing_there(void **state)
{
    struct fixture *fixture = *state;
    struct admin_stores stores;
    char id[LANNAME_ID_SIZE + 1];
    assert_int_equal(admin_stores_open(&fixture->config, &stores), 0);
    assert_null(stores.front);
    assert_null(stores.issuer);
    assert_null(stores.admin);
    assert_string_equal(stores.zone, ZONE);
    admin_stores_close(&stores);
    assert_int_equal(find(fixture, "a", id), ADMIN_NOT_FOUND);
    assert_int_equal(find(fixture, ID_A, id), ADMIN_DONE);
}

/* What a role that was captured says it has done can't spoil what comes. */
static void test_last(void **state)
{
    static const struct {
        int64_t number;
        int64_t last;
    } rows[] = {
        {0, 0},
        {7, 7},
        {(INT64_C(1) << 53) - 1, (INT64_C(1) << 53) - 1},
        {INT64_C(1) << 53, 0},
        {INT64_MAX, 0},
        {-1, 0},
        {INT64_MIN, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(admin_stores_last(rows[i].number), rows[i].last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_find, start, stop),
        cmocka_unit_test_setup_teardown(test_nothing_there, start, stop),
        cmocka_unit_test(test_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
