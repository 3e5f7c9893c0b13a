/* A fixed array of sets of WAYS entries. A name's keyed 64-bit hash stands for it and
 * chooses its set; the entry of the set that was asked longest ago is the one to go. So a
 * flood of probe names costs nothing but the counts. */
#include "dns/probe.h"

#include "base/core/siphash.h"

#include <stdlib.h>

enum { SETS = 1024, WAYS = 4 };

struct entry {
    uint64_t hash; /* 0: free */
    int64_t asked_at[DNS_PROBE_SEEN_MAX];
    unsigned next; /* ring position */
};

struct dns_probes {
    uint64_t hash_key[2];
    struct entry entries[SETS][WAYS];
};

int dns_probe_new(struct dns_probes **ret_probes)
{
    struct dns_probes *probes = calloc(1, sizeof(*probes));
    if (probes == NULL) {
        return ERROR_MEMORY;
    }
    int error = siphash_key(probes->hash_key);
    if (error != ERROR_NONE) {
        free(probes);
        return error;
    }
    *ret_probes = probes;
    return ERROR_NONE;
}

void dns_probe_free(struct dns_probes *probes)
{
    free(probes);
}

static uint64_t hash_name(const struct dns_probes *probes, const void *name, size_t size)
{
    uint64_t hash = siphash_13(probes->hash_key, name, size);
    return hash != 0 ? hash : 1;
}

static int64_t last_asked_at(const struct entry *entry)
{
    return entry->asked_at[(entry->next + DNS_PROBE_SEEN_MAX - 1) % DNS_PROBE_SEEN_MAX];
}

void dns_probe_count(struct dns_probes *probes, const void *name, size_t size,
                     int64_t now_at)
{
    uint64_t hash = hash_name(probes, name, size);
    struct entry *set = probes->entries[hash % SETS];
    struct entry *entry = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == hash) {
            entry = &set[i];
            break;
        }
        if (last_asked_at(&set[i]) < last_asked_at(entry)) {
            entry = &set[i];
        }
    }
    if (entry->hash != hash) {
        *entry = (struct entry){.hash = hash};
    }
    entry->asked_at[entry->next] = now_at;
    entry->next = (entry->next + 1) % DNS_PROBE_SEEN_MAX;
}

unsigned dns_probe_seen(const struct dns_probes *probes, const void *name, size_t size,
                        int64_t now_at)
{
    uint64_t hash = hash_name(probes, name, size);
    const struct entry *set = probes->entries[hash % SETS];
    unsigned seen = 0;
    for (size_t i = 0; i < WAYS; i++) {
        for (size_t j = 0; set[i].hash == hash && j < DNS_PROBE_SEEN_MAX; j++) {
            int64_t asked_at = set[i].asked_at[j];
            seen += asked_at != 0 && asked_at > now_at - DNS_PROBE_WINDOW_S &&
                    asked_at <= now_at;
        }
    }
    return seen;
}
