/* The CA's rate limits, mirrored: what an order would spend is reserved when it is
 * admitted, so that orders in flight can't overdraw together. Simple counters over
 * windows. Whoever is refused keeps a place in a queue: slots that become free go to the
 * first in it, and to others only beyond those. No I/O but the store; the time is given.
 */
#ifndef RELAY_ISSUER_BUDGET_H
#define RELAY_ISSUER_BUDGET_H

#include "relay/store/database.h"

enum {
    BUDGET_WEEK_S = 7 * 86400,
    BUDGET_ORDERS_S = 3 * 3600,
    BUDGET_PROMISE_S = 86400, /* how long a free slot is kept for who was promised it */
    BUDGET_RESERVED_S = 3600, /* how long an order holds what it has not begun to use */
};

struct budget_rules {
    bool on;
    int64_t certificates_week; /* per registered domain: all of the zone */
    int64_t orders_3h;         /* per CA account */
    int64_t exact_set_week;    /* per set of names */
};

struct budget_order {
    const char *ca;
    const char *number;
    const char *id;
    const char *names;
    bool renewal; /* the same names were certified before: the exact set alone counts */
    bool exempt;  /* by ARI within its window: nothing counts */
};

struct budget_decision {
    bool admitted;
    const char *limit; /* refused: a few words, static */
    int64_t retry_at;  /* refused */
    int64_t place; /* refused: 1 is the first in the queue; 0: no queue for this limit */
};

/* Whether ORDER may be placed now. Forgets places in the queue that were lost, so inside
 * a transaction. */
int budget_decide(struct database *database, const char *zone,
                  const struct budget_rules *rules, const struct budget_order *order,
                  int64_t now_at, struct budget_decision *ret_decision) MUST_CHECK;
/* Inside a transaction, after budget_decide: reserves, or queues. */
int budget_book(struct database *database, const char *zone, int64_t rev,
                const struct budget_rules *rules, const struct budget_order *order,
                const struct budget_decision *decision, int64_t now_at) MUST_CHECK;
/* The order NUMBER goes to the CA: what it reserved is spent, from now on. */
int budget_place(struct database *database, const char *zone, int64_t rev,
                 const char *number, int64_t now_at) MUST_CHECK;
/* The certificate of order NUMBER was issued: it counts from now, as the CA's does. */
int budget_settle(struct database *database, const char *zone, int64_t rev,
                  const char *number, int64_t now_at) MUST_CHECK;
/* Order NUMBER failed at the CA: only the order placed there was spent. */
int budget_fail(struct database *database, const char *zone,
                const char *number) MUST_CHECK;
/* How many more of this set of names may be had this week; INT64_MAX without budgets. */
int budget_left_of_set(struct database *database, const char *zone,
                       const struct budget_rules *rules, const struct budget_order *order,
                       int64_t now_at, int64_t *ret_left) MUST_CHECK;

#endif
