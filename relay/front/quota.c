/* Each order writes a row and each probe sends questions, so one device that loops must
 * not fill the disk or flood the name servers. The figures are far above what any client
 * does. Keys cost nothing, so that who makes new ones is counted by his network. */
#include "relay/front/quota.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 8192, ID_BYTES = 32, HOUR_MS = 3600 * 1000 };

struct rate {
    int64_t burst;
    int64_t refill_ms; /* one unit each */
};

/* Of the kinds that the operator does not choose. */
static const struct rate rates[QUOTA_KINDS] = {
    [QUOTA_ORDER] = {60, 20000},
    [QUOTA_ADDRESSES] = {30, 10000},
    [QUOTA_PROBE] = {20, 5000},
    [QUOTA_REVOKE] = {30, 20000},
    [QUOTA_TIME] = {20, 10000},
};

/* A bucket as the time at which it will be full again (the generic cell rate algorithm).
 */
struct slot {
    char id[ID_BYTES];
    uint8_t kind;
    int64_t full_mono_ms;
};

struct quota {
    struct slot slots[SLOTS];
};

int quota_new(struct quota **ret_quota)
{
    struct quota *quota = calloc(1, sizeof(*quota));

    if (quota == NULL) {
        return ERROR_MEMORY;
    }
    *ret_quota = quota;
    return 0;
}

void quota_free(struct quota *quota)
{
    free(quota);
}

static size_t place_of(const char *id, enum quota_kind kind)
{
    uint32_t hash = 2166136261U; /* FNV-1a: ids are hashes already */

    for (; *id != '\0'; id++) {
        hash = (hash ^ (uint8_t)*id) * 16777619U;
    }
    return (hash + (uint32_t)kind * 2654435761U) % SLOTS;
}

static int64_t take(struct quota *quota, enum quota_kind kind, const char *id,
                    const struct rate *rate, int64_t now_mono_ms)
{
    struct slot *slot = &quota->slots[place_of(id, kind)];
    int64_t full = 0;

    if (strncmp(slot->id, id, sizeof(slot->id)) != 0 || slot->kind != (uint8_t)kind) {
        memset(slot, 0, sizeof(*slot));
        for (size_t i = 0; i < sizeof(slot->id) && id[i] != '\0'; i++) {
            slot->id[i] = id[i];
        }
        slot->kind = (uint8_t)kind;
    }
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
