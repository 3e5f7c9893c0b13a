/* A device comes with four or five requests in a row; each would read the JWK, check the point
 * and build the key anew, a third of what verifying the signature costs. A table of fixed
 * size, one place per hash. */
#include "relay/front/key_cache.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2048 };

struct slot {
    char id[KEY_ID_SIZE + 1];
    struct key *key;
};

struct key_cache {
    struct slot slots[SLOTS];
};

int key_cache_new(struct key_cache **ret_cache)
{
    struct key_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL) {
        return ERROR_MEMORY;
    }
    *ret_cache = cache;
    return 0;
}

void key_cache_free(struct key_cache *cache)
{
    for (size_t i = 0; cache != NULL && i < SLOTS; i++) {
        key_free(cache->slots[i].key);
    }
    free(cache);
}

static struct slot *place_of(struct key_cache *cache, const char *id)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (; *id != '\0'; id++) {
        hash = (hash ^ (uint8_t)*id) * 16777619U;
    }
    return &cache->slots[hash % SLOTS];
}

struct key *key_cache_get(struct key_cache *cache, const char *id)
{
    struct slot *slot = place_of(cache, id);

    return slot->key != NULL && strcmp(slot->id, id) == 0 ? key_ref(slot->key) : NULL;
}

void key_cache_put(struct key_cache *cache, const char *id, struct key *key)
{
    struct slot *slot = place_of(cache, id);

    if (strlen(id) != KEY_ID_SIZE) {
        return;
    }
    key_free(slot->key);
    slot->key = key_ref(key);
    memcpy(slot->id, id, KEY_ID_SIZE + 1);
}
