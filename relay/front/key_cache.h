/* The public keys of accounts seen lately. An id is the hash of its key, so an entry can
 * never be stale. */
#ifndef RELAY_FRONT_KEY_CACHE_H
#define RELAY_FRONT_KEY_CACHE_H

#include "base/crypto/key.h"

struct key_cache;

/* Empty. Free with key_cache_free. ERROR_MEMORY. */
int key_cache_new(struct key_cache **ret_cache) MUST_CHECK;
void key_cache_free(struct key_cache *cache);

/* The key of ID, with a reference for the caller (key_free it), or NULL. */
struct key *key_cache_get(struct key_cache *cache, const char *id);
/* Keeps a reference to KEY, whose id is ID; some other entry may go for it. */
void key_cache_put(struct key_cache *cache, const char *id, struct key *key);

#endif
