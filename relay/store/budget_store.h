/* issuer.db: the CA's limits as token buckets, and what orders hold in them. Written by the
 * issuer alone, inside the caller's transaction: REV is what database_begin gave. All block on
 * the disk. Texts in the structs are borrowed for the call. */
#ifndef RELAY_STORE_BUDGET_STORE_H
#define RELAY_STORE_BUDGET_STORE_H

#include "relay/store/database.h"

struct budget_store_bucket {
    int64_t full_at_us; /* microseconds since 1970; 0: never used, or full long ago */
    int64_t held;       /* units reserved, not yet spent */
};

enum { BUDGET_STORE_NAME_SIZE = 300 };

struct budget_store_hold {
    const char *number; /* of the order */
    const char *ca;     /* directory URL */
    const char *bucket; /* "certificates:<registered domain>", "orders", "set:<names>",
                           "failures:<id>" */
    int64_t units;
    int64_t held_at;
};

/* A unit spent as issuers before the buckets wrote it. */
struct budget_store_spending {
    const char *number;
    const char *ca;
    const char *budget; /* named like the buckets */
    int64_t spent_at;
    bool open; /* its order is not finished: it may be held rather than spent */
};

typedef int budget_store_hold_fn(const struct budget_store_hold *hold, void *arg);
typedef int budget_store_spending_fn(const struct budget_store_spending *spending,
                                     void *arg);

/* The name of the bucket of new certificates for the registered DOMAIN. It is no zone's own: in
 * all that follows it is the same bucket whatever ZONE is (its row has the zone ""), while each
 * zone holds in it for itself. */
bool budget_store_domain_bucket(const char *domain,
                                char ret_name[static BUDGET_STORE_NAME_SIZE]) MUST_CHECK;
/* All zero for one that is not there. */
int budget_store_bucket(struct database *database, const char *zone, const char *ca,
                        const char *name,
                        struct budget_store_bucket *ret_bucket) MUST_CHECK;
/* Adds or overwrites. */
int budget_store_put_bucket(struct database *database, const char *zone, int64_t rev,
                            const char *ca, const char *name,
                            const struct budget_store_bucket *bucket) MUST_CHECK;
/* Forgets buckets of names that are full and in which nothing is held. Those of the domain and
 * of the account stay: a clock that is ahead for an hour must not empty the memory of what was
 * spent. */
int budget_store_forget_full(struct database *database, const char *zone,
                             int64_t now_us) MUST_CHECK;

/* Adds or overwrites; the bucket's `held` is the caller's to raise. */
int budget_store_put_hold(struct database *database, const char *zone, int64_t rev,
                          const struct budget_store_hold *hold) MUST_CHECK;
/* What the order NUMBER holds. */
int budget_store_holds_of(struct database *database, const char *zone, const char *number,
                          budget_store_hold_fn *fn, void *arg) MUST_CHECK;
int budget_store_end_hold(struct database *database, const char *zone, const char *number,
                          const char *bucket) MUST_CHECK;
/* Ends what orders that are READY hold whose expires_at has passed, and lowers `held`. */
int budget_store_end_expired(struct database *database, const char *zone, int64_t rev,
                             int64_t now_at) MUST_CHECK;
/* Counts `held` of the buckets that zones share anew, in one transaction: first none, then what
 * the orders of each ZONE hold. What a zone holds that nobody looks after is never given back. */
int budget_store_clear_shared(struct database *database, int64_t rev) MUST_CHECK;
int budget_store_add_shared(struct database *database, const char *zone) MUST_CHECK;

/* What was written before the buckets, in order of CA, budget and time. */
int budget_store_spendings(struct database *database, const char *zone,
                           budget_store_spending_fn *fn, void *arg) MUST_CHECK;
int budget_store_forget_spendings(struct database *database, const char *zone) MUST_CHECK;

typedef int budget_store_former_fn(const char *ca,
                                   const struct budget_store_bucket *bucket, void *arg);
/* The bucket "certificates" that each zone had of its own for each CA, before zones shared one;
 * and its end: what orders hold in it they hold in NAME. */
int budget_store_former(struct database *database, const char *zone,
                        budget_store_former_fn *fn, void *arg) MUST_CHECK;
int budget_store_end_former(struct database *database, const char *zone, int64_t rev,
                            const char *name) MUST_CHECK;

#endif
