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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert_find_remove),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_walk_and_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
