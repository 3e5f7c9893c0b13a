/* What is announced must come true when nothing else changes. With k devices ahead in the
 * queue, a device is admitted when the bucket has k + 1 tokens that nobody holds: one for each
 * of those ahead, whether they have come or not, and its own. Tokens come evenly, so that the
 * time is known; whoever ahead takes a token leaves the queue with it, and k + 1 falls as the
 * tokens do. Places that are lost and orders that fail only make it sooner.
 *
 * Two things could make it later. A bucket that is full gains nothing while tokens are only
 * held: an order may be finalized late, so STALL_S is added. And those
 * ahead may stay away until the bucket overflows: so whoever comes at its turn takes any
 * token that is there.
 *
 * An exempt order holds too where the CA counts it later (the set of names), but is not
 * asked.
 *
 * Zones of one registered domain share the bucket of its certificates. Those ahead are then
 * those with a lower ticket in the queue of any of them: a new ticket is above all of theirs.
 * The bucket of orders is the zone's own, as its account is. */
#include "relay/issuer/budget_parts.h"

#include "base/core/limits.h"
#include "base/core/text.h"
#include "relay/store/budget_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/queue_store.h"

#include <string.h>

enum {
    NAME_MAX_SIZE = LIMIT_ORDER_NAMES * 256 + 16,
    US_PER_S = 1000000,
    GAP_S = 600,         /* without a sweep: nobody ran, or the clock was set */
    LOST_AT_ONCE = 2048, /* places, per sweep */
    HOLDS_MAX = 4,       /* of one order */
    /* From admission to the certificate at most, but for a CA in trouble. */
    STALL_S = BUDGET_RESERVED_S + 120,
};

static const char limit_certificates[] = "the CA's certificates per domain and week";
static const char limit_orders[] = "the CA's orders per three hours";
static const char limit_set[] = "the CA's certificates for the same names per week";
static const char limit_failures[] = "the CA's failed validations of this name per hour";

const char *budget_lane_text(enum budget_lane lane)
{
    switch (lane) {
    case BUDGET_LANE_RELAY:
        return "relay";
    case BUDGET_LANE_EXPIRING:
        return "expiring";
    case BUDGET_LANE_WINDOW:
        return "window";
    case BUDGET_LANE_RENEWAL:
        return "renewal";
    case BUDGET_LANE_FIRST:
        return "first";
    case BUDGET_LANE_KEY_CHANGE:
        return "key change";
    case BUDGET_LANE_COUNT:
        break;
    }
    return "";
}

struct budget_rules budget_rules_of(const struct relay_config *config)
{
    struct relay_config_share share = relay_config_zones_share(config);
    struct budget_rules rules = {
        .on = config->budgets,
        .domain = config->registered_domain,
        .other_count = share.other_count,
        .certificates = bucket_limit_of(share.burst, share.week, BUDGET_WEEK_S),
        .orders = bucket_limit_of(config->budget_orders_burst, config->budget_orders_3h,
                                  BUDGET_ORDERS_S),
        .set = bucket_limit_of(config->budget_exact_set_burst,
                               config->budget_exact_set_week, BUDGET_WEEK_S),
        .failures = bucket_limit_of(0, config->budget_failures_hour, BUDGET_FAILURES_S),
    };

    memcpy(rules.others, share.others, sizeof(rules.others));
    return rules;
}

/* ---- which buckets an order meets ---- */

struct charge {
    char name[NAME_MAX_SIZE];
    const struct bucket_limit *limit;
    const char *text;
    int64_t units;
    bool asked;  /* else it is held whatever the bucket says */
    bool queued; /* its tokens are given out in the order of asking */
    bool shared; /* with other zones */
};

const struct bucket_limit *budget_limit_of(const struct budget_rules *rules,
                                           const char *bucket)
{
    if (text_starts_with(bucket, "certificates")) {
        return &rules->certificates;
    }
    if (strcmp(bucket, "orders") == 0) {
        return &rules->orders;
    }
    return text_starts_with(bucket, "set:") ? &rules->set : &rules->failures;
}

static bool is_same_names(enum budget_lane lane)
{
    return lane == BUDGET_LANE_EXPIRING || lane == BUDGET_LANE_RENEWAL ||
           lane == BUDGET_LANE_KEY_CHANGE;
}

static int64_t count_names(const char *names)
{
    int64_t count = 1;

    for (const char *at = strchr(names, ' '); at != NULL; at = strchr(at + 1, ' ')) {
        count++;
    }
    return count;
}

/* The same names within 120 days, and a window's renewals, are exempt from the domain's and
 * the account's limit. The set counts always. */
static int list_charges(const struct budget_rules *rules,
                        const struct budget_order *order,
                        struct charge ret_charges[static HOLDS_MAX], size_t *ret_count)
{
    bool is_asked = order->lane != BUDGET_LANE_RELAY && order->lane != BUDGET_LANE_WINDOW;
    bool is_counted = order->lane != BUDGET_LANE_WINDOW && !order->is_known &&
                      !is_same_names(order->lane);
    size_t count = 2;

    ret_charges[0] = (struct charge){
        .limit = &rules->set, .text = limit_set, .units = 1, .asked = is_asked};
    ret_charges[1] = (struct charge){.limit = &rules->failures,
                                     .text = limit_failures,
                                     .units = count_names(order->names),
                                     .asked = is_asked};
    if (!text_format(ret_charges[0].name, NAME_MAX_SIZE, "set:%s", order->names) ||
        !text_format(ret_charges[1].name, NAME_MAX_SIZE, "failures:%s", order->id)) {
        return ERROR_LIMIT;
    }
    if (is_counted) {
        ret_charges[2] = (struct charge){.limit = &rules->certificates,
                                         .text = limit_certificates,
                                         .units = 1,
                                         .asked = is_asked,
                                         .queued = true,
                                         .shared = true};
        ret_charges[3] = (struct charge){.name = "orders",
                                         .limit = &rules->orders,
                                         .text = limit_orders,
                                         .units = 1,
                                         .asked = is_asked,
                                         .queued = true};
        if (!budget_store_domain_bucket(rules->domain, ret_charges[2].name)) {
            return ERROR_LIMIT;
        }
        count = 4;
    }
    *ret_count = count;
    return 0;
}

/* ---- one bucket ---- */

static int read_bucket(struct database *database, const char *zone, const char *ca,
                       const char *name, const struct bucket_limit *limit, int64_t now_us,
                       struct budget_store_bucket *ret_bucket)
{
    int error = budget_store_bucket(database, zone, ca, name, ret_bucket);

    if (error == 0) {
        ret_bucket->full_at_us = bucket_judge(limit, ret_bucket->full_at_us, now_us);
    }
    return error;
}

struct question {
    int64_t need; /* tokens: those ahead, and its own */
    int64_t spare;
    bool is_due;
    int64_t not_before_us;
};

/* 0: it fits; else when it will. */
static int64_t ask_bucket(const struct bucket_limit *limit,
                          const struct budget_store_bucket *bucket,
                          const struct question *question, int64_t now_us)
{
    int64_t full_at_us = bucket->full_at_us;
    int64_t tied = bucket->held + question->spare;
    int64_t drained_us =
        question->not_before_us + (limit->size - 1) * bucket_interval_us(limit);
    int64_t left = 0;

    /* The CA has said that there is nothing before: one token comes then. */
    if (question->not_before_us > now_us && full_at_us < drained_us) {
        full_at_us = drained_us;
    }
    left = bucket_tokens(limit, full_at_us, now_us) - tied;
    if (left >= question->need || (question->is_due && left >= 1)) {
        return 0;
    }
    if (bucket->held > 0 && full_at_us < now_us + (int64_t)STALL_S * US_PER_S) {
        full_at_us = now_us + (int64_t)STALL_S * US_PER_S;
    }
    return bucket_reach_us(limit, full_at_us, now_us, question->need + tied);
}

/* ---- the queue ---- */

struct own_place {
    bool found;
    int64_t ticket;
    int64_t turn_at;
};

static int take_place(const struct queue_store_place *place, void *arg)
{
    struct own_place *own = arg;

    own->found = true;
    own->ticket = place->ticket;
    own->turn_at = place->turn_at;
    return 0;
}

static int find_place(struct database *database, const char *zone, const char *id,
                      struct own_place *ret_place)
{
    int error = queue_store_place(database, zone, id, take_place, ret_place);

    return error == ERROR_NOT_FOUND ? 0 : error;
}

/* How many are before TICKET in the queues of the other zones. */
static int count_others_ahead(struct database *database, const struct budget_rules *rules,
                              int64_t ticket, int64_t *ret_count)
{
    int64_t sum = 0;
    int error = 0;

    for (size_t i = 0; error == 0 && i < rules->other_count; i++) {
        int64_t count = 0;

        error = queue_store_count_ahead(database, rules->others[i], ticket, &count);
        sum += count;
    }
    *ret_count = sum;
    return error;
}

/* A ticket above all that the other zones have given. */
static int next_ticket(struct database *database, const struct budget_rules *rules,
                       int64_t *ret_ticket)
{
    int64_t next = 0;
    int error = 0;

    for (size_t i = 0; error == 0 && i < rules->other_count; i++) {
        int64_t last = -1;

        error = queue_store_last(database, rules->others[i], &last);
        next = last + 1 > next ? last + 1 : next;
    }
    *ret_ticket = next;
    return error;
}

/* ---- the decision ---- */

static int64_t seconds_up(int64_t at_us)
{
    return (at_us + US_PER_S - 1) / US_PER_S;
}

static int ask_charge(struct database *database, const char *zone,
                      const struct budget_order *order, const struct charge *charge,
                      const struct question *question, int64_t now_us,
                      struct budget_decision *decision)
{
    struct budget_store_bucket bucket;
    int64_t ready_us = 0;
    int error = read_bucket(database, zone, order->ca, charge->name, charge->limit,
                            now_us, &bucket);

    if (error != 0) {
        return error;
    }
    ready_us = ask_bucket(charge->limit, &bucket, question, now_us);
    if (ready_us != 0) {
        decision->admitted = false;
        if (seconds_up(ready_us) > decision->retry_at) {
            decision->retry_at = seconds_up(ready_us);
            decision->limit = charge->text;
        }
    }
    return 0;
}

/* An announcement that was made before stands. */
static void keep_promise(const struct own_place *own, int64_t now_at,
                         struct budget_decision *decision)
{
    if (own->found && own->turn_at > now_at && own->turn_at < decision->retry_at) {
        decision->retry_at = own->turn_at;
    }
}

static int64_t spare_of(const struct budget_order *order,
                        const struct bucket_limit *limit)
{
    return order->spare < limit->size ? order->spare : limit->size - 1;
}

static int ask_queued(struct database *database, const char *zone,
                      const struct budget_rules *rules, const struct budget_order *order,
                      const struct charge *charges, size_t count, int64_t now_at,
                      struct budget_decision *decision)
{
    struct own_place own = {0};
    struct budget_decision queued = {.admitted = true};
    int64_t ahead = 0;
    int64_t others = 0;
    int error = find_place(database, zone, order->id, &own);
    int64_t ticket = own.found ? own.ticket : INT64_MAX;

    if (error == 0) {
        error = queue_store_count_ahead(database, zone, ticket, &ahead);
    }
    if (error == 0) {
        error = count_others_ahead(database, rules, ticket, &others);
    }
    for (size_t i = 0; error == 0 && i < count; i++) {
        struct question question = {
            .need = ahead + (charges[i].shared ? others : 0) + 1,
            .spare = spare_of(order, charges[i].limit),
            .is_due = own.found && own.turn_at <= now_at,
            .not_before_us = order->first_not_before_at * US_PER_S,
        };

        if (charges[i].queued && charges[i].asked) {
            error = ask_charge(database, zone, order, &charges[i], &question,
                               now_at * US_PER_S, &queued);
        }
    }
    if (error != 0 || queued.admitted) {
        return error;
    }
    keep_promise(&own, now_at, &queued);
    decision->place = ahead + (queued.limit == limit_certificates ? others : 0) + 1;
    decision->admitted = false;
    if (queued.retry_at > decision->retry_at) {
        decision->retry_at = queued.retry_at;
        decision->limit = queued.limit;
    }
    return 0;
}

int budget_decide(struct database *database, const char *zone,
                  const struct budget_rules *rules, const struct budget_order *order,
                  int64_t now_at, struct budget_decision *ret_decision)
{
    struct budget_decision decision = {.admitted = true};
    struct charge charges[HOLDS_MAX];
    size_t count = 0;
    int error = 0;

    if (!rules->on) {
        *ret_decision = decision;
        return 0;
    }
    error = list_charges(rules, order, charges, &count);
    for (size_t i = 0; error == 0 && i < count; i++) {
        struct question question = {.need = charges[i].units};

        if (charges[i].asked && !charges[i].queued) {
            error = ask_charge(database, zone, order, &charges[i], &question,
                               now_at * US_PER_S, &decision);
        }
    }
    if (error == 0) {
        error =
            ask_queued(database, zone, rules, order, charges, count, now_at, &decision);
    }
    if (error == 0) {
        *ret_decision = decision;
    }
    return error;
}

/* ---- writing ---- */

static int hold_charge(struct database *database, const char *zone, int64_t rev,
                       const struct budget_order *order, const struct charge *charge,
                       int64_t now_at)
{
    struct budget_store_bucket bucket;
    struct budget_store_hold hold = {
        .number = order->number,
        .ca = order->ca,
        .bucket = charge->name,
        .units = charge->units,
        .held_at = now_at,
    };
    int error = read_bucket(database, zone, order->ca, charge->name, charge->limit,
                            now_at * US_PER_S, &bucket);

    if (error == 0) {
        bucket.held += charge->units;
        error = budget_store_put_bucket(database, zone, rev, order->ca, charge->name,
                                        &bucket);
    }
    return error == 0 ? budget_store_put_hold(database, zone, rev, &hold) : error;
}

static int enter_queue(struct database *database, const char *zone, int64_t rev,
                       const struct budget_rules *rules, const struct own_place *own,
                       const struct budget_order *order,
                       const struct budget_decision *decision, int64_t now_at)
{
    struct queue_store_place place = {
        .ticket = own->ticket,
        .id = order->id,
        .reason = decision->limit,
        .asked_at = now_at,
        .turn_at = decision->retry_at,
        .kept_until_at = decision->retry_at + BUDGET_KEPT_S,
    };
    int error = own->found ? 0 : next_ticket(database, rules, &place.ticket);

    if (error != 0) {
        return error;
    }
    return own->found ? queue_store_set(database, zone, rev, &place)
                      : queue_store_add(database, zone, rev, &place);
}

int budget_book(struct database *database, const char *zone, int64_t rev,
                const struct budget_rules *rules, const struct budget_order *order,
                const struct budget_decision *decision, int64_t now_at)
{
    struct charge charges[HOLDS_MAX];
    struct own_place own = {0};
    size_t count = 0;
    int error = 0;

    if (!rules->on) {
        return 0;
    }
    error = find_place(database, zone, order->id, &own);
    if (error == 0 && !decision->admitted) {
        return decision->place == 0 ? 0
                                    : enter_queue(database, zone, rev, rules, &own, order,
                                                  decision, now_at);
    }
    if (error == 0) {
        error = list_charges(rules, order, charges, &count);
    }
    for (size_t i = 0; error == 0 && i < count; i++) {
        error = hold_charge(database, zone, rev, order, &charges[i], now_at);
    }
    return error == 0 && own.found ? queue_store_remove(database, zone, own.ticket)
                                   : error;
}

/* What one order holds, read before it is changed. */
struct holds {
    struct {
        char ca[LIMIT_URL_BYTES];
        char bucket[NAME_MAX_SIZE];
        int64_t units;
    } at[HOLDS_MAX];
    size_t count;
};

static int take_hold(const struct budget_store_hold *hold, void *arg)
{
    struct holds *holds = arg;

    if (holds->count == HOLDS_MAX ||
        !text_copy(holds->at[holds->count].ca, LIMIT_URL_BYTES, hold->ca) ||
        !text_copy(holds->at[holds->count].bucket, NAME_MAX_SIZE, hold->bucket)) {
        return ERROR_LIMIT;
    }
    holds->at[holds->count++].units = hold->units;
    return 0;
}

/* Ends the hold; SPENT by LIMIT, or given back where LIMIT is NULL. */
static int end_hold(struct database *database, const char *zone, int64_t rev,
                    const char *number, const struct holds *holds, size_t i,
                    const struct bucket_limit *limit, int64_t now_at)
{
    struct budget_store_bucket bucket;
    const char *ca = holds->at[i].ca;
    const char *name = holds->at[i].bucket;
    int64_t now_us = now_at * US_PER_S;
    int error = budget_store_bucket(database, zone, ca, name, &bucket);

    if (error != 0) {
        return error;
    }
    bucket.held = bucket.held > holds->at[i].units ? bucket.held - holds->at[i].units : 0;
    if (limit != NULL) {
        bucket.full_at_us =
            bucket_spend(limit, bucket_judge(limit, bucket.full_at_us, now_us), now_us,
                         holds->at[i].units);
    }
    error = budget_store_put_bucket(database, zone, rev, ca, name, &bucket);
    return error == 0 ? budget_store_end_hold(database, zone, number, name) : error;
}

int budget_place(struct database *database, const char *zone, int64_t rev,
                 const struct budget_rules *rules, const char *number, int64_t now_at)
{
    struct holds holds = {.count = 0};
    int error = budget_store_holds_of(database, zone, number, take_hold, &holds);

    for (size_t i = 0; error == 0 && i < holds.count; i++) {
        if (strcmp(holds.at[i].bucket, "orders") == 0) {
            error =
                end_hold(database, zone, rev, number, &holds, i, &rules->orders, now_at);
        }
    }
    return error;
}

int budget_settle(struct database *database, const char *zone, int64_t rev,
                  const struct budget_rules *rules, const char *number, int64_t now_at)
{
    struct holds holds = {.count = 0};
    int error = budget_store_holds_of(database, zone, number, take_hold, &holds);

    for (size_t i = 0; error == 0 && i < holds.count; i++) {
        const char *bucket = holds.at[i].bucket;

        error = end_hold(
            database, zone, rev, number, &holds, i,
            text_starts_with(bucket, "failures:") ? NULL : budget_limit_of(rules, bucket),
            now_at);
    }
    return error;
}

int budget_release(struct database *database, const char *zone, int64_t rev,
                   const char *number)
{
    struct holds holds = {.count = 0};
    int error = budget_store_holds_of(database, zone, number, take_hold, &holds);

    for (size_t i = 0; error == 0 && i < holds.count; i++) {
        error = end_hold(database, zone, rev, number, &holds, i, NULL, 0);
    }
    return error;
}

int budget_note_failure(struct database *database, const char *zone, int64_t rev,
                        const struct budget_rules *rules,
                        const struct budget_order *order, int64_t now_at)
{
    char name[NAME_MAX_SIZE];
    struct budget_store_bucket bucket;
    int64_t now_us = now_at * US_PER_S;
    int error = 0;

    if (!rules->on) {
        return 0;
    }
    if (!text_format(name, sizeof(name), "failures:%s", order->id)) {
        return ERROR_LIMIT;
    }
    error =
        read_bucket(database, zone, order->ca, name, &rules->failures, now_us, &bucket);
    if (error == 0) {
        bucket.full_at_us = bucket_spend(&rules->failures, bucket.full_at_us, now_us,
                                         count_names(order->names));
        error = budget_store_put_bucket(database, zone, rev, order->ca, name, &bucket);
    }
    return error;
}

int budget_left_of_set(struct database *database, const char *zone,
                       const struct budget_rules *rules, const struct budget_order *order,
                       int64_t now_at, int64_t *ret_left)
{
    char name[NAME_MAX_SIZE];
    struct budget_store_bucket bucket;
    int64_t now_us = now_at * US_PER_S;
    int64_t left = 0;
    int error = 0;

    if (!rules->on) {
        *ret_left = INT64_MAX;
        return 0;
    }
    if (!text_format(name, sizeof(name), "set:%s", order->names)) {
        return ERROR_LIMIT;
    }
    error = read_bucket(database, zone, order->ca, name, &rules->set, now_us, &bucket);
    if (error == 0) {
        left = bucket_tokens(&rules->set, bucket.full_at_us, now_us) - bucket.held;
        *ret_left = left > 0 ? left : 0;
    }
    return error;
}

/* ---- housekeeping ---- */

int budget_move_places(struct database *database, const char *zone, int64_t rev,
                       int64_t now_at)
{
    struct issuer_store_entry alive = {
        .kind = "alive", .what = "issuer", .id = "", .at = now_at};
    int64_t last_at = -1;
    int64_t gap_s = 0;
    int error = issuer_store_entry_at(database, zone, alive.kind, alive.what, &last_at);

    gap_s = last_at < 0 ? 0 : now_at - last_at;
    if (error == 0 && (gap_s > GAP_S || gap_s < 0)) {
        error = queue_store_shift(database, zone, rev, gap_s);
    }
    return error == 0 ? issuer_store_put_entry(database, zone, rev, &alive) : error;
}

int budget_sweep(struct database *database, const char *zone, int64_t rev, int64_t now_at)
{
    int lost = QUEUE_STORE_LOST_MAX;
    int error = budget_move_places(database, zone, rev, now_at);

    for (int sum = 0; error == 0 && lost == QUEUE_STORE_LOST_MAX && sum < LOST_AT_ONCE;
         sum += lost) {
        error = queue_store_remove_lost(database, zone, now_at, &lost);
    }
    return error == 0 ? budget_store_forget_full(database, zone, now_at * US_PER_S)
                      : error;
}
