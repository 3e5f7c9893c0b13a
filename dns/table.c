/* Open addressing with linear probing at a load of at most 3/4. Removal moves the entries
 * behind the hole back (no tombstones), so that challenges may come and go for years
 * without the table decaying. */
#include "dns/table.h"

#include "base/core/siphash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

int dns_table_init(struct dns_table *table, size_t entry_size, size_t key_size,
                   size_t max_count)
{
    struct dns_table made = {
        .entry_size = entry_size, .key_size = key_size, .max_count = max_count};
    int error = siphash_key(made.hash_key);
    if (error == ERROR_NONE) {
        *table = made;
    }
    return error;
}

static uint8_t *entry_at(const struct dns_table *table, size_t slot)
{
    return table->entries + slot * table->entry_size;
}

static size_t home_slot(const struct dns_table *table, const void *key)
{
    return siphash_13(table->hash_key, key, table->key_size) & (table->capacity - 1);
}

/* The slot that holds KEY, or the free one where it belongs. The capacity is not 0, and
 * never full. */
static size_t find_slot(const struct dns_table *table, const void *key, bool *ret_found)
{
    size_t slot = home_slot(table, key);
    while (table->used[slot]) {
        if (memcmp(entry_at(table, slot), key, table->key_size) == 0) {
            *ret_found = true;
            return slot;
        }
        slot = (slot + 1) & (table->capacity - 1);
    }
    *ret_found = false;
    return slot;
}

void *dns_table_find(const struct dns_table *table, const void *key)
{
    bool found = false;
    if (table->capacity == 0) {
        return NULL;
    }
    size_t slot = find_slot(table, key, &found);
    return found ? entry_at(table, slot) : NULL;
}

static int grow(struct dns_table *table)
{
    struct dns_table bigger = *table;
    bigger.capacity = table->capacity > 0 ? table->capacity * 2 : FIRST_CAPACITY;
    bigger.entries = calloc(bigger.capacity, table->entry_size);
    bigger.used = calloc(bigger.capacity, 1);
    if (bigger.entries == NULL || bigger.used == NULL) {
        free(bigger.entries);
        free(bigger.used);
        return ERROR_MEMORY;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->used[i]) {
            bool found = false;
            size_t slot = find_slot(&bigger, entry_at(table, i), &found);
            bigger.used[slot] = 1;
            memcpy(entry_at(&bigger, slot), entry_at(table, i), table->entry_size);
        }
    }
    free(table->entries);
    free(table->used);
    *table = bigger;
    return ERROR_NONE;
}

int dns_table_insert(struct dns_table *table, const void *key, void **ret_entry)
{
    void *entry = dns_table_find(table, key);
    if (entry != NULL) {
        *ret_entry = entry;
        return ERROR_NONE;
    }
    if (table->count >= table->max_count) {
        return ERROR_LIMIT;
    }
    if ((table->count + 1) * 4 > table->capacity * 3) {
        int error = grow(table);
        if (error != ERROR_NONE) {
            return error;
        }
    }
    bool found = false;
    size_t slot = find_slot(table, key, &found);
    uint8_t *fresh = entry_at(table, slot);
    memset(fresh, 0, table->entry_size);
    memcpy(fresh, key, table->key_size);
    table->used[slot] = 1;
    table->count++;
    *ret_entry = fresh;
    return ERROR_NONE;
}

void dns_table_remove(struct dns_table *table, const void *key)
{
    bool found = false;
    if (table->capacity == 0) {
        return;
    }
    size_t mask = table->capacity - 1;
    size_t hole = find_slot(table, key, &found);
    if (!found) {
        return;
    }
    for (size_t i = (hole + 1) & mask; table->used[i]; i = (i + 1) & mask) {
        /* An entry may move into the hole unless its home lies between the hole and
         * itself. */
        size_t home = home_slot(table, entry_at(table, i));
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            memcpy(entry_at(table, hole), entry_at(table, i), table->entry_size);
            hole = i;
        }
    }
    table->used[hole] = 0;
    table->count--;
}

void *dns_table_next(const struct dns_table *table, size_t *at)
{
    for (size_t i = *at; i < table->capacity; i++) {
        if (table->used[i]) {
            *at = i + 1;
            return entry_at(table, i);
        }
    }
    *at = table->capacity;
    return NULL;
}

void dns_table_free(struct dns_table *table)
{
    free(table->entries);
    free(table->used);
    *table = (struct dns_table){0};
}
