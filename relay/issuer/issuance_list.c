/* The issuances in memory: made, counted, freed. A list in order of arrival, a queue a lane of
 * those that may start, and a table by id: what belongs together has one id. */
#include "relay/issuer/issuance_list.h"

#include "base/core/clock.h"

#include <stdlib.h>
#include <string.h>

static bool holds_slot(enum issuance_state state)
{
    return state == ISSUANCE_RUNNING || state == ISSUANCE_SAVING ||
           state == ISSUANCE_SHOWING;
}

void issuance_list_opened(struct issuance *issuance)
{
    if (issuance->opening) {
        issuance->opening = false;
        issuance->set->opening_count--;
        loop_timer_set(issuance->set->timer, 0);
    }
}

static void leave_queue(struct issuance *issuance)
{
    struct issuance_queue *queue = &issuance->set->queues[issuance->lane];

    if (!issuance->queued) {
        return;
    }
    if (issuance->queued_previous != NULL) {
        issuance->queued_previous->queued_next = issuance->queued_next;
    } else {
        queue->first = issuance->queued_next;
    }
    if (issuance->queued_next != NULL) {
        issuance->queued_next->queued_previous = issuance->queued_previous;
    } else {
        queue->last = issuance->queued_previous;
    }
    issuance->queued = false;
}

static void enter_queue(struct issuance *issuance)
{
    struct issuance_queue *queue = &issuance->set->queues[issuance->lane];

    if (issuance->queued || issuance->state != ISSUANCE_QUEUED || !issuance->durable) {
        return;
    }
    issuance->queued_next = NULL;
    issuance->queued_previous = queue->last;
    if (queue->last != NULL) {
        queue->last->queued_next = issuance;
    } else {
        queue->first = issuance;
    }
    queue->last = issuance;
    issuance->queued = true;
}

struct issuance *issuance_list_next(const struct issuances *set)
{
    for (size_t lane = 0; lane < BUDGET_LANE_COUNT; lane++) {
        if (set->queues[lane].first != NULL) {
            return set->queues[lane].first;
        }
    }
    return NULL;
}

void issuance_list_set_durable(struct issuance *issuance)
{
    issuance->durable = true;
    enter_queue(issuance);
}

void issuance_list_set_state(struct issuance *issuance, enum issuance_state state)
{
    struct issuances *set = issuance->set;

    leave_queue(issuance);
    if (holds_slot(issuance->state) && !holds_slot(state)) {
        set->running_count--;
        loop_timer_set(set->timer, 0);
    } else if (!holds_slot(issuance->state) && holds_slot(state)) {
        set->running_count++;
    }
    if (state != ISSUANCE_RUNNING && state != ISSUANCE_SAVING) {
        issuance_list_opened(issuance);
    }
    issuance->state = state;
    enter_queue(issuance);
    commit_set_load(set->issuer->commit, set->running_count);
}

void issuance_list_free_one(struct issuance *issuance)
{
    struct issuer *issuer = issuance->set->issuer;

    ca_cancel(&issuance->exchange);
    ca_forget(issuer->ca, &issuance->shared);
    commit_cancel(issuer->commit, &issuance->committed);
    propagation_free(issuance->propagation);
    if (issuance->order != NULL) {
        acme_order_free(issuance->order);
    }
    if (issuance->timer != NULL) {
        loop_timer_free(issuance->timer);
    }
    verify_csr_free(&issuance->csr);
    buffer_free(&issuance->saved);
    free(issuance->number);
    free(issuance->id);
    free(issuance->names);
    free(issuance->profile);
    free(issuance->csr_text);
    free(issuance);
}

/* FNV-1a: ids are hashes already, the relay's host is not. */
static size_t bucket_of(const char *id)
{
    uint32_t hash = 2166136261U;

    for (const char *at = id; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619U;
    }
    return hash % ISSUANCE_BUCKETS;
}

struct issuance *issuance_list_of_id(const struct issuances *set, const char *id)
{
    return set->buckets[bucket_of(id)];
}

static void link_last(struct issuance *issuance)
{
    struct issuances *set = issuance->set;
    struct issuance **bucket = &set->buckets[bucket_of(issuance->id)];

    issuance->previous = set->last;
    if (set->last != NULL) {
        set->last->next = issuance;
    } else {
        set->first = issuance;
    }
    set->last = issuance;
    issuance->bucket_next = *bucket;
    *bucket = issuance;
    set->count++;
}

void issuance_list_remove(struct issuance *issuance)
{
    struct issuances *set = issuance->set;
    struct issuance **link = &set->buckets[bucket_of(issuance->id)];

    while (*link != NULL && *link != issuance) {
        link = &(*link)->bucket_next;
    }
    if (*link == issuance) {
        *link = issuance->bucket_next;
    }
    if (issuance->previous != NULL) {
        issuance->previous->next = issuance->next;
    } else {
        set->first = issuance->next;
    }
    if (issuance->next != NULL) {
        issuance->next->previous = issuance->previous;
    } else {
        set->last = issuance->previous;
    }
    set->count--;
    leave_queue(issuance);
    issuance_list_free_one(issuance);
}

static struct issuance *find_same(struct issuances *set, const struct issuance_wish *wish)
{
    for (struct issuance *other = issuance_list_of_id(set, wish->id); other != NULL;
         other = other->bucket_next) {
        if (other->leader == NULL && other->state != ISSUANCE_STORING &&
            strcmp(other->csr.csr_hash, wish->csr->csr_hash) == 0 &&
            strcmp(other->id, wish->id) == 0) {
            return other;
        }
    }
    return NULL;
}

static int copy_csr(const struct verify_csr *from, struct verify_csr *to)
{
    to->der = buffer_init(LIMIT_CSR_BYTES);
    to->key = key_ref(from->key);
    memcpy(to->csr_hash, from->csr_hash, sizeof(to->csr_hash));
    memcpy(to->spki_hash, from->spki_hash, sizeof(to->spki_hash));
    memcpy(to->key_id, from->key_id, sizeof(to->key_id));
    return buffer_append(&to->der, from->der.data, from->der.size);
}

/* In memory only; at the end of the list: first come, first served. */
int issuance_list_add(struct issuances *set, const struct issuance_wish *wish,
                      struct issuance **ret_issuance)
{
    struct issuance *issuance = calloc(1, sizeof(*issuance));
    int error = ERROR_MEMORY;

    if (issuance == NULL) {
        return ERROR_MEMORY;
    }
    issuance->set = set;
    issuance->saved = buffer_init(ACME_ORDER_SAVE_MAX);
    issuance->shared =
        (struct ca_waiter){.fn = issuance_parts_on_shared, .arg = issuance};
    issuance->committed =
        (struct commit_waiter){.fn = issuance_parts_on_committed, .arg = issuance};
    issuance->started_mono_ms = clock_mono_ms();
    issuance->for_relay = strcmp(wish->lane, "relay") == 0;
    issuance->lane = issuance->for_relay ? BUDGET_LANE_RELAY : wish->budget_lane;
    issuance->number = strdup(wish->number);
    issuance->id = strdup(wish->id);
    issuance->names = strdup(wish->names);
    issuance->profile = strdup(wish->profile);
    issuance->csr_text = strdup(wish->csr_text);
    if (issuance->number != NULL && issuance->id != NULL && issuance->names != NULL &&
        issuance->profile != NULL && issuance->csr_text != NULL) {
        error = copy_csr(wish->csr, &issuance->csr);
    }
    if (error == 0) {
        error = loop_timer_new(set->issuer->loop, issuance_parts_on_timer, issuance,
                               &issuance->timer);
    }
    if (error != 0) {
        issuance_list_free_one(issuance);
        return error;
    }
    issuance->leader = find_same(set, wish);
    issuance->state = issuance->leader != NULL ? ISSUANCE_FOLLOWING : ISSUANCE_QUEUED;
    link_last(issuance);
    *ret_issuance = issuance;
    return 0;
}

struct issuer_store_issuance issuance_list_row(const struct issuance *issuance)
{
    return (struct issuer_store_issuance){
        .number = issuance->number,
        .ca = issuance->set->issuer->config->ca_directory,
        .lane = issuance->for_relay ? "relay" : "device",
        .generation = issuance->set->issuer->generation,
        .saved = buffer_text(&issuance->saved),
        .csr = issuance->csr_text,
        .attempts = issuance->attempts,
    };
}
