/* What may go to the CA.
 *
 * A finalize counts once: the order's number is taken in the ledger, for ever, in the
 * transaction that accepts it. What comes again under a number that was taken changes
 * nothing, so that a front that replays or alters rows can't touch an order that is under
 * way or done. A first finalize that fails its checks makes the order invalid.
 *
 * The same CSR again (uacme with an RSA key sends identical ones for ever): a new order
 * is a new wish and gets a new certificate; but while an earlier order with this CSR is
 * still under way both get its certificate (issuance.c), and when at most two more of
 * this set of names may be had this week, the stored chain is given until its renewal
 * moment. */
#include "relay/issuer/acceptance.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "relay/issuer/issuance.h"
#include "relay/issuer/lane.h"
#include "relay/issuer/window.h"
#include "relay/store/admin_store.h"

#include <stdlib.h>
#include <string.h>

enum {
    RELAY_READY_S = 3600,
    RELAY_WEEK_MAX = 50, /* tries */
    WEEK_S = 7 * 86400,
    SET_SPARE = 2,
};

/* A copy of the order's row. */
struct order_row {
    enum issuer_store_state state;
    char id[256]; /* or the relay's host */
    char names[VERIFY_NAMES_MAX];
    char profile[VERIFY_PROFILE_MAX];
    int64_t expires_at;
};

static int take_order(const struct issuer_store_order *order, void *arg)
{
    struct order_row *row = arg;

    row->state = order->state;
    row->expires_at = order->expires_at;
    return text_copy(row->id, sizeof(row->id), order->id) &&
                   text_copy(row->names, sizeof(row->names), order->names) &&
                   text_copy(row->profile, sizeof(row->profile), order->profile)
               ? 0
               : ERROR_LIMIT;
}

/* A check's word, as in admission.c. */
enum { ACCEPT = 0, REFUSE = 1 };

static int account_found(const struct front_store_account *account, void *arg)
{
    (void)account;
    *(bool *)arg = true;
    return 0;
}

/* The key itself: not revoked as compromised, and nobody's identity key. */
static int check_key(struct issuer *issuer, const struct verify_csr *csr,
                     struct acme_problem *problem)
{
    const char *zone = issuer->config->zone;
    int64_t revoked_at = -1;
    int64_t account_at = -1;
    bool is_account = false;
    int error = issuer_store_entry_at(issuer->database, zone, "revoked-key",
                                      csr->spki_hash, &revoked_at);

    if (error == 0) {
        error = issuer_store_entry_at(issuer->database, zone, "account", csr->key_id,
                                      &account_at);
    }
    if (error == 0) {
        error = front_store_get_account(issuer->front, zone, csr->key_id, account_found,
                                        &is_account);
        error = error == ERROR_NOT_FOUND ? 0 : error;
    }
    if (error != 0) {
        return error;
    }
    if (revoked_at >= 0) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_PUBLIC_KEY,
                         "This key was revoked as compromised; make a new one");
        return REFUSE;
    }
    if (account_at >= 0 || is_account) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_PUBLIC_KEY,
                         "This key is a device's identity; a certificate needs its own");
        return REFUSE;
    }
    return ACCEPT;
}

static int count_entry(const struct issuer_store_entry *entry, void *arg)
{
    (void)entry;
    ++*(size_t *)arg;
    return 0;
}

static int take_reached(const struct issuer_store_certificate *certificate, void *arg)
{
    *(bool *)arg = window_reached(certificate, clock_wall_at());
    return 0;
}

/* The quota of new keys again: at newOrder the key was not known, and several orders may
 * have been admitted before the first of them used it up. */
static int check_new_key(struct issuer *issuer, const char *id,
                         const struct verify_csr *csr, struct acme_problem *problem)
{
    const char *zone = issuer->config->zone;
    char what[KEY_ID_SIZE + 1 + VERIFY_HASH_MAX];
    int64_t known_at = -1;
    int64_t renewed_at = -1;
    size_t count = issuance_other_keys(issuer->issuances, id, csr->spki_hash);
    bool renewal = false;
    int error = 0;

    if (!text_format(what, sizeof(what), "%s/%s", id, csr->spki_hash)) {
        return ERROR_LIMIT;
    }
    error = issuer_store_entry_at(issuer->database, zone, "key", what, &known_at);
    if (error == 0) {
        error = issuer_store_entry_at(issuer->database, zone, "renewal-key", what,
                                      &renewed_at);
    }
    if (error == 0) {
        error = issuer_store_entries_of(issuer->database, zone, "key", id,
                                        clock_wall_at() - WEEK_S, count_entry, &count);
    }
    if (error == 0) {
        error = issuer_store_current_certificate(issuer->database, zone, id, take_reached,
                                                 &renewal);
        error = error == ERROR_NOT_FOUND ? 0 : error;
    }
    if (error == 0 && known_at < 0 && renewed_at < 0 && !renewal &&
        count >= issuer->config->device_keys_week) {
        acme_problem_set(problem, ACME_PROBLEM_RATE_LIMITED,
                         "Too many new certificate keys for this name within a week");
        return REFUSE;
    }
    return error;
}

static int check_blocked(struct issuer *issuer, const char *id,
                         struct acme_problem *problem)
{
    bool blocked = false;
    int error =
        issuer->admin == NULL
            ? 0
            : admin_store_is_blocked(issuer->admin, issuer->config->zone, id, &blocked);

    if (error == 0 && blocked) {
        acme_problem_set(problem, ACME_PROBLEM_UNAUTHORIZED,
                         "This device is blocked by the relay's operator");
        return REFUSE;
    }
    return error;
}

/* ---- the stored chain again ---- */

struct stored_chain {
    int64_t now_at;
    bool usable;
    char cert_id[CERT_ID_MAX];
};

static int take_chain(const struct issuer_store_certificate *certificate, void *arg)
{
    struct stored_chain *chain = arg;

    chain->usable =
        certificate->revoked_at == 0 && !window_reached(certificate, chain->now_at);
    return text_copy(chain->cert_id, sizeof(chain->cert_id), certificate->cert_id)
               ? 0
               : ERROR_LIMIT;
}

static int find_chain(struct issuer *issuer, const struct order_row *order,
                      const char *number, const struct verify_csr *csr,
                      struct stored_chain *ret_chain)
{
    struct budget_order asked = {.ca = issuer->config->ca_directory,
                                 .number = number,
                                 .id = order->id,
                                 .names = order->names};
    int64_t left = 0;
    int error = budget_left_of_set(issuer->database, issuer->config->zone, &issuer->rules,
                                   &asked, ret_chain->now_at, &left);

    if (error != 0 || left > SET_SPARE) {
        return error;
    }
    error =
        issuer_store_certificate_of_csr(issuer->database, issuer->config->zone, order->id,
                                        csr->csr_hash, take_chain, ret_chain);
    return error == ERROR_NOT_FOUND ? 0 : error;
}

/* ---- finalize ---- */

static int take_number(struct issuer *issuer, int64_t rev,
                       const struct front_store_request *request)
{
    struct issuer_store_entry entry = {.kind = "finalize",
                                       .what = request->number,
                                       .id = request->id,
                                       .at = clock_wall_at()};

    return issuer_store_put_entry(issuer->database, issuer->config->zone, rev, &entry);
}

static int put_invalid(struct issuer *issuer, int64_t rev, const char *number,
                       const struct acme_problem *problem)
{
    struct buffer text = buffer_init(LIMIT_JWS_BYTES);
    int error = issuance_problem_text(problem, &text);

    if (error == 0) {
        error = issuer_store_set_order_state(issuer->database, issuer->config->zone, rev,
                                             number, ISSUER_STORE_INVALID,
                                             buffer_text(&text), "");
    }
    if (error == 0) {
        error = budget_release(issuer->database, issuer->config->zone, rev, number);
    }
    buffer_free(&text);
    return error;
}

static int begin(struct issuer *issuer, int64_t rev,
                 const struct front_store_request *request, const struct order_row *order,
                 const struct verify_csr *csr)
{
    char *encoded = NULL;
    struct issuance_wish wish = {
        .number = request->number,
        .id = order->id,
        .names = order->names,
        .lane = "device",
        .profile = order->profile,
        .csr = csr,
    };
    int error =
        issuer_store_set_order_state(issuer->database, issuer->config->zone, rev,
                                     request->number, ISSUER_STORE_PROCESSING, "", "");

    if (error == 0) {
        error =
            lane_of(issuer, order->id, order->names, clock_wall_at(), &wish.budget_lane);
    }
    if (error == 0) {
        encoded = malloc(TEXT_BASE64URL_SIZE(csr->der.size) + 1);
        error = encoded == NULL ? ERROR_MEMORY : 0;
    }
    if (error == 0) {
        text_base64url(csr->der.data, csr->der.size, encoded);
        wish.csr_text = encoded;
        error = issuance_begin(issuer, rev, &wish);
    }
    free(encoded);
    return error;
}

/* All that stands between a verified finalize and the CA. */
static int take_up(struct issuer *issuer, int64_t rev,
                   const struct front_store_request *request,
                   const struct order_row *order, const struct verify_csr *csr)
{
    struct stored_chain chain = {.now_at = clock_wall_at()};
    int error = take_number(issuer, rev, request);

    if (error == 0) {
        error = find_chain(issuer, order, request->number, csr, &chain);
    }
    if (error != 0) {
        return error;
    }
    if (chain.usable) {
        log_info("order %s: the same CSR again; it gets the stored chain",
                 request->number);
        error = issuer_store_set_order_state(issuer->database, issuer->config->zone, rev,
                                             request->number, ISSUER_STORE_VALID, "",
                                             chain.cert_id);
        return error == 0 ? budget_release(issuer->database, issuer->config->zone, rev,
                                           request->number)
                          : error;
    }
    log_info("order %s: finalize accepted", request->number);
    return begin(issuer, rev, request, order, csr);
}

/* REFUSE with the problem, ACCEPT with RET_CSR, or a store error. */
static int check_finalize(struct issuer *issuer,
                          const struct front_store_request *request,
                          const struct order_row *order, struct verify_csr *ret_csr,
                          struct acme_problem *problem)
{
    struct verify_row row = {request->number, request->id, request->jws, request->jwk};
    int verdict = ACCEPT;

    if (verify_finalize(&issuer->verify, &row, order->id, order->names, ret_csr,
                        problem) != 0) {
        return REFUSE;
    }
    verdict = check_blocked(issuer, order->id, problem);
    if (verdict == ACCEPT) {
        verdict = check_key(issuer, ret_csr, problem);
    }
    return verdict == ACCEPT ? check_new_key(issuer, order->id, ret_csr, problem)
                             : verdict;
}

int acceptance_finalize(struct issuer *issuer, int64_t rev,
                        const struct front_store_request *request)
{
    const char *zone = issuer->config->zone;
    struct order_row order = {0};
    struct verify_csr csr = {0};
    struct acme_problem problem = {0};
    int64_t taken_at = -1;
    int error =
        issuer_store_order(issuer->database, zone, request->number, take_order, &order);
    int verdict = ACCEPT;

    if (error == ERROR_NOT_FOUND) {
        log_warning("finalize of '%s' refused: no such order was admitted",
                    request->number);
        return 0;
    }
    if (error == 0) {
        error = issuer_store_entry_at(issuer->database, zone, "finalize", request->number,
                                      &taken_at);
    }
    if (error != 0) {
        return error;
    }
    if (taken_at >= 0 || order.state != ISSUER_STORE_READY ||
        order.expires_at <= clock_wall_at()) {
        log_warning("finalize of order %s refused: the order is %s%s", request->number,
                    issuer_store_state_text(order.state),
                    taken_at >= 0 ? " and was finalized before" : "");
        return 0;
    }
    verdict = check_finalize(issuer, request, &order, &csr, &problem);
    if (verdict == ACCEPT) {
        error = take_up(issuer, rev, request, &order, &csr);
    } else if (verdict == REFUSE) {
        log_warning("finalize of order %s refused: %s: %s", request->number,
                    acme_problem_type_text(problem.type), problem.detail);
        error = put_invalid(issuer, rev, request->number, &problem);
    } else {
        error = verdict;
    }
    verify_csr_free(&csr);
    return error;
}

/* ---- the relay's own certificate ---- */

/* A captured front must not burn the domain's budget at will: what was tried is counted,
 * and what was issued as the CA counts it, by the set of names. */
static int check_relay_quota(struct issuer *issuer, const char *number,
                             struct acme_problem *problem)
{
    struct budget_order asked = {.ca = issuer->config->ca_directory,
                                 .number = number,
                                 .id = issuer->config->host,
                                 .names = issuer->config->host};
    size_t count = 0;
    int64_t left = 0;
    int error = issuer_store_entries_of(issuer->database, issuer->config->zone,
                                        "relay-order", issuer->config->host,
                                        clock_wall_at() - WEEK_S, count_entry, &count);

    if (error == 0) {
        error = budget_left_of_set(issuer->database, issuer->config->zone, &issuer->rules,
                                   &asked, clock_wall_at(), &left);
    }
    if (error == 0 && issuer->rules.on && (count >= RELAY_WEEK_MAX || left == 0)) {
        acme_problem_set(problem, ACME_PROBLEM_RATE_LIMITED,
                         "The relay asked for its own certificate too often this week");
        return REFUSE;
    }
    return error;
}

static int check_relay(struct issuer *issuer, const struct front_store_request *request,
                       struct verify_csr *ret_csr, struct acme_problem *problem)
{
    int verdict = ACCEPT;

    if (verify_csr(request->jws, issuer->config->host, ret_csr, problem) != 0) {
        return REFUSE;
    }
    verdict = check_relay_quota(issuer, request->number, problem);
    return verdict == ACCEPT ? check_key(issuer, ret_csr, problem) : verdict;
}

static int put_relay_order(struct issuer *issuer, int64_t rev,
                           const struct front_store_request *request,
                           const struct acme_problem *problem)
{
    struct buffer text = buffer_init(LIMIT_JWS_BYTES);
    struct issuer_store_order order = {
        .number = request->number,
        .id = issuer->config->host,
        .names = issuer->config->host,
        .profile = "",
        .replaces = "",
        .state = problem == NULL ? ISSUER_STORE_PROCESSING : ISSUER_STORE_INVALID,
        .created_at = clock_wall_at(),
        .expires_at = clock_wall_at() + RELAY_READY_S,
        .certificate = "",
    };
    int error = problem == NULL ? 0 : issuance_problem_text(problem, &text);

    order.problem = buffer_text(&text);
    if (error == 0) {
        error =
            issuer_store_put_order(issuer->database, issuer->config->zone, rev, &order);
    }
    buffer_free(&text);
    return error;
}

static int begin_relay(struct issuer *issuer, int64_t rev,
                       const struct front_store_request *request,
                       const struct verify_csr *csr)
{
    const char *zone = issuer->config->zone;
    struct issuer_store_entry entry = {.kind = "relay-order",
                                       .what = request->number,
                                       .id = issuer->config->host,
                                       .at = clock_wall_at()};
    /* It never waits for the domain's budget, but the CA counts it with the devices'. */
    struct budget_order order = {.ca = issuer->config->ca_directory,
                                 .number = request->number,
                                 .id = issuer->config->host,
                                 .names = issuer->config->host,
                                 .lane = BUDGET_LANE_RELAY};
    struct budget_decision decision = {.admitted = true};
    struct issuance_wish wish = {
        .number = request->number,
        .id = issuer->config->host,
        .names = issuer->config->host,
        .lane = "relay",
        .profile = "",
        .csr_text = request->jws,
        .csr = csr,
    };
    int error = issuer_store_put_entry(issuer->database, zone, rev, &entry);

    if (error == 0) {
        error = lane_relay_is_known(issuer, clock_wall_at(), &order.is_known);
    }
    if (error == 0) {
        error = budget_book(issuer->database, zone, rev, &issuer->rules, &order,
                            &decision, clock_wall_at());
    }
    return error == 0 ? issuance_begin(issuer, rev, &wish) : error;
}

int acceptance_relay(struct issuer *issuer, int64_t rev,
                     const struct front_store_request *request)
{
    struct order_row order = {0};
    struct verify_csr csr = {0};
    struct acme_problem problem = {0};
    int error = issuer_store_order(issuer->database, issuer->config->zone,
                                   request->number, take_order, &order);
    int verdict = ACCEPT;

    if (error != ERROR_NOT_FOUND) {
        return error == 0 || error == ERROR_LIMIT ? 0 : error; /* decided before */
    }
    verdict = check_relay(issuer, request, &csr, &problem);
    if (verdict == REFUSE) {
        log_warning("the relay's own request %s refused: %s", request->number,
                    problem.detail);
        error = put_relay_order(issuer, rev, request, &problem);
    } else if (verdict == ACCEPT) {
        log_info("order %s: the relay's own certificate for '%s'", request->number,
                 issuer->config->host);
        error = put_relay_order(issuer, rev, request, NULL);
        if (error == 0) {
            error = begin_relay(issuer, rev, request, &csr);
        }
    } else {
        error = verdict;
    }
    verify_csr_free(&csr);
    return error;
}
