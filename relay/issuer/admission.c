/* Whether an order may be placed now. The checks stand in the order of what they cost and
 * of what the device can do about it:
 *
 *   signature, names          verify.c: final
 *   blocked, deactivated      final
 *   enrolment                 the registration's binding, by the token's own key
 *   signed once               one newOrder is one order, whatever front replays
 *   open and unused orders    the id's own: at most 5 open, 5 unused a day
 *   new TLS keys              3 in 7 days outside renewal
 *   the CA                    breaker and account
 *   budgets                   held from here on, else a place in the queue
 *
 * At newOrder the key is not known, so that an id that used up its keys is refused also
 * when it would come with an old one: better than a finalize that fails. */
#include "relay/issuer/admission.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "relay/issuer/issuance.h"
#include "relay/issuer/lane.h"
#include "relay/issuer/meter.h"
#include "relay/store/admin_store.h"

#include <inttypes.h>
#include <string.h>

enum {
    READY_S = BUDGET_RESERVED_S, /* not finalized by then, it gives its budget back */
    REFUSED_S = 300,             /* how long a refusal is kept for front to read */
    OPEN_ORDERS_MAX = 5,         /* per id */
    UNUSED_DAY = 5,              /* orders that reserved for nothing, per id */
    DAY_S = 86400,
    WEEK_S = 7 * 86400,
    CROWD_RETRY_S = 60,
    KEYS_LOOK_MAX = 64,
};

struct admission {
    struct issuer *issuer;
    const struct front_store_request *request;
    struct verify_order order;
    int64_t now_at;
    struct acme_problem problem;
    int64_t retry_at; /* refused: 0 is never */
    enum budget_lane lane;
    struct budget_decision budget;
};

/* A check's word: ADMIT to go on, REFUSE with problem and retry_at set, or a store error.
 */
enum { ADMIT = 0, REFUSE = 1 };

static int refuse(struct admission *admission, enum acme_problem_type type,
                  int64_t retry_at, const char *text)
{
    acme_problem_set(&admission->problem, type, "%s", text);
    admission->retry_at = retry_at;
    return REFUSE;
}

/* ---- who ---- */

static int check_blocked(struct admission *admission)
{
    struct issuer *issuer = admission->issuer;
    bool blocked = false;
    int error = 0;

    if (issuer->admin == NULL) {
        return ADMIT;
    }
    error = admin_store_is_blocked(issuer->admin, issuer->config->zone,
                                   admission->order.id, &blocked);
    if (error != 0) {
        return error;
    }
    return blocked ? refuse(admission, ACME_PROBLEM_UNAUTHORIZED, 0,
                            "This device is blocked by the relay's operator")
                   : ADMIT;
}

struct enrolment {
    struct admission *admission;
    int verdict;
    struct eab *eab;
    int64_t expires_at;
    int64_t max_devices;
    bool gone;
    int64_t count;
};

static int take_account(const struct front_store_account *account, void *arg)
{
    struct enrolment *enrolment = arg;
    struct admission *admission = enrolment->admission;
    struct issuer *issuer = admission->issuer;

    if (strcmp(account->status, "valid") != 0) {
        enrolment->verdict = refuse(admission, ACME_PROBLEM_UNAUTHORIZED, 0,
                                    "This account was deactivated");
        return 0;
    }
    if (issuer->config->enrolment == RELAY_ENROLMENT_OPEN) {
        return 0;
    }
    if (verify_registration(&issuer->verify, account->registration,
                            admission->request->jwk, &enrolment->eab,
                            &admission->problem) != 0) {
        enrolment->verdict = REFUSE;
    }
    return 0;
}

static int take_token(const struct admin_store_token *token, void *arg)
{
    struct enrolment *enrolment = arg;

    enrolment->expires_at = token->expires_at;
    enrolment->max_devices = token->max_devices;
    enrolment->gone = token->gone;
    return 0;
}

/* The token itself: known, not ended, not used up; and the MAC by the key derived from
 * it. */
static int check_token(struct enrolment *enrolment)
{
    struct admission *admission = enrolment->admission;
    struct issuer *issuer = admission->issuer;
    const char *zone = issuer->config->zone;
    const char *kid = eab_kid(enrolment->eab);
    char prefix[EAB_KID_MAX + 2];
    uint8_t key[TOKEN_KEY_SIZE];
    int error =
        issuer->admin == NULL || !issuer->has_secret
            ? ERROR_NOT_FOUND
            : admin_store_get_token(issuer->admin, zone, kid, take_token, enrolment);

    if (error == ERROR_NOT_FOUND || enrolment->gone ||
        (enrolment->expires_at != 0 && enrolment->expires_at <= admission->now_at)) {
        return refuse(admission, ACME_PROBLEM_UNAUTHORIZED, 0,
                      "The enrolment token is unknown or has ended");
    }
    if (error != 0) {
        return error;
    }
    if (!text_format(prefix, sizeof(prefix), "%s/", kid)) {
        return refuse(admission, ACME_PROBLEM_UNAUTHORIZED, 0,
                      "The enrolment token is unknown");
    }
    if (enrolment->max_devices != 0) {
        error = issuer_store_count_entries(issuer->database, zone, "token", prefix,
                                           &enrolment->count);
    }
    if (error == 0) {
        error = token_key(issuer->secret, zone, kid, key);
    }
    if (error != 0) {
        return error;
    }
    error = eab_verify(enrolment->eab, key, sizeof(key), &admission->problem);
    digest_wipe(key, sizeof(key));
    if (error != 0) {
        return REFUSE;
    }
    if (enrolment->max_devices != 0 && enrolment->count >= enrolment->max_devices) {
        return refuse(admission, ACME_PROBLEM_UNAUTHORIZED, 0,
                      "The enrolment token was used by as many devices as it allows");
    }
    return ADMIT;
}

/* Without a token. That the device asked from one of the open networks is front's word
 * alone, so that what is counted here is all that holds a captured one back. */
static int check_open(struct admission *admission)
{
    struct issuer *issuer = admission->issuer;
    const struct relay_config *config = issuer->config;
    int64_t at = -1;
    int error = 0;

    if (config->enrolment == RELAY_ENROLMENT_OPEN) {
        return ADMIT;
    }
    if (config->open_prefixes.count == 0) {
        return refuse(
            admission, ACME_PROBLEM_EXTERNAL_ACCOUNT_REQUIRED, 0,
            "This relay asks for an enrolment token (external account binding)");
    }
    error = issuer_store_kth_entry_at(issuer->database, config->zone, "open",
                                      (int64_t)config->open_accounts_per_day, &at);
    if (error == 0 && at > admission->now_at - DAY_S) {
        return refuse(
            admission, ACME_PROBLEM_RATE_LIMITED, at + DAY_S + 1,
            "As many devices have enrolled without a token as may within a day");
    }
    return error;
}

static int put_enrolled(struct admission *admission, int64_t rev, const char *kid)
{
    struct issuer *issuer = admission->issuer;
    const char *id = admission->order.id;
    char token[EAB_KID_MAX + KEY_ID_SIZE + 2];
    const struct {
        const char *kind;
        const char *what;
    } entries[] = {
        {"account", id},
        {"fresh", id},
        {kid != NULL ? "token" : "open", kid != NULL ? token : id},
    };
    int error = 0;

    if (kid != NULL && !text_format(token, sizeof(token), "%s/%s", kid, id)) {
        return ERROR_LIMIT;
    }
    for (size_t i = 0; error == 0 && i < sizeof(entries) / sizeof(entries[0]); i++) {
        struct issuer_store_entry entry = {.kind = entries[i].kind,
                                           .what = entries[i].what,
                                           .id = id,
                                           .at = admission->now_at};

        error =
            issuer_store_put_entry(issuer->database, issuer->config->zone, rev, &entry);
    }
    return error;
}

/* An id that the ledger knows was enrolled once and stays so; a token ends for new ones.
 */
static int check_enrolment(struct admission *admission, int64_t rev)
{
    struct issuer *issuer = admission->issuer;
    struct enrolment enrolment = {.admission = admission};
    int64_t enrolled_at = -1;
    int error = front_store_get_account(issuer->front, issuer->config->zone,
                                        admission->order.id, take_account, &enrolment);

    if (error == ERROR_NOT_FOUND) {
        return refuse(admission, ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST, 0,
                      "No such account");
    }
    if (error == 0) {
        error = issuer_store_entry_at(issuer->database, issuer->config->zone, "account",
                                      admission->order.id, &enrolled_at);
    }
    if (error != 0 || enrolled_at >= 0) {
        error = error != 0 ? error : enrolment.verdict;
        goto out;
    }
    if (enrolment.verdict != ADMIT) {
        error = enrolment.verdict;
    } else {
        error = enrolment.eab != NULL ? check_token(&enrolment) : check_open(admission);
    }
    if (error == ADMIT) {
        error = put_enrolled(admission, rev,
                             enrolment.eab != NULL ? eab_kid(enrolment.eab) : NULL);
    }
out:
    eab_free(enrolment.eab);
    return error;
}

/* ---- how often ---- */

static int check_once(struct admission *admission)
{
    struct issuer *issuer = admission->issuer;
    int64_t seen_at = -1;
    int error = issuer_store_entry_at(issuer->database, issuer->config->zone, "order",
                                      admission->order.hash, &seen_at);

    if (error == 0 && seen_at >= 0) {
        return refuse(admission, ACME_PROBLEM_MALFORMED, 0,
                      "This newOrder has made an order already");
    }
    return error;
}

struct times {
    int64_t at[KEYS_LOOK_MAX]; /* oldest first */
    size_t count;
};

static int take_time(const struct issuer_store_entry *entry, void *arg)
{
    struct times *times = arg;

    if (times->count < KEYS_LOOK_MAX) {
        times->at[times->count++] = entry->at;
    }
    return 0;
}

/* At most MAX entries of KIND in WINDOW_S; else until when the oldest of them counts. */
static int check_entries(struct admission *admission, const char *kind, uint64_t max,
                         int64_t window_s, int64_t *ret_retry_at)
{
    struct issuer *issuer = admission->issuer;
    struct times times = {0};
    int error = issuer_store_entries_of(issuer->database, issuer->config->zone, kind,
                                        admission->order.id, admission->now_at - window_s,
                                        take_time, &times);

    *ret_retry_at = 0;
    if (error == 0 && times.count >= max) {
        size_t leaves = max == 0 || max > times.count ? 0 : times.count - max;

        *ret_retry_at =
            (times.count == 0 ? admission->now_at : times.at[leaves]) + window_s + 1;
    }
    return error;
}

static int check_own_quotas(struct admission *admission)
{
    struct issuer *issuer = admission->issuer;
    int64_t open_count = 0;
    int64_t retry_at = 0;
    int error = issuer_store_count_open_orders(issuer->database, issuer->config->zone,
                                               admission->order.id, &open_count);

    if (error == 0 && open_count >= OPEN_ORDERS_MAX) {
        return refuse(admission, ACME_PROBLEM_RATE_LIMITED,
                      admission->now_at + CROWD_RETRY_S,
                      "Too many open orders of this device; finalize or wait");
    }
    if (error == 0) {
        error = check_entries(admission, "unused", UNUSED_DAY, DAY_S, &retry_at);
    }
    if (error == 0 && retry_at != 0) {
        return refuse(admission, ACME_PROBLEM_RATE_LIMITED, retry_at,
                      "Too many orders of this device were never finalized today");
    }
    if (error == 0 && !lane_is_renewal(admission->lane)) {
        error = check_entries(admission, "key", issuer->config->device_keys_week, WEEK_S,
                              &retry_at);
    }
    if (error == 0 && retry_at != 0) {
        return refuse(admission, ACME_PROBLEM_RATE_LIMITED, retry_at,
                      "Too many new certificate keys for this name within a week");
    }
    return error;
}

/* ---- the CA ---- */

static int check_ca(struct admission *admission)
{
    struct issuer *issuer = admission->issuer;

    if (ca_refuses(issuer->ca, admission->now_at, &admission->problem,
                   &admission->retry_at)) {
        return REFUSE;
    }
    /* Without budgets there is no queue that knows of it. */
    if (!issuer->rules.on && admission->lane >= BUDGET_LANE_FIRST &&
        ca_limited_until(issuer->ca) != 0) {
        return refuse(admission, ACME_PROBLEM_RATE_LIMITED, ca_limited_until(issuer->ca),
                      "The CA takes no orders for new names at the moment");
    }
    if (issuance_crowded(issuer->issuances, admission->lane)) {
        return refuse(admission, ACME_PROBLEM_RATE_LIMITED,
                      admission->now_at + CROWD_RETRY_S,
                      "The relay has more orders under way than it can serve soon");
    }
    return ADMIT;
}

static int check_budgets(struct admission *admission, int64_t rev)
{
    struct issuer *issuer = admission->issuer;
    const char *zone = issuer->config->zone;
    struct budget_order order = {
        .ca = issuer->config->ca_directory,
        .number = admission->request->number,
        .id = admission->order.id,
        .names = admission->order.names,
        .lane = admission->lane,
        .first_not_before_at = ca_limited_until(issuer->ca),
    };
    struct budget_decision *decision = &admission->budget;
    int error = lane_relays_to_come(issuer, admission->now_at, &order.spare);

    if (error == 0) {
        error = budget_decide(issuer->database, zone, &issuer->rules, &order,
                              admission->now_at, decision);
    }
    if (error == 0) {
        error = budget_book(issuer->database, zone, rev, &issuer->rules, &order, decision,
                            admission->now_at);
    }
    if (error != 0 || decision->admitted) {
        return error;
    }
    admission->retry_at = decision->retry_at;
    if (decision->place > 0) {
        acme_problem_set(&admission->problem, ACME_PROBLEM_RATE_LIMITED,
                         "%s are used up; this device has place %" PRId64 " in the queue",
                         decision->limit, decision->place);
    } else {
        acme_problem_set(&admission->problem, ACME_PROBLEM_RATE_LIMITED, "%s are used up",
                         decision->limit);
    }
    return REFUSE;
}

/* ---- the row ---- */

static int known_replaces(const struct issuer_store_certificate *certificate, void *arg)
{
    struct admission *admission = arg;

    if (strcmp(certificate->id, admission->order.id) != 0) {
        admission->order.replaces[0] = '\0';
    }
    return 0;
}

/* `replaces` is echoed when it is one of this id's; else it is as if it were not there.
 */
static int check_replaces(struct admission *admission)
{
    struct issuer *issuer = admission->issuer;
    int error = 0;

    if (admission->order.replaces[0] == '\0') {
        return 0;
    }
    error =
        issuer_store_certificate(issuer->database, issuer->config->zone,
                                 admission->order.replaces, known_replaces, admission);
    if (error == ERROR_NOT_FOUND) {
        admission->order.replaces[0] = '\0';
        error = 0;
    }
    return error;
}

static int put_row(struct admission *admission, int64_t rev, bool admitted)
{
    struct issuer *issuer = admission->issuer;
    struct buffer text = buffer_init(LIMIT_JWS_BYTES);
    struct issuer_store_entry once = {.kind = "order",
                                      .what = admission->order.hash,
                                      .id = admission->order.id,
                                      .at = admission->now_at};
    struct issuer_store_order order = {
        .number = admission->request->number,
        .id = admission->request->id,
        .names = admission->order.names,
        .profile = admission->order.profile,
        .replaces = admission->order.replaces,
        .state = admitted ? ISSUER_STORE_READY : ISSUER_STORE_REFUSED,
        .created_at = admission->now_at,
        .expires_at = admission->now_at + (admitted ? READY_S : REFUSED_S),
        .retry_at = admitted ? 0 : admission->retry_at,
        .certificate = "",
    };
    int error = admitted ? 0 : issuance_problem_text(&admission->problem, &text);

    order.problem = buffer_text(&text);
    if (error == 0) {
        error =
            issuer_store_put_order(issuer->database, issuer->config->zone, rev, &order);
    }
    if (error == 0 && admitted) {
        error =
            issuer_store_put_entry(issuer->database, issuer->config->zone, rev, &once);
    }
    buffer_free(&text);
    return error;
}

static int decide(struct admission *admission, int64_t rev)
{
    const struct front_store_request *request = admission->request;
    struct verify_row row = {request->number, request->id, request->jws, request->jwk};
    int verdict = ADMIT;

    if (verify_order(&admission->issuer->verify, &row, &admission->order,
                     &admission->problem) != 0) {
        return REFUSE;
    }
    verdict = check_blocked(admission);
    if (verdict == ADMIT) {
        verdict = check_enrolment(admission, rev);
    }
    if (verdict == ADMIT) {
        verdict = check_once(admission);
    }
    if (verdict == ADMIT) {
        verdict = lane_of(admission->issuer, admission->order.id, admission->order.names,
                          admission->now_at, &admission->lane);
    }
    if (verdict == ADMIT) {
        verdict = check_own_quotas(admission);
    }
    if (verdict == ADMIT) {
        verdict = check_ca(admission);
    }
    if (verdict == ADMIT) {
        verdict = check_replaces(admission);
    }
    /* Last, because it reserves. */
    return verdict == ADMIT ? check_budgets(admission, rev) : verdict;
}

static int take_nothing(const struct issuer_store_order *order, void *arg)
{
    (void)order;
    (void)arg;
    return 0;
}

int admission_order(struct issuer *issuer, int64_t rev,
                    const struct front_store_request *request)
{
    struct admission admission = {
        .issuer = issuer, .request = request, .now_at = clock_wall_at()};
    int verdict = issuer_store_order(issuer->database, issuer->config->zone,
                                     request->number, take_nothing, NULL);

    if (verdict == 0) {
        log_debug("order %s: decided before", request->number);
        return 0;
    }
    if (verdict != ERROR_NOT_FOUND) {
        return verdict;
    }
    verdict = decide(&admission, rev);
    if (verdict < 0) {
        return verdict;
    }
    issuer_meter_admission(issuer, verdict == ADMIT, admission.problem.type);
    if (verdict == ADMIT) {
        log_info("order %s: admitted: %s, %s", request->number, admission.order.names,
                 budget_lane_text(admission.lane));
    } else {
        char until[TEXT_TIME_CAPACITY] = "never";

        if (admission.retry_at != 0) {
            text_time(admission.retry_at, until);
        }
        log_info("order %s of '%s': refused: %s: %s; again: %s", request->number,
                 request->id, acme_problem_type_text(admission.problem.type),
                 admission.problem.detail, until);
    }
    return put_row(&admission, rev, verdict == ADMIT);
}
