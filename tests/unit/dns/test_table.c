#include "dns/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { KEY = 8, KEYS = 5000 };

struct entry {
    char key[KEY];
    unsigned value;
};

/* One calloc in so many succeeds (1: all); 0: none does. */
static unsigned calloc_share = 1;
static unsigned calloc_count;
static size_t calloc_largest;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    if (calloc_share == 0 || ++calloc_count % calloc_share != 0) {
        return NULL;
    }
    calloc_largest = count * size > calloc_largest ? count * size : calloc_largest;
    return __real_calloc(count, size);
}

static void make_key(unsigned number, char ret_key[static KEY + 1])
{
    snprintf(ret_key, KEY + 1, "k%07u", number % 10000000);
}

static bool put(struct dns_table *table, unsigned number)
{
    char key[KEY + 1];
    void *entry = NULL;
    make_key(number, key);
    if (dns_table_insert(table, key, &entry) != 0) {
        return false;
    }
    ((struct entry *)entry)->value = number;
    return true;
}

static const struct entry *get(const struct dns_table *table, unsigned number)
{
    char key[KEY + 1];
    make_key(number, key);
    return dns_table_find(table, key);
}

static void drop(struct dns_table *table, unsigned number)
{
    char key[KEY + 1];
    make_key(number, key);
    dns_table_remove(table, key);
}

static void test_insert_find_remove(void **state)
{
    struct dns_table table;
    (void)state;
    assert_int_equal(dns_table_init(&table, sizeof(struct entry), KEY, KEYS), 0);
    assert_null(get(&table, 1));
    drop(&table, 1);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_true(put(&table, i));
    }
    assert_true(put(&table, 7)); /* there already: no new entry */
    assert_int_equal(table.count, KEYS);
    assert_false(put(&table, KEYS)); /* the maximum */
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(get(&table, i)->value, i);
    }
    for (unsigned i = 0; i < KEYS; i += 2) {
        drop(&table, i);
    }
    drop(&table, 0); /* again */
    assert_int_equal(table.count, KEYS / 2);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(get(&table, i) != NULL, i % 2);
    }
    dns_table_free(&table);
}

/* Random inserts and removals beside a plain array of what should be there: removal must
 * close its hole, over the end of the slots too. */
static void test_against_a_model(void **state)
{
    struct dns_table table;
    bool there[256] = {false};
    uint32_t random = 1;
    size_t count = 0;
    (void)state;
    assert_int_equal(dns_table_init(&table, sizeof(struct entry), KEY, 1000), 0);
    for (int round = 0; round < 200000; round++) {
        random = random * 1664525 + 1013904223;
        unsigned number = random >> 8 & 0xff;
        if (((random >> 20) & 3) != 0) {
            assert_true(put(&table, number));
        } else {
            drop(&table, number);
        }
        bool now = ((random >> 20) & 3) != 0;
        count += now ? 1 : 0;
        count -= there[number] ? 1 : 0;
        there[number] = now;
        assert_int_equal(table.count, count);
        random = random * 1664525 + 1013904223;
        number = random >> 8 & 0xff;
        assert_int_equal(get(&table, number) != NULL, there[number]);
    }
    for (unsigned i = 0; i < 256; i++) {
        assert_int_equal(get(&table, i) != NULL, there[i]);
    }
    dns_table_free(&table);
}

/* Removing while walking, as table.h says it. */
static void test_walk_and_remove(void **state)
{
    struct dns_table table;
    (void)state;
    for (unsigned keep = 1; keep < 6; keep++) {
        size_t at = 0;
        size_t kept = 0;
        assert_int_equal(dns_table_init(&table, sizeof(struct entry), KEY, KEYS), 0);
        for (unsigned i = 0; i < 3000; i++) {
            assert_true(put(&table, i));
        }
        for (struct entry *entry = dns_table_next(&table, &at); entry != NULL;
             entry = dns_table_next(&table, &at)) {
            if (entry->value % keep != 0) {
                drop(&table, entry->value);
                at--;
            }
        }
        at = 0;
        for (struct entry *entry = dns_table_next(&table, &at); entry != NULL;
             entry = dns_table_next(&table, &at)) {
            assert_int_equal(entry->value % keep, 0);
            kept++;
        }
        assert_int_equal(kept, (3000 + keep - 1) / keep);
        assert_int_equal(table.count, kept);
        dns_table_free(&table);
    }
}

/* Each entry once, and nothing that is not in the model. */
static void check_walk(const struct dns_table *table, const bool *there, size_t count)
{
    bool seen[KEYS] = {false};
    size_t at = 0;
    size_t walked = 0;
    for (const struct entry *entry = dns_table_next(table, &at); entry != NULL;
         entry = dns_table_next(table, &at)) {
        assert_true(entry->value < KEYS && there[entry->value] && !seen[entry->value]);
        seen[entry->value] = true;
        walked++;
    }
    assert_int_equal(walked, count);
}

/* Random puts, removals and look-ups in several shards that fill up and empty again, while
 * two allocations of three fail: what was taken is there, what was refused is not. */
static void test_growth_against_a_model(void **state)
{
    struct dns_table table;
    static bool there[KEYS];
    uint32_t random = 1;
    size_t count = 0;
    size_t refused = 0;
    (void)state;
    assert_int_equal(dns_table_init(&table, sizeof(struct entry), KEY, KEYS), 0);
    assert_true(table.shard_count > 1);
    calloc_share = 3;
    for (unsigned round = 0; round < 200000; round++) {
        bool filling = (round / 40000) % 2 == 0;
        random = random * 1664525 + 1013904223;
        unsigned number = (random >> 8) % KEYS;
        if (((random >> 4) % 4 != 0) == filling) {
            bool taken = put(&table, number);
            assert_true(taken || !there[number]);
            count += taken && !there[number] ? 1 : 0;
            refused += taken ? 0 : 1;
            there[number] = taken;
        } else {
            drop(&table, number);
            count -= there[number] ? 1 : 0;
            there[number] = false;
        }
        assert_int_equal(table.count, count);
        random = random * 1664525 + 1013904223;
        number = (random >> 8) % KEYS;
        const struct entry *entry = get(&table, number);
        assert_int_equal(entry != NULL, there[number]);
        assert_true(entry == NULL || entry->value == number);
        if (round % 1000 == 0) {
            check_walk(&table, there, count);
        }
    }
    calloc_share = 1;
    assert_true(refused > 0);
    check_walk(&table, there, count);
    dns_table_free(&table);
}

/* Without memory the free slots are used up; then a put is refused, and all is as it was. */
static void test_growth_without_memory(void **state)
{
    enum { SOME = 3000 };
    struct dns_table table;
    bool there[KEYS] = {false};
    (void)state;
    assert_int_equal(dns_table_init(&table, sizeof(struct entry), KEY, KEYS), 0);
    calloc_share = 0;
    assert_false(put(&table, 1));
    assert_null(get(&table, 1));
    calloc_share = 1;
    for (unsigned i = 0; i < SOME; i++) {
        there[i] = put(&table, i);
        assert_true(there[i]);
    }
    calloc_share = 0;
    for (unsigned i = SOME; i < KEYS; i++) {
        there[i] = put(&table, i);
    }
    assert_true(table.count > SOME && table.count < KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(get(&table, i) != NULL, there[i]);
    }
    check_walk(&table, there, table.count);
    calloc_share = 1;
    for (unsigned i = 0; i < KEYS; i++) {
        assert_true(put(&table, i));
    }
    assert_int_equal(table.count, KEYS);
    dns_table_free(&table);
}

/* How many of the first COUNT entries lie elsewhere than in PLACES, which is brought up to
 * date. */
static size_t count_moved(const struct dns_table *table, const struct entry **places,
                          unsigned count)
{
    size_t moved = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct entry *entry = get(table, i);
        moved += entry != places[i] ? 1 : 0;
        places[i] = entry;
    }
    return moved;
}

/* The pause of a put does not depend on the number of entries: one shard grows at a time,
 * and none grows beyond its maximum. */
static void test_bound_of_a_put(void **state)
{
    enum { SHARDS = 32, FEW = 2000, MANY = 100000 };
    struct dns_table table;
    const struct entry *places[FEW] = {NULL};
    size_t most_moved = 0;
    (void)state;
    assert_int_equal(dns_table_init(&table, sizeof(struct entry), KEY, 1024 * SHARDS), 0);
    for (unsigned i = 0; i < FEW; i++) {
        assert_true(put(&table, i));
        size_t moved = count_moved(&table, places, i);
        places[i] = get(&table, i);
        most_moved = moved > most_moved ? moved : most_moved;
    }
    assert_in_range(most_moved, 1, FEW * 4 / SHARDS);
    dns_table_free(&table);

    assert_int_equal(dns_table_init(&table, sizeof(struct entry), KEY, MANY), 0);
    calloc_largest = 0;
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(put(&table, i));
    }
    assert_in_range(calloc_largest, 1,
                    DNS_TABLE_SHARD_SLOTS_MAX * (1 + sizeof(struct entry)));
    dns_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert_find_remove),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_walk_and_remove),
        cmocka_unit_test(test_growth_against_a_model),
        cmocka_unit_test(test_growth_without_memory),
        cmocka_unit_test(test_bound_of_a_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
