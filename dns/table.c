/* Open addressing with linear probing at a load of at most 3/4. Removal moves the entries
 * behind the hole back (no tombstones), so that challenges may come and go for years
 * without the table decaying. */
#include "dns/table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { FIRST_CAPACITY = 64 };

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[static 4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

uint64_t dns_table_hash(const uint64_t key[static 2], const void *data, size_t size)
{
    const uint8_t *octets = data;
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
    uint64_t last = (uint64_t)size << 56;
    size_t whole = size & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word = 0;
        for (unsigned j = 0; j < 8; j++) {
            word |= (uint64_t)octets[i + j] << (8 * j);
        }
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = whole; i < size; i++) {
        last |= (uint64_t)octets[i] << (8 * (i - whole));
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int dns_table_hash_key(uint64_t ret_key[static 2])
{
    uint64_t key[2] = {0};
    ssize_t got = getrandom(key, sizeof(key), 0);
    if (got != (ssize_t)sizeof(key)) {
        return ERROR_IO;
    }
    memcpy(ret_key, key, sizeof(key));
    return ERROR_NONE;
}

int dns_table_init(struct dns_table *table, size_t entry_size, size_t key_size,
                   size_t max_count)
{
    struct dns_table made = {
        .entry_size = entry_size, .key_size = key_size, .max_count = max_count};
    int error = dns_table_hash_key(made.hash_key);
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
    return dns_table_hash(table->hash_key, key, table->key_size) & (table->capacity - 1);
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
