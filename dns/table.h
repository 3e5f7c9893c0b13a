/* A hash table of fixed-size entries, keyed by their first octets, with a maximum given
 * at creation. The hash is keyed with random octets: names come from outside, and an id
 * can be chosen by trying keys. One writer; readers only between its calls.
 *
 * Readers wait while the writer works, so no insert or removal may take long, however many
 * entries there are: they lie in many small tables, the shards, each of which grows by
 * itself. */
#ifndef DNS_TABLE_H
#define DNS_TABLE_H

#include "base/core/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    /* An insert allocates for at most so many entries, and moves fewer. */
    DNS_TABLE_SHARD_SLOTS_MAX = 4096,
};

struct dns_table_shard {
    uint8_t *slots;    /* an octet per slot, 1: used; then the entries. One allocation */
    uint32_t capacity; /* slots: 0 or a power of two */
    uint32_t count;
};

struct dns_table {
    struct dns_table_shard *shards; /* NULL until the first insert */
    size_t shard_count;             /* a power of two */
    size_t entry_size;
    size_t key_size;
    size_t count; /* in all shards */
    size_t max_count;
    uint64_t hash_key[2];
};

/* An empty table; nothing but the hash key is made yet. Entries are aligned to eight
 * octets when ENTRY_SIZE is a multiple of that. ERROR_IO. */
int dns_table_init(struct dns_table *table, size_t entry_size, size_t key_size,
                   size_t max_count) MUST_CHECK;
/* The entry with KEY (key_size octets), or NULL. Valid until the next insert or remove.
 */
void *dns_table_find(const struct dns_table *table, const void *key);
/* The entry with KEY, made and zeroed but for its key if there was none. ERROR_LIMIT;
 * ERROR_MEMORY: there was neither a free slot nor memory for more, and the table is as it
 * was. Moves at most the entries of one shard. */
int dns_table_insert(struct dns_table *table, const void *key,
                     void **ret_entry) MUST_CHECK;
/* Removes the entry with KEY, if any; what it points to is the caller's to free first. */
void dns_table_remove(struct dns_table *table, const void *key);
/* The first entry in a slot >= *AT (0: the first), with *AT moved behind it; NULL at the
 * end. Whoever removes that entry sets *AT back by one, and may see an entry twice, but
 * misses none. An insert in between ends the walk. */
void *dns_table_next(const struct dns_table *table, size_t *at);
/* Frees the table's own memory; it may be initialised again. */
void dns_table_free(struct dns_table *table);

#endif
