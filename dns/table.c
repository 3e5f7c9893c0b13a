/* The upper half of a key's hash chooses the shard, the lower half its home slot there.
 * Within a shard: open addressing with linear probing at a load of at most 3/4 (more only
 * while memory is short). Removal moves the entries behind the hole back (no tombstones),
 * so that challenges may come and go for years without the table decaying. */
#include "dns/table.h"

#include "base/core/siphash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHARD_ENTRIES = 1024, /* on average, in a full table; a keyed hash keeps near it */
    FIRST_CAPACITY = 8,
};

/* Where a key belongs. */
struct place {
    struct dns_table_shard *shard;
    size_t home; /* before it is cut to the shard's capacity */
};

int dns_table_init(struct dns_table *table, size_t entry_size, size_t key_size,
                   size_t max_count)
{
    struct dns_table made = {.shard_count = 1,
                             .entry_size = entry_size,
                             .key_size = key_size,
                             .max_count = max_count};
    while (made.shard_count < max_count / SHARD_ENTRIES) {
        made.shard_count *= 2;
    }
    int error = siphash_key(made.hash_key);
    if (error == ERROR_NONE) {
        *table = made;
    }
    return error;
}

static uint8_t *entry_at(const struct dns_table *table,
                         const struct dns_table_shard *shard, size_t slot)
{
    return shard->slots + shard->capacity + slot * table->entry_size;
}

/* The shards are there already. */
static struct place place_of(const struct dns_table *table, const void *key)
{
    uint64_t hash = siphash_13(table->hash_key, key, table->key_size);
    return (struct place){&table->shards[(hash >> 32) & (table->shard_count - 1)],
                          (size_t)(hash & UINT32_MAX)};
}

/* The slot of SHARD that holds KEY, or the free one where it belongs. The capacity is not
 * 0, and never full. */
static size_t find_slot(const struct dns_table *table,
                        const struct dns_table_shard *shard, size_t home, const void *key,
                        bool *ret_found)
{
    size_t mask = shard->capacity - 1;
    size_t slot = home & mask;
    while (shard->slots[slot]) {
        if (memcmp(entry_at(table, shard, slot), key, table->key_size) == 0) {
            *ret_found = true;
            return slot;
        }
        slot = (slot + 1) & mask;
    }
    *ret_found = false;
    return slot;
}

static void *find_in(const struct dns_table *table, const struct place *place,
                     const void *key)
{
    bool found = false;
    if (place->shard->capacity == 0) {
        return NULL;
    }
    size_t slot = find_slot(table, place->shard, place->home, key, &found);
    return found ? entry_at(table, place->shard, slot) : NULL;
}

void *dns_table_find(const struct dns_table *table, const void *key)
{
    if (table->shards == NULL) {
        return NULL;
    }
    struct place place = place_of(table, key);
    return find_in(table, &place, key);
}

static int grow(const struct dns_table *table, struct dns_table_shard *shard)
{
    struct dns_table_shard bigger = *shard;
    bigger.capacity = shard->capacity > 0 ? shard->capacity * 2 : FIRST_CAPACITY;
    if (bigger.capacity > DNS_TABLE_SHARD_SLOTS_MAX) {
        return ERROR_MEMORY; /* never, with a keyed hash: three times the average */
    }
    bigger.slots = calloc(bigger.capacity, 1 + table->entry_size);
    if (bigger.slots == NULL) {
        return ERROR_MEMORY;
    }
    for (size_t i = 0; i < shard->capacity; i++) {
        if (shard->slots[i]) {
            bool found = false;
            const uint8_t *entry = entry_at(table, shard, i);
            size_t home = place_of(table, entry).home;
            size_t slot = find_slot(table, &bigger, home, entry, &found);
            bigger.slots[slot] = 1;
            memcpy(entry_at(table, &bigger, slot), entry, table->entry_size);
        }
    }
    free(shard->slots);
    *shard = bigger;
    return ERROR_NONE;
}

/* Room for one entry more. A shard that can't grow is filled up to its last slot but one,
 * which ends the probing. */
static int make_room(const struct dns_table *table, struct dns_table_shard *shard)
{
    if ((shard->count + 1) * 4 <= shard->capacity * 3) {
        return ERROR_NONE;
    }
    int error = grow(table, shard);
    return shard->count + 1 < shard->capacity ? ERROR_NONE : error;
}

int dns_table_insert(struct dns_table *table, const void *key, void **ret_entry)
{
    if (table->shards == NULL) {
        table->shards = calloc(table->shard_count, sizeof(*table->shards));
        if (table->shards == NULL) {
            return ERROR_MEMORY;
        }
    }
    struct place place = place_of(table, key);
    struct dns_table_shard *shard = place.shard;
    void *entry = find_in(table, &place, key);
    if (entry != NULL) {
        *ret_entry = entry;
        return ERROR_NONE;
    }
    if (table->count >= table->max_count) {
        return ERROR_LIMIT;
    }
    int error = make_room(table, shard);
    if (error != ERROR_NONE) {
        return error;
    }
    bool found = false;
    size_t slot = find_slot(table, shard, place.home, key, &found);
    uint8_t *fresh = entry_at(table, shard, slot);
    memset(fresh, 0, table->entry_size);
    memcpy(fresh, key, table->key_size);
    shard->slots[slot] = 1;
    shard->count++;
    table->count++;
    *ret_entry = fresh;
    return ERROR_NONE;
}

void dns_table_remove(struct dns_table *table, const void *key)
{
    bool found = false;
    if (table->shards == NULL) {
        return;
    }
    struct place place = place_of(table, key);
    struct dns_table_shard *shard = place.shard;
    if (shard->capacity == 0) {
        return;
    }
    size_t mask = shard->capacity - 1;
    size_t hole = find_slot(table, shard, place.home, key, &found);
    if (!found) {
        return;
    }
    for (size_t i = (hole + 1) & mask; shard->slots[i]; i = (i + 1) & mask) {
        /* An entry may move into the hole unless its home lies between the hole and
         * itself. */
        const uint8_t *entry = entry_at(table, shard, i);
        size_t home = place_of(table, entry).home;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            memcpy(entry_at(table, shard, hole), entry, table->entry_size);
            hole = i;
        }
    }
    shard->slots[hole] = 0;
    shard->count--;
    table->count--;
}

/* *AT counts as if each shard had all the slots that it may ever have. */
void *dns_table_next(const struct dns_table *table, size_t *at)
{
    size_t index = *at / DNS_TABLE_SHARD_SLOTS_MAX;
    size_t slot = *at % DNS_TABLE_SHARD_SLOTS_MAX;
    for (; table->shards != NULL && index < table->shard_count; index++, slot = 0) {
        const struct dns_table_shard *shard = &table->shards[index];
        for (; slot < shard->capacity; slot++) {
            if (shard->slots[slot]) {
                *at = index * DNS_TABLE_SHARD_SLOTS_MAX + slot + 1;
                return entry_at(table, shard, slot);
            }
        }
    }
    *at = table->shard_count * DNS_TABLE_SHARD_SLOTS_MAX;
    return NULL;
}

void dns_table_free(struct dns_table *table)
{
    for (size_t i = 0; table->shards != NULL && i < table->shard_count; i++) {
        free(table->shards[i].slots);
    }
    free(table->shards);
    *table = (struct dns_table){0};
}
