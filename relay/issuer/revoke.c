/* A request that holds is first entered in the ledger ("revoking"), then asked of the CA,
 * then answered and struck off: a crash between asks the CA again, which is harmless
 * (alreadyRevoked counts as done). keyCompromise is believed at once, whatever the CA
 * says. */
#include "relay/issuer/revoke.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/crypto/random.h"
#include "relay/issuer/issuance.h"
#include "relay/store/issuer_store.h"

#include <stdlib.h>
#include <string.h>

enum {
    OPEN_MAX = 1000,
    TRIES_MAX = 5,
    RETRY_MS = 2000,
    RETRY_DOUBLINGS = 7, /* of an operator's: four minutes at most */
};

struct revocation {
    struct revocations *set;
    struct revocation *next;
    char number[33];
    char cert_id[CERT_ID_MAX];
    int reason;
    struct buffer der;
    struct acme_call *call;
    struct ca_exchange exchange;
    struct ca_waiter shared;
    struct commit_waiter committed;
    struct loop_timer *timer;
    unsigned tries;
    bool for_operator; /* nobody else would try it again */
    bool ended;
};

struct revocations {
    struct issuer *issuer;
    struct revocation *first;
    size_t count;
};

static void step(struct revocation *revocation);

static void free_one(struct revocation *revocation)
{
    struct issuer *issuer = revocation->set->issuer;

    ca_cancel(&revocation->exchange);
    ca_forget(issuer->ca, &revocation->shared);
    commit_cancel(issuer->commit, &revocation->committed);
    if (revocation->call != NULL) {
        acme_call_free(revocation->call);
    }
    if (revocation->timer != NULL) {
        loop_timer_free(revocation->timer);
    }
    buffer_free(&revocation->der);
    free(revocation);
}

static void remove_one(struct revocation *revocation)
{
    struct revocation **link = &revocation->set->first;

    while (*link != NULL && *link != revocation) {
        link = &(*link)->next;
    }
    if (*link == revocation) {
        *link = revocation->next;
        revocation->set->count--;
    }
    free_one(revocation);
}

static int put_answer(struct issuer *issuer, int64_t rev, const char *number,
                      const char *cert_id, const struct acme_problem *problem)
{
    struct buffer text = buffer_init(LIMIT_JWS_BYTES);
    struct issuer_store_revocation answer = {.number = number,
                                             .cert_id = cert_id,
                                             .done = problem == NULL,
                                             .answered_at = clock_wall_at()};
    int error = problem == NULL ? 0 : issuance_problem_text(problem, &text);

    answer.problem = buffer_text(&text);
    if (error == 0) {
        error = issuer_store_put_revocation(issuer->database, issuer->config->zone, rev,
                                            &answer);
    }
    buffer_free(&text);
    return error;
}

/* PROBLEM NULL: done. */
static void finish(struct revocation *revocation, const struct acme_problem *problem)
{
    struct issuer *issuer = revocation->set->issuer;
    const char *zone = issuer->config->zone;
    int64_t rev = 0;
    int error = commit_begin(issuer->commit, &rev);

    if (error == 0 && problem == NULL) {
        error = issuer_store_set_revoked(issuer->database, zone, rev, revocation->cert_id,
                                         clock_wall_at(), revocation->reason);
        error = error == ERROR_NOT_FOUND ? 0 : error;
    }
    if (error == 0) {
        error = put_answer(issuer, rev, revocation->number, revocation->cert_id, problem);
    }
    if (error == 0) {
        error = issuer_store_remove_entry(issuer->database, zone, "revoking",
                                          revocation->number);
    }
    if (error != 0) {
        (void)commit_fail(issuer->commit, error, "revocation");
        return;
    }
    if (problem == NULL) {
        log_info("certificate '%s' revoked, reason %d", revocation->cert_id,
                 revocation->reason);
    } else {
        log_warning("certificate '%s' not revoked: %s", revocation->cert_id,
                    problem->detail);
    }
    revocation->ended = true;
    commit_wait(issuer->commit, &revocation->committed);
}

/* ---- at the CA ---- */

/* With jitter: an operator may have wished many at once. */
static int64_t retry_ms(const struct revocation *revocation)
{
    unsigned doublings =
        revocation->tries < RETRY_DOUBLINGS ? revocation->tries : RETRY_DOUBLINGS;
    uint16_t random = 0;

    if (!revocation->for_operator || random_bytes(&random, sizeof(random)) != 0) {
        return RETRY_MS;
    }
    return ((int64_t)RETRY_MS << doublings) / 2 +
           (((int64_t)RETRY_MS << doublings) / 2 * random >> 16);
}

static void fail(struct revocation *revocation, const struct acme_error *failure)
{
    struct acme_problem problem = failure->problem;

    ca_report(revocation->set->issuer->ca, failure);
    if ((failure->type == ACME_ERROR_NET || failure->type == ACME_ERROR_SERVER) &&
        (++revocation->tries < TRIES_MAX || revocation->for_operator)) {
        acme_call_free(revocation->call);
        revocation->call = NULL;
        loop_timer_set(revocation->timer, retry_ms(revocation));
        return;
    }
    if (problem.type == ACME_PROBLEM_NONE) {
        acme_problem_set(&problem, ACME_PROBLEM_SERVER_INTERNAL,
                         "The CA did not revoke: %s", failure->text);
    }
    finish(revocation, &problem);
}

static void on_response(const struct acme_response *response, void *arg)
{
    struct revocation *revocation = arg;
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};

    acme_call_response(revocation->call, response, now);
    step(revocation);
}

static void on_step(void *arg)
{
    step(arg);
}

static void on_committed(void *arg)
{
    struct revocation *revocation = arg;

    if (revocation->ended) {
        remove_one(revocation);
    } else {
        step(revocation);
    }
}

static bool make_call(struct revocation *revocation)
{
    int error = 0;

    if (revocation->call == NULL) {
        error = acme_call_new_revoke(ca_client(revocation->set->issuer->ca),
                                     buffer_bytes(&revocation->der), revocation->reason,
                                     &revocation->call);
    }
    if (error != 0) {
        struct acme_problem problem = {0};

        revocation->call = NULL;
        acme_problem_set(&problem, ACME_PROBLEM_SERVER_INTERNAL, "The relay failed: %s",
                         error_text(error));
        finish(revocation, &problem);
    }
    return error == 0;
}

static void step(struct revocation *revocation)
{
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};
    struct acme_step wanted = {0};
    struct ca *ca = revocation->set->issuer->ca;

    if (revocation->ended || !make_call(revocation)) {
        return;
    }
    acme_call_next(revocation->call, now, &wanted);
    switch (wanted.want) {
    case ACME_WANT_REQUEST: {
        int error =
            ca_send(ca, &revocation->exchange, wanted.request, on_response, revocation);
        struct acme_response failed = {.error = error, .error_text = error_text(error)};

        if (error != 0) {
            acme_call_response(revocation->call, &failed, now);
            loop_timer_set(revocation->timer, 0);
        }
        return;
    }
    case ACME_WANT_SHARED:
        ca_wait(ca, &revocation->shared);
        return;
    case ACME_WANT_WAIT:
        loop_timer_set(revocation->timer, wanted.wait_ms);
        return;
    case ACME_WANT_DONE:
        ca_report_good(ca);
        finish(revocation, NULL);
        return;
    case ACME_WANT_FAILED: {
        struct acme_error failure = *wanted.error;

        fail(revocation, &failure);
        return;
    }
    case ACME_WANT_RESPONSE:
    case ACME_WANT_SAVE:
    case ACME_WANT_PUBLISH:
    case ACME_WANT_UNPUBLISH:
    case ACME_WANT_IDLE:
        return;
    }
}

/* ---- requests ---- */

struct known {
    const struct verify_revocation *asked;
    bool is_same; /* the very certificate that we issued */
    bool is_owner;
    bool revoked;
    struct buffer der;
    char id[KEY_ID_SIZE + 1];
    char spki_hash[VERIFY_HASH_MAX];
};

static int take_known(const struct issuer_store_certificate *certificate, void *arg)
{
    struct known *known = arg;
    const struct verify_revocation *asked = known->asked;
    struct bytes theirs = {0};
    struct bytes ours = {0};
    struct cert *cert = NULL;
    int error = cert_from_pem(certificate->chain, strlen(certificate->chain), &cert);

    if (error != 0) {
        return error;
    }
    ours = cert_leaf_der(cert);
    known->revoked = certificate->revoked_at > 0;
    known->is_owner =
        asked == NULL || asked->id[0] == '\0' || strcmp(asked->id, certificate->id) == 0;
    if (asked != NULL) {
        theirs = cert_leaf_der(asked->cert);
        known->is_same =
            theirs.size == ours.size && memcmp(theirs.data, ours.data, ours.size) == 0;
    }
    error = buffer_append(&known->der, ours.data, ours.size);
    cert_free(cert);
    (void)text_copy(known->id, sizeof(known->id), certificate->id);
    (void)text_copy(known->spki_hash, sizeof(known->spki_hash), certificate->spki_hash);
    return error;
}

static int add_one(struct revocations *set, const struct issuer_store_entry *entry,
                   const struct buffer *der, struct revocation **ret_revocation)
{
    struct revocation *revocation = calloc(1, sizeof(*revocation));
    int error = ERROR_MEMORY;

    if (revocation == NULL) {
        return ERROR_MEMORY;
    }
    revocation->set = set;
    revocation->der = buffer_init(LIMIT_CHAIN_BYTES);
    revocation->reason = (int)entry->at;
    revocation->for_operator = entry->what[0] == 'w'; /* the others are hex */
    revocation->shared = (struct ca_waiter){.fn = on_step, .arg = revocation};
    revocation->committed = (struct commit_waiter){.fn = on_committed, .arg = revocation};
    if (text_copy(revocation->number, sizeof(revocation->number), entry->what) &&
        text_copy(revocation->cert_id, sizeof(revocation->cert_id), entry->id)) {
        error = buffer_append(&revocation->der, der->data, der->size);
    }
    if (error == 0) {
        error =
            loop_timer_new(set->issuer->loop, on_step, revocation, &revocation->timer);
    }
    if (error != 0) {
        free_one(revocation);
        return error;
    }
    revocation->next = set->first;
    set->first = revocation;
    set->count++;
    *ret_revocation = revocation;
    return 0;
}

/* REFUSED: the problem is set. */
static bool check(const struct issuer *issuer, const struct known *known, bool found,
                  struct acme_problem *problem)
{
    if (!found || !known->is_same) {
        acme_problem_set(problem, ACME_PROBLEM_UNAUTHORIZED,
                         "This certificate was not issued through this relay");
    } else if (!known->is_owner) {
        acme_problem_set(problem, ACME_PROBLEM_UNAUTHORIZED,
                         "This certificate is another account's");
    } else if (known->revoked) {
        acme_problem_set(problem, ACME_PROBLEM_ALREADY_REVOKED,
                         "This certificate is revoked already");
    } else if (issuer->revocations->count >= OPEN_MAX) {
        acme_problem_set(problem, ACME_PROBLEM_RATE_LIMITED,
                         "Too many revocations at once");
    } else {
        return true;
    }
    return false;
}

static int begin(struct issuer *issuer, int64_t rev,
                 const struct issuer_store_entry *entry,
                 const struct issuer_store_entry *key, const struct buffer *der)
{
    const char *zone = issuer->config->zone;
    struct revocation *revocation = NULL;
    int error = issuer_store_put_entry(issuer->database, zone, rev, entry);

    if (error == 0 && entry->at == REVOKE_REASON_KEY_COMPROMISE) {
        error = issuer_store_put_entry(issuer->database, zone, rev, key);
    }
    if (error == 0) {
        error = add_one(issuer->revocations, entry, der, &revocation);
    }
    if (error == 0) {
        commit_wait(issuer->commit, &revocation->committed);
    }
    return error;
}

static int answered_before(const struct issuer_store_revocation *revocation, void *arg)
{
    (void)revocation;
    *(bool *)arg = true;
    return 0;
}

int revoke_request(struct issuer *issuer, int64_t rev,
                   const struct front_store_request *request)
{
    const char *zone = issuer->config->zone;
    struct verify_row row = {request->number, request->id, request->jws, request->jwk};
    struct verify_revocation asked = {0};
    struct acme_problem problem = {0};
    struct known known = {.asked = &asked, .der = buffer_init(LIMIT_CHAIN_BYTES)};
    bool before = false;
    int64_t begun_reason = -1;
    bool good = false;
    int error = issuer_store_revocation(issuer->database, zone, request->number,
                                        answered_before, &before);

    if (error == 0 || error == ERROR_NOT_FOUND) {
        error = issuer_store_entry_at(issuer->database, zone, "revoking", request->number,
                                      &begun_reason);
    }
    if (error != 0 || before || begun_reason >= 0) {
        goto out;
    }
    if (verify_revocation(&issuer->verify, &row, &asked, &problem) == 0) {
        error = issuer_store_certificate(issuer->database, zone, asked.cert_id,
                                         take_known, &known);
        if (error != 0 && error != ERROR_NOT_FOUND) {
            goto out;
        }
        good = check(issuer, &known, error == 0, &problem);
        error = 0;
    }
    if (good) {
        struct issuer_store_entry entry = {.kind = "revoking",
                                           .what = request->number,
                                           .id = asked.cert_id,
                                           .at = asked.reason};
        struct issuer_store_entry key = {.kind = "revoked-key",
                                         .what = asked.spki_hash,
                                         .id = asked.id,
                                         .at = clock_wall_at()};

        error = begin(issuer, rev, &entry, &key, &known.der);
    } else {
        log_info("revocation %s refused: %s", request->number, problem.detail);
        error = put_answer(issuer, rev, request->number, asked.cert_id, &problem);
    }
out:
    buffer_free(&known.der);
    verify_revocation_free(&asked);
    return error;
}

int revoke_begin(struct issuer *issuer, int64_t rev, const char *number,
                 const char *cert_id, int reason)
{
    struct known known = {.der = buffer_init(LIMIT_CHAIN_BYTES)};
    struct issuer_store_entry entry = {
        .kind = "revoking", .what = number, .id = cert_id, .at = reason};
    struct issuer_store_entry key = {.kind = "revoked-key",
                                     .what = known.spki_hash,
                                     .id = known.id,
                                     .at = clock_wall_at()};
    int error = issuer->revocations->count >= OPEN_MAX ? ERROR_BUSY : 0;

    if (error == 0) {
        error = issuer_store_certificate(issuer->database, issuer->config->zone, cert_id,
                                         take_known, &known);
    }
    if (error == 0) {
        error = begin(issuer, rev, &entry, &key, &known.der);
    }
    buffer_free(&known.der);
    return error == ERROR_BUSY ? 0 : error; /* the operator's wish comes again */
}

bool revoke_is_open(const struct revocations *revocations, const char *number)
{
    for (const struct revocation *one = revocations->first; one != NULL;
         one = one->next) {
        if (strcmp(one->number, number) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- start and end ---- */

static int take_begun(const struct issuer_store_entry *entry, void *arg)
{
    struct revocations *set = arg;
    struct known known = {.der = buffer_init(LIMIT_CHAIN_BYTES)};
    struct revocation *revocation = NULL;
    int error = issuer_store_certificate(set->issuer->database, set->issuer->config->zone,
                                         entry->id, take_known, &known);

    if (error == 0) {
        error = add_one(set, entry, &known.der, &revocation);
    }
    if (error == 0) {
        loop_timer_set(revocation->timer, 0);
    } else {
        log_error("revocation %s can't be taken up again: %s", entry->what,
                  error_text(error));
    }
    buffer_free(&known.der);
    return error == ERROR_MEMORY ? error : 0;
}

int revoke_open_all(struct issuer *issuer, struct revocations **ret_revocations)
{
    struct revocations *set = calloc(1, sizeof(*set));
    int error = 0;

    if (set == NULL) {
        return ERROR_MEMORY;
    }
    set->issuer = issuer;
    error = issuer_store_entries(issuer->database, issuer->config->zone, "revoking", "",
                                 take_begun, set);
    if (error != 0) {
        revoke_close_all(set);
        return error;
    }
    *ret_revocations = set;
    return 0;
}

void revoke_close_all(struct revocations *revocations)
{
    if (revocations == NULL) {
        return;
    }
    while (revocations->first != NULL) {
        struct revocation *revocation = revocations->first;

        revocations->first = revocation->next;
        free_one(revocation);
    }
    free(revocations);
}
