/* Sets of WAYS buckets, a cache line each; a keyed hash chooses the set, so that nobody can
 * choose whom to share one with. A bucket is the time at which it will be full again (the
 * generic cell rate algorithm). When a set is full, the one that is nearest to full goes: who
 * floods keeps its place, however many others come, and who is forgotten was owed the least.
 * So a flood from very many networks makes the limiter looser, never stricter. */
#include "base/net/rate_limiter.h"

#include "base/core/siphash.h"

#include <stdlib.h>

enum { SETS = 4096, WAYS = 4, SET_SIZE = 64, US_PER_S = 1000000, US_PER_MS = 1000 };

struct bucket {
    uint64_t who;
    int64_t full_mono_us;
};

struct rate_limiter {
    struct bucket (*sets)[WAYS];
    uint64_t hash_key[2];
    int64_t unit_us;
    int64_t burst_us;
};

_Static_assert(sizeof(struct bucket) * WAYS == SET_SIZE, "a set is a cache line");

int rate_limiter_new(const struct rate_limit *limit, struct rate_limiter **ret_limiter)
{
    if (limit->per_second == 0 || limit->per_second > US_PER_S || limit->burst == 0) {
        return ERROR_RANGE;
    }
    struct rate_limiter *limiter = calloc(1, sizeof(*limiter));
    if (limiter == NULL) {
        return ERROR_MEMORY;
    }
    void *sets = NULL;
    int error =
        posix_memalign(&sets, SET_SIZE, SETS * SET_SIZE) == 0 ? ERROR_NONE : ERROR_MEMORY;
    limiter->sets = sets;
    if (error == ERROR_NONE) {
        error = siphash_key(limiter->hash_key);
    }
    if (error != ERROR_NONE) {
        rate_limiter_free(limiter);
        return error;
    }
    for (size_t i = 0; i < SETS; i++) {
        for (size_t way = 0; way < WAYS; way++) {
            limiter->sets[i][way] = (struct bucket){.who = 0, .full_mono_us = INT64_MIN};
        }
    }
    limiter->unit_us = US_PER_S / limit->per_second;
    limiter->burst_us = limiter->unit_us * limit->burst;
    *ret_limiter = limiter;
    return ERROR_NONE;
}

void rate_limiter_free(struct rate_limiter *limiter)
{
    if (limiter != NULL) {
        free(limiter->sets);
    }
    free(limiter);
}

/* WHO's bucket; the fullest of its set is emptied for it when it has none. */
static struct bucket *find(struct rate_limiter *limiter, uint64_t who)
{
    uint64_t hash = siphash_13(limiter->hash_key, &who, sizeof(who));
    struct bucket *set = limiter->sets[hash & (SETS - 1)];
    struct bucket *fullest = &set[0];
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].who == who) {
            return &set[way];
        }
        if (set[way].full_mono_us < fullest->full_mono_us) {
            fullest = &set[way];
        }
    }
    *fullest = (struct bucket){.who = who, .full_mono_us = INT64_MIN};
    return fullest;
}

static int64_t try(struct rate_limiter *limiter, uint64_t who, int64_t now_mono_ms,
                   int64_t take_us)
{
    int64_t now_us = now_mono_ms * US_PER_MS;
    struct bucket *bucket = find(limiter, who);
    int64_t full_us = bucket->full_mono_us > now_us ? bucket->full_mono_us : now_us;
    int64_t wait_us = full_us + limiter->unit_us - now_us - limiter->burst_us;
    if (wait_us > 0) {
        return (wait_us + US_PER_MS - 1) / US_PER_MS;
    }
    bucket->full_mono_us = full_us + take_us;
    return 0;
}

int64_t rate_limiter_take(struct rate_limiter *limiter, uint64_t who, int64_t now_mono_ms)
{
    return try(limiter, who, now_mono_ms, limiter->unit_us);
}

int64_t rate_limiter_look(struct rate_limiter *limiter, uint64_t who, int64_t now_mono_ms)
{
    return try(limiter, who, now_mono_ms, 0);
}
