/* Each order writes a row and each probe sends questions, so one device that loops must
 * not fill the disk or flood the name servers. The figures are far above what any client
 * does. Keys cost nothing, so that who makes new ones is counted by his network. */
#include "relay/front/quota.h"

#include "base/core/siphash.h"

#include <stdlib.h>
#include <string.h>

enum { SETS = 2048, WAYS = 4, ID_BYTES = 32, HOUR_MS = 3600 * 1000 };

struct rate {
    int64_t burst;
    int64_t refill_ms; /* one unit each */
};

/* Of the kinds that the operator does not choose. */
static const struct rate rates[QUOTA_KINDS] = {
    [QUOTA_ORDER] = {60, 20000}, [QUOTA_ADDRESSES] = {30, 10000},
    [QUOTA_PROBE] = {20, 5000},  [QUOTA_REVOKE] = {30, 20000},
    [QUOTA_TIME] = {20, 10000},
};

/* A bucket as the time at which it will be full again (the generic cell rate algorithm).
 */
struct slot {
    char id[ID_BYTES];
    uint8_t kind;
    int64_t full_mono_ms;
};

/* A keyed hash chooses the set, so that nobody can choose whom to share one with. In a full set
 * the slot that is nearest to full makes room: who asks the most is forgotten last. */
struct quota {
    uint64_t hash_key[2];
    struct slot sets[SETS][WAYS];
};

int quota_new(struct quota **ret_quota)
{
    struct quota *quota = calloc(1, sizeof(*quota));

    int error = quota == NULL ? ERROR_MEMORY : siphash_key(quota->hash_key);

    if (error != 0) {
        free(quota);
        return error;
    }
    *ret_quota = quota;
    return 0;
}

void quota_free(struct quota *quota)
{
    free(quota);
}

/* ID's slot for KIND; one of its set is emptied for it when it has none. */
static struct slot *find(struct quota *quota, enum quota_kind kind, const char *id)
{
    struct slot wanted = {.kind = (uint8_t)kind};
    struct slot *set = NULL;
    struct slot *fullest = NULL;

    for (size_t i = 0; i < sizeof(wanted.id) && id[i] != '\0'; i++) {
        wanted.id[i] = id[i];
    }
    set = quota->sets[(siphash_13(quota->hash_key, wanted.id, sizeof(wanted.id)) + kind) %
                      SETS];
    fullest = &set[0];
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].kind == wanted.kind &&
            memcmp(set[way].id, wanted.id, sizeof(wanted.id)) == 0) {
            return &set[way];
        }
        if (set[way].full_mono_ms < fullest->full_mono_ms) {
            fullest = &set[way];
        }
    }
    *fullest = wanted;
    return fullest;
}

static int64_t take(struct quota *quota, enum quota_kind kind, const char *id,
                    const struct rate *rate, int64_t now_mono_ms)
{
    struct slot *slot = find(quota, kind, id);
    int64_t full = 0;

    full = slot->full_mono_ms > now_mono_ms ? slot->full_mono_ms : now_mono_ms;
    if (full + rate->refill_ms > now_mono_ms + rate->burst * rate->refill_ms) {
        int64_t wait_ms =
            full + rate->refill_ms - now_mono_ms - rate->burst * rate->refill_ms;

        return (wait_ms + 999) / 1000;
    }
    slot->full_mono_ms = full + rate->refill_ms;
    return 0;
}

int64_t quota_take(struct quota *quota, enum quota_kind kind, const char *id,
                   int64_t now_mono_ms)
{
    return take(quota, kind, id, &rates[kind], now_mono_ms);
}

int64_t quota_take_hourly(struct quota *quota, enum quota_kind kind, const char *id,
                          uint64_t per_hour, int64_t now_mono_ms)
{
    struct rate rate = {.burst = (int64_t)per_hour};

    if (per_hour == 0) {
        return 0;
    }
    rate.refill_ms = HOUR_MS / rate.burst;
    return take(quota, kind, id, &rate, now_mono_ms);
}
