/* A hash table of fixed-size entries, keyed by their first octets, with a maximum given
 * at creation. The hash is keyed with random octets: names come from outside, and an id
 * can be chosen by trying keys. One writer; readers only between its calls. */
#ifndef DNS_TABLE_H
#define DNS_TABLE_H

#include "base/core/error.h"

#include <stddef.h>
#include <stdint.h>

struct dns_table {
    uint8_t *entries; /* capacity * entry_size */
    uint8_t *used;    /* one octet per slot: 0 or 1 */
    size_t entry_size;
    size_t key_size;
    size_t capacity; /* 0 or a power of two */
    size_t count;
    size_t max_count;
    uint64_t hash_key[2];
};

/* An empty table; nothing but the hash key is made yet. */
int dns_table_init(struct dns_table *table, size_t entry_size, size_t key_size,
                   size_t max_count) MUST_CHECK;
/* The entry with KEY (key_size octets), or NULL. Valid until the next insert or remove.
 */
void *dns_table_find(const struct dns_table *table, const void *key);
/* The entry with KEY, made and zeroed but for its key if there was none. ERROR_LIMIT,
 * ERROR_MEMORY. */
int dns_table_insert(struct dns_table *table, const void *key,
                     void **ret_entry) MUST_CHECK;
/* Removes the entry with KEY, if any; what it points to is the caller's to free first. */
void dns_table_remove(struct dns_table *table, const void *key);
/* The first entry in a slot >= *AT, with *AT moved behind it; NULL at the end. Whoever
 * removes that entry sets *AT back by one, and may see an entry twice, but misses none.
 */
void *dns_table_next(const struct dns_table *table, size_t *at);
/* Frees the table's own memory; it may be initialised again. */
void dns_table_free(struct dns_table *table);

#endif
