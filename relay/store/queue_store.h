/* issuer.db: who waits for a budget of the CA, in the order of asking. A place is a ticket:
 * they rise with each new place. Counting those ahead costs the same however long the queue
 * is. Written by the issuer alone, inside the caller's transaction. All block on the disk. */
#ifndef RELAY_STORE_QUEUE_STORE_H
#define RELAY_STORE_QUEUE_STORE_H

#include "relay/store/database.h"

enum { QUEUE_STORE_LOST_MAX = 64 };

struct queue_store_place {
    int64_t ticket;
    const char *id;     /* the device's; borrowed for the call */
    const char *reason; /* the limit that it waits for, a few words */
    int64_t asked_at;   /* first */
    int64_t turn_at;    /* as announced last */
    int64_t kept_until_at;
};

typedef int queue_store_place_fn(const struct queue_store_place *place, void *arg);

/* ID's place; ERROR_NOT_FOUND when it has none. */
int queue_store_place(struct database *database, const char *zone, const char *id,
                      queue_store_place_fn *fn, void *arg) MUST_CHECK;
/* A new place at the end, with a ticket of PLACE's at least. */
int queue_store_add(struct database *database, const char *zone, int64_t rev,
                    const struct queue_store_place *place) MUST_CHECK;
/* Overwrites reason, turn_at and kept_until_at of PLACE's ticket. */
int queue_store_set(struct database *database, const char *zone, int64_t rev,
                    const struct queue_store_place *place) MUST_CHECK;
/* Fine when there is none. */
int queue_store_remove(struct database *database, const char *zone,
                       int64_t ticket) MUST_CHECK;
/* Removes at most QUEUE_STORE_LOST_MAX places whose kept_until_at is before AT: *RET_COUNT. */
int queue_store_remove_lost(struct database *database, const char *zone, int64_t at,
                            int *ret_count) MUST_CHECK;
/* Keeps all places SHIFT_S longer (negative: shorter). */
int queue_store_shift(struct database *database, const char *zone, int64_t rev,
                      int64_t shift_s) MUST_CHECK;
/* The highest ticket there is; -1: there is none. */
int queue_store_last(struct database *database, const char *zone,
                     int64_t *ret_ticket) MUST_CHECK;
/* How many places are before TICKET; INT64_MAX: how many there are. */
int queue_store_count_ahead(struct database *database, const char *zone, int64_t ticket,
                            int64_t *ret_count) MUST_CHECK;
/* The first LIMIT places in order. */
int queue_store_places(struct database *database, const char *zone, int64_t limit,
                       queue_store_place_fn *fn, void *arg) MUST_CHECK;
/* The first LIMIT behind AFTER_TICKET (-1: from the start). */
int queue_store_places_after(struct database *database, const char *zone,
                             int64_t after_ticket, int64_t limit,
                             queue_store_place_fn *fn, void *arg) MUST_CHECK;

#endif
