/* How often one id, or one network, may ask for something: token buckets in a table of fixed
 * size. When more ask than it holds, those that asked for little are forgotten, which only
 * makes it looser. No I/O. */
#ifndef RELAY_FRONT_QUOTA_H
#define RELAY_FRONT_QUOTA_H

#include "base/core/error.h"

#include <stdint.h>

struct quota;

enum quota_kind {
    QUOTA_ORDER,
    QUOTA_ADDRESSES,
    QUOTA_PROBE,
    QUOTA_REVOKE,
    QUOTA_TIME,
    QUOTA_PREFIX_ACCOUNT, /* by a network, with quota_take_hourly */
    QUOTA_PREFIX_ORDER,
    QUOTA_KINDS,
};

/* Every bucket full. Free with quota_free. ERROR_MEMORY, ERROR_CRYPTO. */
int quota_new(struct quota **ret_quota) MUST_CHECK;
void quota_free(struct quota *quota);
/* Takes one unit: 0, or in how many seconds there will be one. */
int64_t quota_take(struct quota *quota, enum quota_kind kind, const char *id,
                   int64_t now_mono_ms);

/* The same of a kind whose rate the operator chooses: PER_HOUR at once, then as many an
 * hour; 0: any number. */
int64_t quota_take_hourly(struct quota *quota, enum quota_kind kind, const char *id,
                          uint64_t per_hour, int64_t now_mono_ms);

#endif
