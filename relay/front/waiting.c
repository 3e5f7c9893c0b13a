/* A held exchange hangs in a hash table under its order's number. Every few milliseconds,
 * while there is any, we ask whether issuer.db has changed (3 us); if so, the rows of
 * orders since the last look say which of them to wake. So 500 held exchanges cost what
 * changes, not what waits.
 *
 * The revision from which we follow is taken before a request is first asked, so nothing
 * falls between the two. */
#include "relay/front/waiting.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "relay/store/issuer_store.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024, POLL_MS = 5, DEADLINES_MS = 100 };

struct waiting {
    struct service *service;
    struct loop_timer *timer;
    struct request *buckets[BUCKETS];
    struct request *any; /* revocations: woken at each change */
    unsigned count;
    int64_t seen_rev; /* of issuer.db; -1: the file was not there */
    int64_t deadlines_mono_ms;
};

static struct request **list_of(struct waiting *waiting, const struct request *request)
{
    uint32_t hash = 2166136261U;

    if (request->extra == waiting) { /* marks the list of ANY */
        return &waiting->any;
    }
    for (const char *at = request->number; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619U;
    }
    return &waiting->buckets[hash % BUCKETS];
}

static void take_off(struct request *request)
{
    struct waiting *waiting = request->service->waiting;
    struct request **list = list_of(waiting, request);

    if (request->previous != NULL) {
        request->previous->next = request->next;
    } else {
        *list = request->next;
    }
    if (request->next != NULL) {
        request->next->previous = request->previous;
    }
    request->next = NULL;
    request->previous = NULL;
    request->drop = NULL;
    request->extra = NULL;
    waiting->count--;
}

static void put_on(struct waiting *waiting, struct request *request, bool any,
                   request_drop_fn *drop)
{
    struct request **list = NULL;

    request->extra = any ? waiting : NULL;
    list = list_of(waiting, request);
    request->previous = NULL;
    request->next = *list;
    if (*list != NULL) {
        (*list)->previous = request;
    }
    *list = request;
    request->drop = drop;
    request->dirty = false;
    waiting->count++;
}

static void drop(struct request *request)
{
    take_off(request);
    request_free(request);
}

/* Asks a request that is off its list; puts it back when it must wait on. */
static void ask(struct waiting *waiting, struct request *request, bool any, bool late)
{
    if (!request->ready(request, late)) {
        put_on(waiting, request, any, drop);
    }
}

static int mark_row(const struct issuer_store_order *order, void *arg)
{
    struct waiting *waiting = arg;
    struct request key = {0};

    waiting->seen_rev = order->rev;
    if (strlen(order->number) >= sizeof(key.number)) {
        return 0;
    }
    memcpy(key.number, order->number, strlen(order->number) + 1);
    for (struct request *at = *list_of(waiting, &key); at != NULL; at = at->next) {
        if (strcmp(at->number, order->number) == 0) {
            at->dirty = true;
        }
    }
    return 0;
}

/* Calls those of LIST that are due; they may go, or come back to the list's head. */
static void wake_list(struct waiting *waiting, struct request *first, bool any, bool all,
                      int64_t now_mono_ms)
{
    struct request *request = first;

    while (request != NULL) {
        struct request *next = request->next;
        bool late = now_mono_ms >= request->deadline_mono_ms;

        if (all || request->dirty || late) {
            take_off(request);
            ask(waiting, request, any, late);
        }
        request = next;
    }
}

static void wake(struct waiting *waiting, bool all, bool changed)
{
    int64_t now_mono_ms = clock_mono_ms();

    for (size_t i = 0; i < BUCKETS; i++) {
        wake_list(waiting, waiting->buckets[i], false, all, now_mono_ms);
    }
    wake_list(waiting, waiting->any, true, changed, now_mono_ms);
}

/* Where to follow from. False while there is no file. */
static bool follow(struct waiting *waiting)
{
    struct database *issuer = service_issuer(waiting->service);

    if (issuer == NULL) {
        waiting->seen_rev = -1;
        return false;
    }
    (void)database_changed(issuer);
    return database_revision(issuer, &waiting->seen_rev) == 0;
}

static void tick(void *arg)
{
    struct waiting *waiting = arg;
    struct service *service = waiting->service;
    bool appeared = waiting->seen_rev < 0 && follow(waiting);
    bool changed = appeared;
    bool deadlines = clock_mono_ms() >= waiting->deadlines_mono_ms;

    if (!appeared && service->issuer != NULL && database_changed(service->issuer)) {
        int64_t rev = 0;

        changed = true;
        if (database_revision(service->issuer, &rev) != 0 || rev < waiting->seen_rev) {
            appeared = follow(waiting); /* another file: everybody asks anew */
        } else if (issuer_store_orders_since(service->issuer, service->zone,
                                             waiting->seen_rev, mark_row, waiting) != 0) {
            log_error("the issuer's orders can't be read: %s",
                      database_error(service->issuer));
        }
    }
    if (changed || deadlines) {
        waiting->deadlines_mono_ms = clock_mono_ms() + DEADLINES_MS;
        wake(waiting, appeared, changed);
    }
    if (waiting->count > 0) {
        loop_timer_set(waiting->timer, POLL_MS);
    }
}

int waiting_new(struct service *service, struct waiting **ret_waiting)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    int error = 0;

    if (waiting == NULL) {
        return ERROR_MEMORY;
    }
    waiting->service = service;
    waiting->seen_rev = -1;
    error = loop_timer_new(service->loop, tick, waiting, &waiting->timer);
    if (error != 0) {
        free(waiting);
        return error;
    }
    *ret_waiting = waiting;
    return 0;
}

void waiting_free(struct waiting *waiting)
{
    if (waiting == NULL) {
        return;
    }
    for (size_t i = 0; i <= BUCKETS; i++) {
        struct request *request = i < BUCKETS ? waiting->buckets[i] : waiting->any;

        while (request != NULL) {
            struct request *next = request->next;

            request_free(request);
            request = next;
        }
    }
    loop_timer_free(waiting->timer);
    free(waiting);
}

unsigned waiting_count(const struct waiting *waiting)
{
    return waiting->count;
}

void waiting_hold(struct waiting *waiting, struct request *request, int64_t timeout_ms,
                  bool any, request_ready_fn *ready)
{
    request_release(request);
    request->ready = ready;
    request->deadline_mono_ms = clock_mono_ms() + timeout_ms;
    if (waiting->count == 0) {
        (void)follow(waiting);
        loop_timer_set(waiting->timer, POLL_MS);
    }
    ask(waiting, request, any, false);
}
