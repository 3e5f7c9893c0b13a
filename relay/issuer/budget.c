/* A refused id enters the ledger twice: "queue" (when it first asked, its place) and
 * "promise" (when it was told to come back). Who does not come back within a day after
 * its promise loses its place, else devices that were switched off would hold slots for
 * ever.
 *
 * The moment a slot becomes free follows from the spendings themselves: the oldest leaves
 * the window first. Place p beyond the free slots gets the p-th to leave; beyond all of
 * them, another window later. */
#include "relay/issuer/budget.h"

#include "base/core/limits.h"
#include "base/core/text.h"
#include "relay/store/issuer_store.h"

#include <string.h>

struct limit {
    const char *budget;
    const char *text;
    int64_t size;
    int64_t window_s;
};

enum { SET_MAX = LIMIT_ORDER_NAMES * 256 + 8 };

static const char limit_certificates[] = "the CA's certificates per domain and week";
static const char limit_orders[] = "the CA's orders per three hours";
static const char limit_set[] = "the CA's certificates for the same names per week";

static bool set_budget(const struct budget_order *order, char ret_text[static SET_MAX])
{
    return text_format(ret_text, SET_MAX, "set:%s", order->names);
}

/* ---- the queue ---- */

/* How many others come before ID, who may not be in the queue yet. Places that were lost
 * go first. */
static int count_ahead(struct database *database, const char *zone, const char *id,
                       int64_t now_at, int64_t *ret_ahead)
{
    int64_t asked_at = -1;
    int error = issuer_store_forget_places(database, zone, now_at - BUDGET_PROMISE_S);

    if (error == 0) {
        error = issuer_store_entry_at(database, zone, "queue", id, &asked_at);
    }
    return error != 0 ? error
                      : issuer_store_count_before(database, zone, "queue",
                                                  asked_at < 0 ? INT64_MAX : asked_at, id,
                                                  ret_ahead);
}

/* ---- one limit ---- */

/* Whether one more fits when AHEAD others come first; else when it will. */
static int ask_limit(struct database *database, const char *zone, const char *ca,
                     const struct limit *limit, int64_t ahead, int64_t now_at,
                     int64_t *ret_retry_at)
{
    int64_t after_at = now_at - limit->window_s;
    int64_t count = 0;
    int64_t ignored = 0;
    int64_t leaves_at = 0;
    int64_t place = 0;
    int error = issuer_store_spent(database, zone, ca, limit->budget, after_at, 0, &count,
                                   &ignored);

    if (error != 0) {
        return error;
    }
    if (count + ahead < limit->size) {
        *ret_retry_at = 0;
        return 0;
    }
    if (count == 0 || limit->size == 0) {
        /* All slots are promised and none is spent yet, or there are none at all. */
        *ret_retry_at = now_at + limit->window_s;
        return 0;
    }
    place = ahead + count - limit->size; /* 0: the next slot to become free */
    error = issuer_store_spent(database, zone, ca, limit->budget, after_at,
                               count - place % count, &count, &leaves_at);
    if (error == 0) {
        *ret_retry_at = leaves_at + limit->window_s * (1 + place / count) + 1;
    }
    return error;
}

static int refuse_by(struct database *database, const char *zone, const char *ca,
                     const struct limit *limit, int64_t ahead, int64_t now_at,
                     struct budget_decision *decision)
{
    int64_t retry_at = 0;
    int error = ask_limit(database, zone, ca, limit, ahead, now_at, &retry_at);

    if (error == 0 && retry_at > decision->retry_at) {
        decision->admitted = false;
        decision->limit = limit->text;
        decision->retry_at = retry_at;
    }
    return error;
}

int budget_decide(struct database *database, const char *zone,
                  const struct budget_rules *rules, const struct budget_order *order,
                  int64_t now_at, struct budget_decision *ret_decision)
{
    struct budget_decision decision = {.admitted = true};
    char set[SET_MAX];
    struct limit certificates = {"certificates", limit_certificates,
                                 rules->certificates_week, BUDGET_WEEK_S};
    struct limit orders = {"orders", limit_orders, rules->orders_3h, BUDGET_ORDERS_S};
    struct limit exact = {set, limit_set, rules->exact_set_week, BUDGET_WEEK_S};
    int64_t ahead = 0;
    int error = 0;

    if (!set_budget(order, set)) {
        return ERROR_LIMIT;
    }
    if (rules->on && !order->exempt) {
        error = refuse_by(database, zone, order->ca, &exact, 0, now_at, &decision);
    }
    if (error == 0 && rules->on && !order->exempt && !order->renewal) {
        int64_t before = decision.retry_at;

        error = count_ahead(database, zone, order->id, now_at, &ahead);
        if (error == 0) {
            error = refuse_by(database, zone, order->ca, &certificates, ahead, now_at,
                              &decision);
        }
        if (error == 0) {
            error =
                refuse_by(database, zone, order->ca, &orders, ahead, now_at, &decision);
        }
        decision.place = decision.retry_at > before ? ahead + 1 : 0;
    }
    if (error == 0) {
        *ret_decision = decision;
    }
    return error;
}

/* ---- writing ---- */

/* A reservation stands in the window where a spending would stand that leaves it after
 * BUDGET_RESERVED_S: if the order is never finalized, that is when the slot is free
 * again, and what the next in the queue is told. */
static int reserve_one(struct database *database, const char *zone, int64_t rev,
                       const struct budget_order *order, const char *budget,
                       int64_t window_s, int64_t now_at)
{
    struct issuer_store_spending spending = {
        .ca = order->ca,
        .budget = budget,
        .number = order->number,
        .id = order->id,
        .spent_at = now_at - window_s + BUDGET_RESERVED_S,
    };

    return issuer_store_spend(database, zone, rev, &spending);
}

int budget_place(struct database *database, const char *zone, int64_t rev,
                 const char *number, int64_t now_at)
{
    return issuer_store_settle(database, zone, rev, number, "", now_at);
}

int budget_settle(struct database *database, const char *zone, int64_t rev,
                  const char *number, int64_t now_at)
{
    return issuer_store_settle(database, zone, rev, number, "orders", now_at);
}

int budget_fail(struct database *database, const char *zone, const char *number)
{
    return issuer_store_refund(database, zone, number, "orders");
}

/* Also an exempt one counts in its set: the CA spends that when it issues. */
static int reserve(struct database *database, const char *zone, int64_t rev,
                   const struct budget_order *order, int64_t now_at)
{
    char set[SET_MAX];
    int error = 0;

    if (!set_budget(order, set)) {
        return ERROR_LIMIT;
    }
    error = reserve_one(database, zone, rev, order, set, BUDGET_WEEK_S, now_at);
    if (error == 0 && !order->renewal && !order->exempt) {
        error = reserve_one(database, zone, rev, order, "certificates", BUDGET_WEEK_S,
                            now_at);
    }
    if (error == 0 && !order->renewal && !order->exempt) {
        error =
            reserve_one(database, zone, rev, order, "orders", BUDGET_ORDERS_S, now_at);
    }
    return error;
}

static int leave_queue(struct database *database, const char *zone, const char *id)
{
    int error = issuer_store_remove_entry(database, zone, "queue", id);

    return error != 0 ? error : issuer_store_remove_entry(database, zone, "promise", id);
}

int budget_book(struct database *database, const char *zone, int64_t rev,
                const struct budget_rules *rules, const struct budget_order *order,
                const struct budget_decision *decision, int64_t now_at)
{
    struct issuer_store_entry entry = {
        .kind = "queue", .what = order->id, .id = order->id, .at = now_at};
    struct issuer_store_entry promise = {
        .kind = "promise", .what = order->id, .id = order->id, .at = decision->retry_at};
    int64_t asked_at = -1;
    int error = 0;

    if (!rules->on) {
        return 0;
    }
    if (decision->admitted) {
        error = reserve(database, zone, rev, order, now_at);
        return error != 0 ? error : leave_queue(database, zone, order->id);
    }
    if (decision->place == 0) {
        return 0;
    }
    error = issuer_store_entry_at(database, zone, "queue", order->id, &asked_at);
    if (error == 0 && asked_at < 0) {
        error = issuer_store_put_entry(database, zone, rev, &entry);
    }
    if (error == 0) {
        error = issuer_store_put_entry(database, zone, rev, &promise);
    }
    return error;
}

int budget_left_of_set(struct database *database, const char *zone,
                       const struct budget_rules *rules, const struct budget_order *order,
                       int64_t now_at, int64_t *ret_left)
{
    char set[SET_MAX];
    int64_t count = 0;
    int64_t ignored = 0;
    int error = 0;

    if (!rules->on) {
        *ret_left = INT64_MAX;
        return 0;
    }
    if (!set_budget(order, set)) {
        return ERROR_LIMIT;
    }
    error = issuer_store_spent(database, zone, order->ca, set, now_at - BUDGET_WEEK_S, 0,
                               &count, &ignored);
    if (error == 0) {
        *ret_left = count >= rules->exact_set_week ? 0 : rules->exact_set_week - count;
    }
    return error;
}
