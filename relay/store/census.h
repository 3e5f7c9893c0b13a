/* Devices and certificates counted, by indexes, for those who watch a relay: a million of them in
 * well under a second. All block on the disk. */
#ifndef RELAY_STORE_CENSUS_H
#define RELAY_STORE_CENSUS_H

#include "relay/store/database.h"

/* How long the devices' current certificates still hold. */
enum census_life {
    CENSUS_EXPIRED, /* within the last 30 days, and nothing newer came */
    CENSUS_DAY_1,   /* less than a day */
    CENSUS_DAY_3,
    CENSUS_DAY_7,
    CENSUS_DAY_14,
    CENSUS_DAY_30,
    CENSUS_LONGER,
    CENSUS_LIFE_COUNT
};

/* "expired", "1d" ... "more"; NULL-terminated. */
extern const char *const census_lives[];

/* From issuer.db: one a device, the unrevoked one that ends last. */
int census_certificates(struct database *issuer, const char *zone, int64_t now_at,
                        int64_t ret_counts[static CENSUS_LIFE_COUNT]) MUST_CHECK;
/* From issuer.db: certificates for devices that begin in [FROM_AT, BEFORE_AT). */
int census_issued(struct database *issuer, const char *zone, int64_t from_at,
                  int64_t before_at, int64_t *ret_count) MUST_CHECK;
/* When the last certificate for a device begins; 0: there was none. */
int census_last_issued(struct database *issuer, const char *zone,
                       int64_t *ret_at) MUST_CHECK;
/* From front.db: accounts that are valid. */
int census_devices(struct database *front, const char *zone,
                   int64_t *ret_count) MUST_CHECK;

#endif
