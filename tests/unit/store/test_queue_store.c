/* Places are counted as if they had been walked, whoever leaves from where. */
#include "relay/store/queue_store.h"

#include "base/core/text.h"
#include "relay/store/schema.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"

enum { PLACES = 70000, TEXT_MAX = 32 }; /* more than a block of level 2 */

static int take_ticket(const struct queue_store_place *place, void *arg)
{
    *(int64_t *)arg = place->ticket;
    return 0;
}

static void add(struct database *database, int64_t rev, unsigned number, int64_t kept_at)
{
    char id[TEXT_MAX];
    struct queue_store_place place = {
        .id = id, .reason = "r", .asked_at = 1, .turn_at = 2, .kept_until_at = kept_at};

    assert_true(text_format(id, sizeof(id), "id-%u", number));
    assert_int_equal(queue_store_add(database, ZONE, rev, &place), 0);
}

static void check(struct database *database, const bool *is_there)
{
    int64_t expected = 0;
    int64_t count = -1;

    for (unsigned i = 0; i < PLACES; i++) {
        if (i % 997 == 0 || i == 255 || i == 256 || i == 65535 || i == 65536) {
            assert_int_equal(queue_store_count_ahead(database, ZONE, i, &count), 0);
            assert_int_equal(count, expected);
        }
        expected += is_there[i] ? 1 : 0;
    }
    assert_int_equal(queue_store_count_ahead(database, ZONE, INT64_MAX, &count), 0);
    assert_int_equal(count, expected);
}

static struct database *open_store(int64_t *ret_rev)
{
    char folder[] = "/tmp/latchkey-queue-XXXXXX";
    struct database *database = NULL;

    assert_non_null(mkdtemp(folder));
    assert_int_equal(
        database_open(folder, "issuer.db", DATABASE_WRITER, schema_issuer, &database), 0);
    assert_int_equal(database_begin(database, ret_rev), 0);
    return database;
}

static void test_count(void **state)
{
    bool *is_there = calloc(PLACES, sizeof(*is_there));
    int64_t rev = 0;
    int64_t ticket = -1;
    uint32_t seed = 7;
    struct database *database = open_store(&rev);

    (void)state;
    assert_non_null(is_there);
    for (unsigned i = 0; i < PLACES; i++) {
        add(database, rev, i, 1000);
        is_there[i] = true;
    }
    assert_int_equal(queue_store_place(database, ZONE, "id-66000", take_ticket, &ticket),
                     0);
    assert_int_equal(ticket, 66000);
    check(database, is_there);
    for (unsigned i = 0; i < PLACES / 2; i++) {
        seed = seed * 1664525U + 1013904223U;
        assert_int_equal(queue_store_remove(database, ZONE, seed % PLACES), 0);
        is_there[seed % PLACES] = false;
    }
    assert_int_equal(queue_store_remove(database, ZONE, seed % PLACES), 0); /* again */
    check(database, is_there);
    free(is_there);
    database_close(database);
}

static void test_lost(void **state)
{
    int64_t rev = 0;
    int64_t count = -1;
    int lost = -1;
    struct database *database = open_store(&rev);

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        add(database, rev, i, i < 70 ? 10 : 20);
    }
    assert_int_equal(queue_store_remove_lost(database, ZONE, 10, &lost), 0);
    assert_int_equal(lost, 0);
    assert_int_equal(queue_store_shift(database, ZONE, rev, -1), 0);
    assert_int_equal(queue_store_remove_lost(database, ZONE, 10, &lost), 0);
    assert_int_equal(lost, QUEUE_STORE_LOST_MAX);
    assert_int_equal(queue_store_remove_lost(database, ZONE, 10, &lost), 0);
    assert_int_equal(lost, 70 - QUEUE_STORE_LOST_MAX);
    assert_int_equal(queue_store_count_ahead(database, ZONE, INT64_MAX, &count), 0);
    assert_int_equal(count, 30);
    assert_int_equal(queue_store_place(database, ZONE, "id-3", take_ticket, &count),
                     ERROR_NOT_FOUND);
    database_close(database);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
