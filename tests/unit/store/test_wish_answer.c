#include "relay/store/wish_answer.h"

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
    struct database *admin;
    struct database *issuer;
};

static int open_stores(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char folder[] = "/tmp/latchkey-wishes-XXXXXX";

    assert_non_null(mkdtemp(folder));
    assert_int_equal(
        database_open(folder, "admin.db", DATABASE_WRITER, schema_admin, &fixture->admin),
        0);
    assert_int_equal(database_open(folder, "issuer.db", DATABASE_WRITER, schema_issuer,
                                   &fixture->issuer),
                     0);
    *state = fixture;
    return 0;
}

static int close_stores(void **state)
{
    struct fixture *fixture = *state;

    database_close(fixture->admin);
    database_close(fixture->issuer);
    free(fixture);
    return 0;
}

struct seen {
    int count;
    int64_t last;
    char kind[16];
    char content[16];
    enum wish_answer_state state;
};

static int see_wish(const struct admin_store_wish *wish, void *arg)
{
    struct seen *seen = arg;

    seen->count++;
    seen->last = wish->number;
    strncpy(seen->kind, wish->kind, sizeof(seen->kind) - 1);
    return 0;
}

static int see_answer(const struct wish_answer *answer, void *arg)
{
    struct seen *seen = arg;

    seen->count++;
    seen->last = answer->number;
    seen->state = answer->state;
    strncpy(seen->content, answer->content, sizeof(seen->content) - 1);
    return 0;
}

static int64_t put_wish(struct fixture *fixture, const char *zone, const char *kind)
{
    struct admin_store_wish wish = {.kind = kind, .id = ID, .detail = "", .at = 5};
    int64_t number = 0;

    assert_int_equal(admin_store_put_wish(fixture->admin, zone, &wish, "olga", &number),
                     0);
    return number;
}

static void test_wishes_are_numbered_by_zone(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {0};

    assert_int_equal(put_wish(fixture, ZONE, "forget"), 1);
    assert_int_equal(put_wish(fixture, "other.example.com", "forget"), 1);
    assert_int_equal(put_wish(fixture, ZONE, "reactivate"), 2);
    assert_int_equal(
        admin_store_wishes_after(fixture->admin, ZONE, 1, 10, see_wish, &seen), 0);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.kind, "reactivate");
    seen.count = 0;
    assert_int_equal(admin_store_wishes_of(fixture->admin, ZONE, ID, see_wish, &seen), 0);
    assert_int_equal(seen.count, 2);
}

/* A file that was lost goes on where the answers were. */
static void test_a_number_is_above_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct admin_store_wish wish = {
        .number = 7, .kind = "forget", .id = ID, .detail = "", .at = 5};
    int64_t number = 0;

    assert_int_equal(admin_store_put_wish(fixture->admin, ZONE, &wish, "olga", &number),
                     0);
    assert_int_equal(number, 8);
    assert_int_equal(put_wish(fixture, ZONE, "forget"), 9);
}

static void put_answer(struct fixture *fixture, int64_t number,
                       enum wish_answer_state how, const char *content)
{
    struct wish_answer answer = {number, how, content, 7};
    int64_t rev = 0;

    assert_int_equal(database_begin(fixture->issuer, &rev), 0);
    assert_int_equal(wish_answer_put(fixture->issuer, ZONE, rev, &answer), 0);
    assert_int_equal(database_commit(fixture->issuer), 0);
}

static void test_answers(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {0};
    int64_t last = -1;

    assert_int_equal(wish_answer_last(fixture->issuer, ZONE, &last), 0);
    assert_int_equal(last, 0);
    assert_int_equal(wish_answer_get(fixture->issuer, ZONE, 1, see_answer, &seen),
                     ERROR_NOT_FOUND);
    put_answer(fixture, 1, WISH_ANSWER_BEGUN, "");
    put_answer(fixture, 2, WISH_ANSWER_DONE, "");
    assert_int_equal(wish_answer_begun(fixture->issuer, ZONE, see_answer, &seen), 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last, 1);
    put_answer(fixture, 1, WISH_ANSWER_FAILED, "why");
    assert_int_equal(wish_answer_get(fixture->issuer, ZONE, 1, see_answer, &seen), 0);
    assert_int_equal(seen.state, WISH_ANSWER_FAILED);
    assert_string_equal(seen.content, "why");
    seen.count = 0;
    assert_int_equal(wish_answer_begun(fixture->issuer, ZONE, see_answer, &seen), 0);
    assert_int_equal(seen.count, 0);
    assert_int_equal(wish_answer_last(fixture->issuer, ZONE, &last), 0);
    assert_int_equal(last, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wishes_are_numbered_by_zone, open_stores,
                                        close_stores),
        cmocka_unit_test_setup_teardown(test_a_number_is_above_its_own, open_stores,
                                        close_stores),
        cmocka_unit_test_setup_teardown(test_answers, open_stores, close_stores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
