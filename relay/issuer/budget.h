/* The CA's rate limits, mirrored as token buckets: what an order will spend is held from its
 * admission on, so that orders in flight can't overdraw together, and spent when the CA spends
 * it. Whoever is refused for the domain's or the account's sake keeps a place in a queue: in
 * the order of asking, until BUDGET_KEPT_S past the time that was announced. No I/O but the
 * store; the time is given. */
#ifndef RELAY_ISSUER_BUDGET_H
#define RELAY_ISSUER_BUDGET_H

#include "relay/relay_config.h"
#include "relay/store/bucket.h"
#include "relay/store/database.h"

enum {
    BUDGET_WEEK_S = 7 * 86400,
    BUDGET_ORDERS_S = 3 * 3600,
    BUDGET_FAILURES_S = 3600,
    BUDGET_KEPT_S = 26 * 3600, /* clients on twice-daily timers, with their jitter */
    BUDGET_RESERVED_S = 600,   /* how long an order holds what it has not begun to use */
};

/* In the order in which they go to the CA. */
enum budget_lane {
    BUDGET_LANE_RELAY,      /* the relay's own certificate: without it nobody gets in */
    BUDGET_LANE_EXPIRING,   /* the last third of the life has begun, or it has ended */
    BUDGET_LANE_WINDOW,     /* within the CA's window (ARI): nothing is asked */
    BUDGET_LANE_RENEWAL,    /* due by our own window */
    BUDGET_LANE_FIRST,      /* names that the CA has not certified lately */
    BUDGET_LANE_KEY_CHANGE, /* the same names again, before it is time */
    BUDGET_LANE_COUNT,
};

/* "relay", "expiring", "window", "renewal", "first", "key change". */
const char *budget_lane_text(enum budget_lane lane);

struct budget_rules {
    bool on;
    struct bucket_limit certificates; /* per registered domain */
    struct bucket_limit orders;       /* per CA account */
    struct bucket_limit set;          /* per set of names */
    struct bucket_limit failures;     /* per name */
    const char *domain;               /* the registered domain; borrowed */
    /* The other zones that the CA counts for it. Their queues are one with this zone's. */
    const char *others[RELAY_CONFIG_ZONES_MAX - 1];
    size_t other_count;
};

/* The configured limits; what they point to is CONFIG's. */
struct budget_rules budget_rules_of(const struct relay_config *config);

struct budget_order {
    const char *ca;
    const char *number;
    const char *id;
    const char *names; /* sorted, one blank between */
    enum budget_lane lane;
    bool is_known; /* lane RELAY: the CA has certified the names lately, as in RENEWAL */
    /* Certificates and orders that are kept back for the relay's own first certificates. */
    int64_t spare;
    /* The CA takes no new names before (0: it does). */
    int64_t first_not_before_at;
};

struct budget_decision {
    bool admitted;
    const char *limit; /* refused: a few words, static */
    int64_t retry_at;  /* refused */
    int64_t place; /* refused: 1 is the first in the queue; 0: no queue for this limit */
};

/* Once at the start, in a transaction of its own: takes over what former issuers have counted
 * before there were buckets, or in one for each zone, and lengthens places by the time that no
 * issuer ran. */
int budget_open(struct database *database, const char *zone,
                const struct budget_rules *rules, int64_t now_at) MUST_CHECK;
/* Now and then, inside a transaction: forgets places that were lost and buckets that are
 * full. When the clock was set since the last call (or nobody ran), the places move with it. */
int budget_sweep(struct database *database, const char *zone, int64_t rev,
                 int64_t now_at) MUST_CHECK;

/* Whether ORDER may be placed now. Inside a transaction. */
int budget_decide(struct database *database, const char *zone,
                  const struct budget_rules *rules, const struct budget_order *order,
                  int64_t now_at, struct budget_decision *ret_decision) MUST_CHECK;
/* Inside the same transaction, after budget_decide: holds, or queues. */
int budget_book(struct database *database, const char *zone, int64_t rev,
                const struct budget_rules *rules, const struct budget_order *order,
                const struct budget_decision *decision, int64_t now_at) MUST_CHECK;
/* The CA has taken the order NUMBER. May be called again. */
int budget_place(struct database *database, const char *zone, int64_t rev,
                 const struct budget_rules *rules, const char *number,
                 int64_t now_at) MUST_CHECK;
/* The certificate of order NUMBER was issued: what it held is spent. */
int budget_settle(struct database *database, const char *zone, int64_t rev,
                  const struct budget_rules *rules, const char *number,
                  int64_t now_at) MUST_CHECK;
/* Order NUMBER ended without a certificate: what it still held is free again. */
int budget_release(struct database *database, const char *zone, int64_t rev,
                   const char *number) MUST_CHECK;
/* The CA could not validate the names of ORDER. */
int budget_note_failure(struct database *database, const char *zone, int64_t rev,
                        const struct budget_rules *rules,
                        const struct budget_order *order, int64_t now_at) MUST_CHECK;
/* How many more of this set of names may be had now; INT64_MAX without budgets. */
int budget_left_of_set(struct database *database, const char *zone,
                       const struct budget_rules *rules, const struct budget_order *order,
                       int64_t now_at, int64_t *ret_left) MUST_CHECK;

#endif
