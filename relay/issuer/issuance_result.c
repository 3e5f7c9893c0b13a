/* How an issuance ends: the certificate or the problem, its order, and the orders that
 * followed it, in one transaction. */
#include "relay/issuer/issuance_result.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "relay/issuer/issuance_list.h"
#include "relay/issuer/issuance_order.h"
#include "relay/issuer/window.h"

#include <stdlib.h>
#include <string.h>

int issuance_problem_text(const struct acme_problem *problem, struct buffer *text)
{
    return acme_problem_dump(problem, text);
}

/* ---- the end: a certificate ---- */

static int dump_alternates(const struct acme_order *order, struct buffer *text)
{
    json_t *array = json_array();
    int error = array == NULL ? ERROR_MEMORY : 0;

    for (size_t i = 0; error == 0 && i < acme_order_alternate_count(order); i++) {
        struct bytes pem = acme_order_alternate(order, i);

        if (json_array_append_new(array,
                                  json_stringn((const char *)pem.data, pem.size)) != 0) {
            error = ERROR_MEMORY;
        }
    }
    if (error == 0) {
        error = json_dump(array, text);
    }
    json_decref(array);
    return error;
}

/* Tells the device: its order, and those that followed this one, are valid. */
static int put_valid(struct issuance *issuance, int64_t rev, const char *id_of_cert)
{
    struct issuer *issuer = issuance->set->issuer;
    const char *zone = issuer->config->zone;
    int error =
        issuer_store_set_order_state(issuer->database, zone, rev, issuance->number,
                                     ISSUER_STORE_VALID, "", id_of_cert);

    if (error == 0) {
        error = issuance_order_save(issuance, true);
    }
    for (struct issuance *other = issuance_list_of_id(issuance->set, issuance->id);
         error == 0 && other != NULL; other = other->bucket_next) {
        if (other->leader != issuance) {
            continue;
        }
        error = issuer_store_set_order_state(issuer->database, zone, rev, other->number,
                                             ISSUER_STORE_VALID, "", id_of_cert);
        if (error == 0) {
            error = budget_release(issuer->database, zone, rev, other->number);
        }
        if (error == 0) {
            error = issuance_order_save(other, true);
        }
        other->leader = NULL;
        issuance_list_set_state(other, ISSUANCE_STORING);
        commit_wait(issuer->commit, &other->committed);
    }
    return error;
}

static int take_reached(const struct issuer_store_certificate *certificate, void *arg)
{
    *(bool *)arg = window_reached(certificate, clock_wall_at());
    return 0;
}

/* Notes the key for the quota of new keys (admission.c); one that was known counts no
 * more. */
static int put_key(const struct issuance *issuance, int64_t rev)
{
    struct issuer *issuer = issuance->set->issuer;
    const char *zone = issuer->config->zone;
    char what[KEY_ID_SIZE + 1 + VERIFY_HASH_MAX];
    struct issuer_store_entry entry = {
        .what = what, .id = issuance->id, .at = clock_wall_at()};
    bool renewal = false;
    int64_t known_at = -1;
    int64_t renewed_at = -1;
    int error = 0;

    if (issuance->for_relay) {
        return 0;
    }
    if (!text_format(what, sizeof(what), "%s/%s", issuance->id,
                     issuance->csr.spki_hash)) {
        return ERROR_LIMIT;
    }
    error = issuer_store_entry_at(issuer->database, zone, "key", what, &known_at);
    if (error == 0) {
        error = issuer_store_entry_at(issuer->database, zone, "renewal-key", what,
                                      &renewed_at);
    }
    if (error != 0 || known_at >= 0 || renewed_at >= 0) {
        return error;
    }
    error = issuer_store_current_certificate(issuer->database, zone, issuance->id,
                                             take_reached, &renewal);
    if (error != 0 && error != ERROR_NOT_FOUND) {
        return error;
    }
    entry.kind = renewal ? "renewal-key" : "key";
    return issuer_store_put_entry(issuer->database, zone, rev, &entry);
}

static int store_certificate(struct issuance *issuance,
                             const struct issuer_store_certificate *certificate)
{
    struct issuer *issuer = issuance->set->issuer;
    const char *zone = issuer->config->zone;
    struct issuer_store_entry last = {
        .kind = "last", .what = "issued", .id = issuance->id, .at = clock_wall_at()};
    int64_t rev = 0;
    int error = commit_begin(issuer->commit, &rev);

    if (error == 0) {
        error = put_key(issuance, rev); /* before the new one is the current one */
    }
    if (error == 0) {
        error = issuer_store_put_certificate(issuer->database, zone, rev, certificate);
    }
    if (error == 0 && acme_order_replaces(issuance->order) &&
        issuance->replaces[0] != '\0') {
        error =
            issuer_store_set_replaced(issuer->database, zone, rev, issuance->replaces);
        error = error == ERROR_NOT_FOUND ? 0 : error;
    }
    if (error == 0) {
        error = budget_settle(issuer->database, zone, rev, &issuer->rules,
                              issuance->number, clock_wall_at());
    }
    if (error == 0) {
        error = issuer_store_put_entry(issuer->database, zone, rev, &last);
    }
    if (error == 0) {
        error = put_valid(issuance, rev, certificate->cert_id);
    }
    return error;
}

void issuance_result_good(struct issuance *issuance)
{
    struct issuer *issuer = issuance->set->issuer;
    const struct cert *cert = acme_order_cert(issuance->order);
    struct window window =
        window_narrow(window_compute(cert_not_before_at(cert), cert_not_after_at(cert)));
    struct buffer alternates = buffer_init(LIMIT_CHAIN_BYTES * (ACME_ALTERNATES_MAX + 1));
    struct buffer chain = buffer_init(LIMIT_CHAIN_BYTES);
    char id_of_cert[CERT_ID_MAX];
    char serial[CERT_SERIAL_MAX];
    struct bytes pem = acme_order_chain(issuance->order);
    int error = cert_id(cert, id_of_cert);

    cert_serial(cert, serial);
    if (error == ERROR_NOT_FOUND) {
        /* No AKI, so no ARI; the store still needs a name for it. */
        error = text_format(id_of_cert, sizeof(id_of_cert), "none.%s", serial)
                    ? 0
                    : ERROR_LIMIT;
    }
    if (error == 0) {
        error = buffer_append(&chain, pem.data, pem.size);
    }
    if (error == 0) {
        error = dump_alternates(issuance->order, &alternates);
    }
    if (error == 0) {
        struct issuer_store_certificate certificate = {
            .cert_id = id_of_cert,
            .id = issuance->id,
            .number = issuance->number,
            .lane = issuance->for_relay ? "relay" : "device",
            .ca = issuer->config->ca_directory,
            .serial = serial,
            .names = issuance->names,
            .spki_hash = issuance->csr.spki_hash,
            .csr_hash = issuance->csr.csr_hash,
            .chain = buffer_text(&chain),
            .alternates = buffer_text(&alternates),
            .not_before_at = cert_not_before_at(cert),
            .not_after_at = cert_not_after_at(cert),
            .ari_start_at = window.start_at,
            .ari_end_at = window.end_at,
        };

        error = store_certificate(issuance, &certificate);
    }
    buffer_free(&alternates);
    buffer_free(&chain);
    if (error != 0) {
        (void)commit_fail(issuer->commit, error, "certificate");
        return;
    }
    log_info("order %s: issued %s, serial %s, in %lld ms", issuance->number,
             issuance->names, serial,
             (long long)(clock_mono_ms() - issuance->started_mono_ms));
    ca_report_good(issuer->ca);
    issuer_meter_end(issuer, issuance->started_mono_ms, true);
    issuance_list_set_state(issuance, ISSUANCE_STORING);
    commit_wait(issuer->commit, &issuance->committed);
}

/* ---- the end: a failure ---- */

/* What the device is told: the CA's problem if it concerns the names or the request, else
 * that the relay failed, and why. */
static void make_problem(const struct acme_error *error, struct acme_problem *ret_problem)
{
    switch (error->type) {
    case ACME_ERROR_REJECTED:
    case ACME_ERROR_CSR:
    case ACME_ERROR_DNS:
    case ACME_ERROR_CAA:
        if (error->problem.type != ACME_PROBLEM_NONE) {
            *ret_problem = error->problem;
            return;
        }
        break;
    case ACME_ERROR_RATE_LIMIT:
    case ACME_ERROR_PAUSED:
        acme_problem_set(ret_problem, ACME_PROBLEM_RATE_LIMITED, "The CA refuses: %s",
                         error->text);
        return;
    case ACME_ERROR_NONE:
    case ACME_ERROR_NET:
    case ACME_ERROR_SERVER:
    case ACME_ERROR_PROTOCOL:
    case ACME_ERROR_ACCOUNT:
    case ACME_ERROR_EAB:
    case ACME_ERROR_USER_ACTION:
    case ACME_ERROR_ORDER:
    case ACME_ERROR_CHAIN:
    case ACME_ERROR_PUBLISH:
    case ACME_ERROR_MEMORY:
        break;
    }
    acme_problem_set(ret_problem, ACME_PROBLEM_SERVER_INTERNAL,
                     "The relay got no certificate: %s", error->text);
}

static int put_invalid_one(struct issuance *issuance, int64_t rev, const char *problem,
                           bool count_failure)
{
    struct issuer *issuer = issuance->set->issuer;
    const char *zone = issuer->config->zone;
    struct issuer_store_entry entry = {.kind = "failure",
                                       .what = issuance->number,
                                       .id = issuance->id,
                                       .at = clock_wall_at()};
    int error = issuer_store_set_order_state(
        issuer->database, zone, rev, issuance->number, ISSUER_STORE_INVALID, problem, "");

    if (error == 0) {
        error = budget_release(issuer->database, zone, rev, issuance->number);
    }
    if (error == 0 && count_failure) {
        error = issuer_store_put_entry(issuer->database, zone, rev, &entry);
    }
    return error == 0 ? issuance_order_save(issuance, true) : error;
}

void issuance_result_bad(struct issuance *issuance, const struct acme_error *failure)
{
    struct issuer *issuer = issuance->set->issuer;
    struct buffer text = buffer_init(LIMIT_JWS_BYTES);
    struct acme_problem problem = {0};
    bool count_failure =
        failure->type == ACME_ERROR_DNS || failure->type == ACME_ERROR_CAA;
    int64_t rev = 0;
    int error = 0;

    make_problem(failure, &problem);
    error = issuance_problem_text(&problem, &text);
    if (error == 0) {
        error = commit_begin(issuer->commit, &rev);
    }
    if (error == 0) {
        error = put_invalid_one(issuance, rev, buffer_text(&text), count_failure);
    }
    for (struct issuance *other = issuance_list_of_id(issuance->set, issuance->id);
         error == 0 && other != NULL; other = other->bucket_next) {
        if (other->leader == issuance) {
            error = put_invalid_one(other, rev, buffer_text(&text), false);
            other->leader = NULL;
            issuance_list_set_state(other, ISSUANCE_STORING);
            commit_wait(issuer->commit, &other->committed);
        }
    }
    buffer_free(&text);
    if (error != 0) {
        (void)commit_fail(issuer->commit, error, "failed order");
        return;
    }
    log_warning("order %s: no certificate for %s: %s", issuance->number, issuance->names,
                failure->text);
    issuer_meter_end(issuer, issuance->started_mono_ms, false);
    issuance_list_set_state(issuance, ISSUANCE_STORING);
    commit_wait(issuer->commit, &issuance->committed);
}
