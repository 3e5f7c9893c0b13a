/* Places are counted as if they had been walked, whoever leaves from where. */
#include "relay/store/queue_store.h"

#include "base/core/text.h"
#include "relay/store/schema.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"

/* Two stretches of tickets: across blocks of level 1, and across one of level 2. */
enum { FIRST_END = 1000, SECOND_START = 65000, PLACES = 66500, TEXT_MAX = 32 };

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

/* A place with this very TICKET: as if all that were between had left. */
static void jump(struct database *database, int64_t rev, int64_t ticket)
{
    char id[TEXT_MAX];

    assert_true(text_format(id, sizeof(id), "id-%" PRId64, ticket));
    assert_int_equal(
        database_run(database,
                     "INSERT INTO queue (zone, ticket, rev, id, reason, asked_at,"
                     " turn_at, kept_until_at) VALUES (?, ?, ?, ?, 'r', 1, 2, 1000)",
                     "tiit", ZONE, ticket, rev, id),
        0);
    assert_int_equal(database_run(database,
                                  "INSERT INTO queue_blocks (zone, level, block, places)"
                                  " VALUES (?, 1, ?, 1)",
                                  "ti", ZONE, ticket >> 8),
                     0);
    assert_int_equal(database_run(database,
                                  "UPDATE queue_blocks SET places = places + 1"
                                  " WHERE zone = ? AND level = 2 AND block = ?",
                                  "ti", ZONE, ticket >> 16),
                     0);
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
    for (unsigned i = 0; i < FIRST_END; i++) {
        add(database, rev, i, 1000);
        is_there[i] = true;
    }
    jump(database, rev, SECOND_START);
    is_there[SECOND_START] = true;
    for (unsigned i = SECOND_START + 1; i < PLACES; i++) {
        add(database, rev, i, 1000);
        is_there[i] = true;
    }
    assert_int_equal(queue_store_place(database, ZONE, "id-66000", take_ticket, &ticket),
                     0);
    assert_int_equal(ticket, 66000);
    check(database, is_there);
    for (unsigned i = 0; i < FIRST_END; i++) {
        seed = seed * 1664525U + 1013904223U;
        ticket = seed >> 8;
        ticket = ticket % 2 == 0 ? ticket % FIRST_END
                                 : SECOND_START + ticket % (PLACES - SECOND_START);
        assert_int_equal(queue_store_remove(database, ZONE, ticket), 0);
        is_there[ticket] = false;
    }
    assert_int_equal(queue_store_remove(database, ZONE, ticket), 0); /* again */
    check(database, is_there);
    free(is_there);
    database_close(database);
}

static int note_ticket(const struct queue_store_place *place, void *arg)
{
    char *all = arg;
    size_t size = strlen(all);

    snprintf(all + size, TEXT_MAX - size, "%" PRId64 " ", place->ticket);
    return 0;
}

static void test_pages(void **state)
{
    static const struct {
        int64_t after;
        int64_t limit;
        const char *tickets;
    } rows[] = {
        {-1, 2, "0 1 "}, {1, 2, "3 4 "}, {2, 2, "3 4 "}, {4, 2, ""}, {-1, 9, "0 1 3 4 "},
    };
    int64_t rev = 0;
    struct database *database = open_store(&rev);

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        add(database, rev, i, 1000);
    }
    assert_int_equal(queue_store_remove(database, ZONE, 2), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char all[TEXT_MAX] = "";

        assert_int_equal(queue_store_places_after(database, ZONE, rows[i].after,
                                                  rows[i].limit, note_ticket, all),
                         0);
        assert_string_equal(all, rows[i].tickets);
    }
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
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
