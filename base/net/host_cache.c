/* Hundreds of issuances talk to one CA, so one look-up serves all that wait for it and
 * those of the next seconds. The resolver does not tell TTLs; the time is short enough
 * for any that a CA uses, and an address that does not answer is forgotten at once. */
#include "base/net/host_cache.h"

#include "base/core/clock.h"
#include "base/core/text.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEEP_MS = 30000,
    HOSTS_MAX = 32,
    ADDRESSES_MAX_BYTES = 2048,
};

struct host {
    struct host_cache *cache;
    struct host *next;
    char *name;
    struct resolve_query *query; /* NULL: answered */
    char *addresses;             /* NULL: none */
    int64_t until_mono_ms;
};

struct host_cache {
    struct resolver *resolver;
    host_cache_fn *fn;
    void *arg;
    struct host *hosts;
    size_t count;
};

int host_cache_new(struct resolver *resolver, host_cache_fn *fn, void *arg,
                   struct host_cache **ret_cache)
{
    struct host_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return ERROR_MEMORY;
    }
    cache->resolver = resolver;
    cache->fn = fn;
    cache->arg = arg;
    *ret_cache = cache;
    return ERROR_NONE;
}

static void host_free(struct host *host)
{
    resolve_cancel(host->query);
    free(host->name);
    free(host->addresses);
    free(host);
}

void host_cache_free(struct host_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    while (cache->hosts != NULL) {
        struct host *host = cache->hosts;
        cache->hosts = host->next;
        host_free(host);
    }
    free(cache);
}

static void drop(struct host_cache *cache, struct host **place)
{
    struct host *host = *place;
    *place = host->next;
    cache->count--;
    host_free(host);
}

/* Drops what is answered and old; if there are still too many, the oldest. */
static void sweep(struct host_cache *cache)
{
    int64_t now = clock_mono_ms();
    struct host **oldest = NULL;
    for (struct host **place = &cache->hosts; *place != NULL;) {
        struct host *host = *place;
        if (host->query == NULL && now >= host->until_mono_ms) {
            drop(cache, place);
            continue;
        }
        /* A later `drop` frees none of the places seen before. */
        if (host->query == NULL &&
            (oldest == NULL || host->until_mono_ms <= (*oldest)->until_mono_ms)) {
            oldest = place;
        }
        place = &host->next;
    }
    if (cache->count >= HOSTS_MAX && oldest != NULL) {
        drop(cache, oldest);
    }
}

static struct host *find(const struct host_cache *cache, const char *name)
{
    for (struct host *host = cache->hosts; host != NULL; host = host->next) {
        if (text_equal_nocase(host->name, name)) {
            return host;
        }
    }
    return NULL;
}

const char *host_cache_find(const struct host_cache *cache, const char *name)
{
    const struct host *host = find(cache, name);
    bool is_fresh =
        host != NULL && host->query == NULL && clock_mono_ms() < host->until_mono_ms;
    return is_fresh ? host->addresses : NULL;
}

static int join_addresses(const struct resolve_answer *answer, char **ret_text)
{
    struct buffer text = buffer_init(ADDRESSES_MAX_BYTES);
    for (size_t i = 0; i < answer->address_count; i++) {
        char ip[ADDRESS_TEXT_CAPACITY];
        bool is_v6 = answer->addresses[i].storage.ss_family == AF_INET6;
        address_host_text(&answer->addresses[i], ip);
        buffer_printf(&text, "%s%s%s%s", i > 0 ? "," : "", is_v6 ? "[" : "", ip,
                      is_v6 ? "]" : "");
    }
    *ret_text = buffer_take(&text);
    buffer_free(&text);
    return *ret_text == NULL ? ERROR_MEMORY : ERROR_NONE;
}

static void on_resolved(const struct resolve_answer *answer, void *arg)
{
    struct host *host = arg;
    int error = answer->error;
    host->query = NULL;
    if (error == ERROR_NONE) {
        error = join_addresses(answer, &host->addresses);
    }
    host->until_mono_ms = error == ERROR_NONE ? clock_mono_ms() + KEEP_MS : 0;
    host->cache->fn(host->name, error, host->addresses, host->cache->arg);
}

int host_cache_look_up(struct host_cache *cache, const char *name)
{
    struct host *host = find(cache, name);
    if (host != NULL && host->query != NULL) {
        return ERROR_NONE;
    }
    host_cache_forget(cache, name);
    sweep(cache);
    host = calloc(1, sizeof(*host));
    if (host == NULL) {
        return ERROR_MEMORY;
    }
    host->cache = cache;
    host->name = strdup(name);
    int error = ERROR_MEMORY;
    if (host->name != NULL) {
        error = resolve_addresses(cache->resolver, name, on_resolved, host, &host->query);
    }
    if (error != ERROR_NONE) {
        host_free(host);
        return error;
    }
    host->next = cache->hosts;
    cache->hosts = host;
    cache->count++;
    return ERROR_NONE;
}

void host_cache_forget(struct host_cache *cache, const char *name)
{
    struct host *host = find(cache, name);
    if (host != NULL && host->query == NULL) {
        host->until_mono_ms = 0;
    }
}
