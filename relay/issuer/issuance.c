/* One issuance, from an accepted CSR to a stored chain.
 *
 *   QUEUED -> (a slot) -> RUNNING <-> SAVING    state durable, then go on
 *     ^                    |  |   <-> SHOWING   TXT durable, then seen at every server
 *     +------- HELD <------+  |                 a failure that passes; gives up the slot
 *                             +-----> STORING   result durable, then gone
 *   FOLLOWING ----------------------> STORING   has the same CSR as another one
 *
 * acme_order decides what to ask of the CA; this file obeys it. All writes go through
 * commit: the issuances of one turn of the loop share one transaction.
 *
 * A failure that may pass is retried here for HOLD_S only: devices wait for an answer,
 * and give up after 30 to 90 seconds with their key. After that the order is invalid with
 * the reason, the breaker (ca.c) or the failures in the ledger decide when the next one
 * is admitted. */
#include "relay/issuer/issuance.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/crypto/random.h"
#include "relay/issuer/issuance_list.h"
#include "relay/issuer/issuance_order.h"
#include "relay/issuer/issuance_result.h"
#include "relay/issuer/lane.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOLD_S = 90,
    RESTARTS_MAX = 3, /* new orders at the CA after one got lost */
    DNS_TRIES = 2,    /* the CA counts five failures an hour */
    DNS_RETRY_S = 5,
    BACKOFF_MAX_S = 20,
    CHALLENGE_LIFE_S = 3600,
    FIRST_LOOK_MAX_MS = 250,
    CROWD_MAX = 20000,
    CROWD_RENEWALS = 5000, /* of which first issues take none */
    PAUSED_LOOK_MS = 5000,
};

static void step(struct issuance *issuance);

/* ---- failures that may pass ---- */

static int64_t backoff_ms(unsigned failures)
{
    int64_t base_ms = failures < 6 ? 500LL << failures : BACKOFF_MAX_S * 1000LL;

    if (base_ms > BACKOFF_MAX_S * 1000LL) {
        base_ms = BACKOFF_MAX_S * 1000LL;
    }
    return base_ms / 2 + (int64_t)random_below((uint64_t)base_ms);
}

/* Waits without a slot, then queues again. FRESH: with a new order at the CA. */
static void hold(struct issuance *issuance, int64_t delay_ms, bool fresh)
{
    if (fresh) {
        issuance_order_drop(issuance);
        issuance->attempts++;
        if (issuance_order_save(issuance, false) != 0) {
            return;
        }
    } else {
        acme_order_retry(issuance->order);
    }
    issuance->ready_mono_ms = clock_mono_ms() + delay_ms;
    issuance_list_set_state(issuance, ISSUANCE_HELD);
    loop_timer_set(issuance->timer, delay_ms);
}

/* What to do about a failure. True: *RET_DELAY_MS until the next try,
 * with a new order when *RET_FRESH. */
static bool may_pass(struct issuance *issuance, const struct acme_error *failure,
                     int64_t *ret_delay_ms, bool *ret_fresh)
{
    int64_t now_at = clock_wall_at();

    *ret_delay_ms = backoff_ms(issuance->failures);
    *ret_fresh = !failure->resumable;
    switch (failure->type) {
    case ACME_ERROR_NET:
    case ACME_ERROR_SERVER:
    case ACME_ERROR_PROTOCOL:
    case ACME_ERROR_MEMORY:
    case ACME_ERROR_PUBLISH:
        if (failure->problem.status == 503 && failure->retry_at > now_at) {
            *ret_delay_ms = (failure->retry_at - now_at) * 1000;
        }
        return !*ret_fresh || issuance->restarts++ < RESTARTS_MAX;
    case ACME_ERROR_RATE_LIMIT:
        *ret_delay_ms = (failure->retry_at - now_at) * 1000;
        return failure->retry_at != 0 &&
               (!*ret_fresh || issuance->restarts++ < RESTARTS_MAX);
    case ACME_ERROR_ORDER:
        *ret_fresh = true;
        *ret_delay_ms = 0;
        return issuance->restarts++ < RESTARTS_MAX;
    case ACME_ERROR_ACCOUNT:
        /* The account may be found or made again (ca.c); then the order is looked at. */
        *ret_delay_ms = 0;
        return issuance->restarts++ < RESTARTS_MAX;
    case ACME_ERROR_DNS:
        *ret_fresh = true;
        *ret_delay_ms = DNS_RETRY_S * 1000;
        return ++issuance->dns_failures < DNS_TRIES;
    case ACME_ERROR_NONE:
    case ACME_ERROR_PAUSED:
    case ACME_ERROR_EAB:
    case ACME_ERROR_USER_ACTION:
    case ACME_ERROR_REJECTED:
    case ACME_ERROR_CSR:
    case ACME_ERROR_CAA:
    case ACME_ERROR_CHAIN:
        return false;
    }
    return false;
}

/* The CA counts each. */
static int note_validation_failure(struct issuance *issuance)
{
    struct issuer *issuer = issuance->set->issuer;
    struct budget_order order = {.ca = issuer->config->ca_directory,
                                 .number = issuance->number,
                                 .id = issuance->id,
                                 .names = issuance->names};
    int64_t rev = 0;
    int error = commit_begin(issuer->commit, &rev);

    if (error == 0) {
        error = budget_note_failure(issuer->database, issuer->config->zone, rev,
                                    &issuer->rules, &order, clock_wall_at());
    }
    return error == 0 ? 0 : commit_fail(issuer->commit, error, "budget");
}

static void take_failure(struct issuance *issuance, const struct acme_error *failure)
{
    struct issuer *issuer = issuance->set->issuer;
    int64_t waited_ms = clock_mono_ms() - issuance->started_mono_ms;
    struct acme_error copy = *failure;
    int64_t delay_ms = 0;
    bool fresh = false;

    ca_report(issuer->ca, &copy);
    issuer_meter_failure(issuer->meter, &copy);
    if (copy.type == ACME_ERROR_DNS || copy.type == ACME_ERROR_CAA) {
        if (note_validation_failure(issuance) != 0) {
            return;
        }
    }
    if (may_pass(issuance, &copy, &delay_ms, &fresh) &&
        waited_ms + delay_ms <= HOLD_S * 1000LL) {
        issuance->failures++;
        log_info("order %s: %s (%s); trying again in %lld ms%s", issuance->number,
                 copy.text, acme_error_type_text(copy.type), (long long)delay_ms,
                 fresh ? " with a new order at the CA" : "");
        hold(issuance, delay_ms, fresh);
        return;
    }
    issuance_result_bad(issuance, &copy);
}

/* ---- showing TXT ---- */

static void on_shown(int error, const char *text, int64_t waited_ms, void *arg)
{
    struct issuance *issuance = arg;
    struct issuer *issuer = issuance->set->issuer;
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};

    propagation_free(issuance->propagation);
    issuance->propagation = NULL;
    if (error == 0) {
        /* A running mean: the next one's first question comes when it is likely to be
         * good. */
        issuer->shown_after_ms =
            (unsigned)((issuer->shown_after_ms * 7LL + waited_ms) / 8);
        acme_order_published(issuance->order);
    } else {
        log_error("order %s: %s", issuance->number, text);
        acme_order_publish_failed(issuance->order, text, now);
    }
    issuance_list_set_state(issuance, ISSUANCE_RUNNING);
    step(issuance);
}

static void look_for_records(struct issuance *issuance)
{
    struct issuer *issuer = issuance->set->issuer;
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};
    struct acme_step wanted = {0};
    unsigned first_ms = issuer->shown_after_ms / 2;
    int error = 0;

    acme_order_next(issuance->order, now, &wanted);
    if (wanted.want != ACME_WANT_PUBLISH) {
        issuance_list_set_state(issuance, ISSUANCE_RUNNING);
        step(issuance);
        return;
    }
    error = propagation_new(issuer->loop, &issuer->servers, wanted.records,
                            wanted.record_count,
                            first_ms > FIRST_LOOK_MAX_MS ? FIRST_LOOK_MAX_MS : first_ms,
                            on_shown, issuance, &issuance->propagation);
    if (error != 0) {
        acme_order_publish_failed(issuance->order, error_text(error), now);
        issuance_list_set_state(issuance, ISSUANCE_RUNNING);
        step(issuance);
    }
}

/* Shows or takes away the records; false after a failure that ended the issuer. */
static bool write_records(struct issuance *issuance, const struct acme_step *wanted,
                          bool show)
{
    struct issuer *issuer = issuance->set->issuer;
    int64_t rev = 0;
    int error = commit_begin(issuer->commit, &rev);

    for (size_t i = 0; error == 0 && i < wanted->record_count; i++) {
        struct issuer_store_challenge challenge = {
            .name = wanted->records[i].name,
            .value = wanted->records[i].value,
            .expires_at = clock_wall_at() + CHALLENGE_LIFE_S,
        };

        error = show ? issuer_store_put_challenge(issuer->database, issuer->config->zone,
                                                  rev, &challenge)
                     : issuer_store_end_challenge(issuer->database, issuer->config->zone,
                                                  rev, challenge.name, challenge.value);
    }
    if (error != 0) {
        (void)commit_fail(issuer->commit, error, "challenge");
    }
    return error == 0;
}

/* ---- the step ---- */

static void on_response(const struct acme_response *response, void *arg)
{
    struct issuance *issuance = arg;
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};

    acme_order_response(issuance->order, response, now);
    step(issuance);
}

void issuance_parts_on_shared(void *arg)
{
    step(arg);
}

static void send_request(struct issuance *issuance, const struct acme_request *request)
{
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};
    int error = ca_send(issuance->set->issuer->ca, &issuance->exchange, request,
                        on_response, issuance);
    struct acme_response failed = {.error = error, .error_text = error_text(error)};

    if (error != 0) {
        acme_order_response(issuance->order, &failed, now);
        loop_timer_set(issuance->timer, 0);
    }
}

/* The CA has counted the order when its URL is known. */
static int note_placed(struct issuance *issuance)
{
    struct issuer *issuer = issuance->set->issuer;
    int64_t rev = 0;
    int error = 0;

    if (issuance->placed || acme_order_url(issuance->order) == NULL) {
        return 0;
    }
    error = commit_begin(issuer->commit, &rev);
    if (error == 0) {
        error = budget_place(issuer->database, issuer->config->zone, rev, &issuer->rules,
                             issuance->number, clock_wall_at());
    }
    if (error != 0) {
        return commit_fail(issuer->commit, error, "budget");
    }
    issuance->placed = true;
    return 0;
}

/* Does one thing that the machine wants. True: ask it again at once. */
static bool obey(struct issuance *issuance, const struct acme_step *wanted)
{
    struct issuer *issuer = issuance->set->issuer;

    switch (wanted->want) {
    case ACME_WANT_REQUEST:
        send_request(issuance, wanted->request);
        return false;
    case ACME_WANT_RESPONSE:
        return false;
    case ACME_WANT_SHARED:
        ca_wait(issuer->ca, &issuance->shared);
        return false;
    case ACME_WANT_WAIT:
        issuance_list_opened(issuance); /* it polls: all is placed */
        loop_timer_set(issuance->timer, wanted->wait_ms);
        return false;
    case ACME_WANT_SAVE:
        if (issuance_order_save(issuance, false) == 0 && note_placed(issuance) == 0) {
            issuance_list_set_state(issuance, ISSUANCE_SAVING);
            commit_wait(issuer->commit, &issuance->committed);
        }
        return false;
    case ACME_WANT_PUBLISH:
        if (write_records(issuance, wanted, true)) {
            issuance_list_set_state(issuance, ISSUANCE_SHOWING);
            commit_wait(issuer->commit, &issuance->committed);
        }
        return false;
    case ACME_WANT_UNPUBLISH:
        /* Need not be durable first: values that a crash leaves behind expire. */
        if (!write_records(issuance, wanted, false)) {
            return false;
        }
        acme_order_unpublished(issuance->order);
        return true;
    case ACME_WANT_DONE:
        issuance_result_good(issuance);
        return false;
    case ACME_WANT_FAILED:
        take_failure(issuance, wanted->error);
        return false;
    case ACME_WANT_IDLE:
        return false;
    }
    return false;
}

static void step(struct issuance *issuance)
{
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};
    struct acme_step wanted = {0};

    if (issuance->state != ISSUANCE_RUNNING ||
        commit_error(issuance->set->issuer->commit) != 0) {
        return;
    }
    do {
        acme_order_next(issuance->order, now, &wanted);
        issuer_meter_step(issuance->set->issuer->meter, &issuance->span,
                          acme_order_step(issuance->order));
    } while (obey(issuance, &wanted));
}

/* What was written is durable. */
void issuance_parts_on_committed(void *arg)
{
    struct issuance *issuance = arg;

    switch (issuance->state) {
    case ISSUANCE_QUEUED:
        issuance_list_set_durable(issuance);
        loop_timer_set(issuance->set->timer, 0);
        return;
    case ISSUANCE_FOLLOWING:
        issuance_list_set_durable(issuance);
        return;
    case ISSUANCE_SAVING:
        acme_order_saved(issuance->order);
        issuance_list_set_state(issuance, ISSUANCE_RUNNING);
        step(issuance);
        return;
    case ISSUANCE_SHOWING:
        look_for_records(issuance);
        return;
    case ISSUANCE_STORING:
        issuance_list_remove(issuance);
        return;
    case ISSUANCE_RUNNING:
    case ISSUANCE_HELD:
        return;
    }
}

void issuance_parts_on_timer(void *arg)
{
    struct issuance *issuance = arg;

    if (issuance->state == ISSUANCE_HELD) {
        issuance_list_set_state(issuance, ISSUANCE_QUEUED);
        loop_timer_set(issuance->set->timer, 0);
        return;
    }
    step(issuance);
}

/* ---- slots ---- */

static bool has_order(const struct issuance *issuance)
{
    return issuance->saved.size > 0 ||
           (issuance->order != NULL && acme_order_url(issuance->order) != NULL);
}

static void start(struct issuance *issuance)
{
    int error = 0;

    if (!has_order(issuance)) {
        issuance->opening = true;
        issuance->set->opening_count++;
    }
    issuance_list_set_state(issuance, ISSUANCE_RUNNING);
    if (issuance->order == NULL) {
        error = issuance_order_make(issuance);
    }
    if (error != 0) {
        struct acme_error failure = {.type = ACME_ERROR_MEMORY, .scope = ACME_SCOPE_NAME};

        (void)text_format(failure.text, sizeof(failure.text),
                          "the order can't be made: %s", error_text(error));
        issuance_result_bad(issuance, &failure);
        return;
    }
    step(issuance);
}

/* While the CA is paused, devices must not wait for ever. */
static void give_up_late(struct issuances *set)
{
    struct acme_error failure = {.type = ACME_ERROR_SERVER, .scope = ACME_SCOPE_CA};
    int64_t now_mono_ms = clock_mono_ms();

    (void)text_format(failure.text, sizeof(failure.text),
                      "the CA takes no requests at the moment");
    for (struct issuance *issuance = set->first; issuance != NULL;
         issuance = issuance->next) {
        if (issuance->state == ISSUANCE_QUEUED && issuance->durable &&
            !issuance->for_relay &&
            now_mono_ms - issuance->started_mono_ms > HOLD_S * 1000LL) {
            issuance_result_bad(issuance, &failure);
        }
    }
}

static void on_slots(void *arg)
{
    struct issuances *set = arg;

    if (commit_error(set->issuer->commit) != 0) {
        return;
    }
    if (ca_is_held(set->issuer->ca)) {
        return; /* whoever holds it wakes us */
    }
    if (ca_paused_until(set->issuer->ca) != 0) {
        give_up_late(set);
        loop_timer_set(set->timer, PAUSED_LOOK_MS);
        return;
    }
    while (set->running_count < set->issuer->config->max_in_flight) {
        struct issuance *issuance = issuance_list_next(set);

        if (issuance == NULL ||
            (!has_order(issuance) &&
             set->opening_count >= set->issuer->config->new_orders_at_once)) {
            return; /* each order placed comes back here */
        }
        start(issuance);
    }
}

void issuance_wake(struct issuances *issuances)
{
    loop_timer_set(issuances->timer, 0);
}

int issuance_begin(struct issuer *issuer, int64_t rev, const struct issuance_wish *wish)
{
    struct issuance *issuance = NULL;
    struct issuer_store_issuance row;
    int error = issuance_list_add(issuer->issuances, wish, &issuance);

    if (error != 0) {
        return error;
    }
    row = issuance_list_row(issuance);
    error = issuer_store_put_issuance(issuer->database, issuer->config->zone, rev, &row);
    if (error != 0) {
        issuance_list_remove(issuance);
        return error;
    }
    commit_wait(issuer->commit, &issuance->committed);
    return 0;
}

size_t issuance_other_keys(const struct issuances *issuances, const char *id,
                           const char *spki_hash)
{
    size_t count = 0;

    for (const struct issuance *issuance = issuance_list_of_id(issuances, id);
         issuance != NULL; issuance = issuance->bucket_next) {
        if (!issuance->for_relay && issuance->state != ISSUANCE_STORING &&
            strcmp(issuance->id, id) == 0 &&
            strcmp(issuance->csr.spki_hash, spki_hash) != 0) {
            count++;
        }
    }
    return count;
}

size_t issuance_count(const struct issuances *issuances)
{
    return issuances->count;
}

size_t issuance_running_count(const struct issuances *issuances)
{
    return issuances->running_count;
}

struct issuance_counts issuance_counts(const struct issuances *issuances)
{
    struct issuance_counts counts = {0};

    for (const struct issuance *issuance = issuances->first; issuance != NULL;
         issuance = issuance->next) {
        counts.queued += issuance->state == ISSUANCE_QUEUED ? 1 : 0;
        counts.held += issuance->state == ISSUANCE_HELD ? 1 : 0;
    }
    return counts;
}

bool issuance_crowded(const struct issuances *issuances, enum budget_lane lane)
{
    return issuances->count >=
           (lane >= BUDGET_LANE_FIRST ? CROWD_MAX - CROWD_RENEWALS : CROWD_MAX);
}

/* ---- start and end ---- */

struct wish_of_order {
    struct issuances *set;
    const struct issuer_store_issuance *row;
    struct verify_csr csr;
    struct issuance *issuance;
    bool found;
};

static int take_order(const struct issuer_store_order *order, void *arg)
{
    struct wish_of_order *wish_of = arg;
    struct acme_problem problem = {0};
    struct issuance_wish wish = {
        .number = order->number,
        .id = order->id,
        .names = order->names,
        .lane = wish_of->row->lane,
        .profile = order->profile,
        .csr_text = wish_of->row->csr,
        .csr = &wish_of->csr,
    };
    int error = verify_csr(wish_of->row->csr, order->names, &wish_of->csr, &problem);

    if (error == 0) {
        error = lane_of(wish_of->set->issuer, order->id, order->names, clock_wall_at(),
                        &wish.budget_lane);
    }
    if (error == 0) {
        error = issuance_list_add(wish_of->set, &wish, &wish_of->issuance);
    }
    if (error == 0) {
        issuance_list_set_durable(wish_of->issuance);
        wish_of->issuance->attempts = wish_of->row->attempts;
        error = buffer_append_text(&wish_of->issuance->saved, wish_of->row->saved);
    }
    verify_csr_free(&wish_of->csr);
    return error;
}

static int take_open(const struct issuer_store_issuance *row, void *arg)
{
    struct issuances *set = arg;
    struct issuer *issuer = set->issuer;
    struct wish_of_order wish_of = {.set = set, .row = row};
    int error = issuer_store_order(issuer->database, issuer->config->zone, row->number,
                                   take_order, &wish_of);

    if (error != 0) {
        log_error("order %s: its issuance can't be taken up again: %s", row->number,
                  error_text(error));
        return error == ERROR_MEMORY ? error : 0;
    }
    return 0;
}

int issuance_open_all(struct issuer *issuer, struct issuances **ret_issuances)
{
    struct issuances *set = calloc(1, sizeof(*set));
    int error = ERROR_MEMORY;

    if (set == NULL) {
        return ERROR_MEMORY;
    }
    set->issuer = issuer;
    error = loop_timer_new(issuer->loop, on_slots, set, &set->timer);
    if (error == 0) {
        error = issuer_store_open_issuances(issuer->database, issuer->config->zone,
                                            take_open, set);
    }
    if (error != 0) {
        issuance_close_all(set);
        return error;
    }
    if (set->count > 0) {
        log_info("%zu issuances go on from the store", set->count);
        loop_timer_set(set->timer, 0);
    }
    *ret_issuances = set;
    return 0;
}

void issuance_close_all(struct issuances *issuances)
{
    if (issuances == NULL) {
        return;
    }
    while (issuances->first != NULL) {
        struct issuance *issuance = issuances->first;

        issuances->first = issuance->next;
        issuance_list_free_one(issuance);
    }
    if (issuances->timer != NULL) {
        loop_timer_free(issuances->timer);
    }
    free(issuances);
}
