/* What a dashboard shows of the store, in pages of a few rows. All block on the disk. */
#ifndef RELAY_STORE_OVERVIEW_H
#define RELAY_STORE_OVERVIEW_H

#include "relay/store/database.h"

struct overview_device {
    const char *id;
    const char *status;
    const char *token; /* kid; "" with open enrolment */
    int64_t created_at;
};

struct overview_change {
    int64_t at;
    const char *who;
    const char *action;
    const char *detail;
};

/* Texts are borrowed for the call; a negative result ends the query and is its result. */
typedef int overview_device_fn(const struct overview_device *device, void *arg);
typedef int overview_change_fn(const struct overview_change *change, void *arg);
typedef int overview_id_fn(const char *id, int64_t not_after_at, void *arg);

/* From front.db: devices whose id begins with PREFIX and comes after AFTER, in order of id. */
int overview_devices(struct database *front, const char *zone, const char *prefix,
                     const char *after, int64_t limit, overview_device_fn *fn,
                     void *arg) MUST_CHECK;
/* From front.db: ids that more than one device seems to have, and how many there are. */
int overview_count_clones(struct database *front, const char *zone,
                          int64_t *ret_count) MUST_CHECK;
/* From admin.db: the last changes, newest first. */
int overview_changes(struct database *admin, const char *zone, int64_t limit,
                     overview_change_fn *fn, void *arg) MUST_CHECK;
/* From issuer.db: devices whose newest certificate ended in (AFTER_AT, UNTIL_AT], longest ago
 * first. */
int overview_expired(struct database *issuer, const char *zone, int64_t after_at,
                     int64_t until_at, int64_t limit, overview_id_fn *fn,
                     void *arg) MUST_CHECK;
/* From issuer.db: orders that were admitted in (AFTER_AT, UNTIL_AT]. */
int overview_count_orders(struct database *issuer, const char *zone, int64_t after_at,
                          int64_t until_at, int64_t *ret_count) MUST_CHECK;
/* From admin.db: when a backup was last noted; 0: never. It is of all zones. */
int overview_last_backup(struct database *admin, int64_t *ret_at) MUST_CHECK;
/* From issuer.db: how many certificates (of any lane) have SERIAL, lower-case hex. */
int overview_count_serial(struct database *issuer, const char *zone, const char *serial,
                          int64_t *ret_count) MUST_CHECK;

#endif
