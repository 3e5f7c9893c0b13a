/* The certificate must be one of ours (by its certID, and equal byte for byte to the leaf
 * we handed out), and the signer its owner or the holder of its key. The answer is held
 * until the CA has answered the issuer. */
#include "relay/front/revocation.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/cert.h"
#include "relay/front/journal.h"
#include "relay/front/quota.h"
#include "relay/front/response.h"
#include "relay/front/waiting.h"
#include "relay/store/issuer_store.h"

#include <stdlib.h>
#include <string.h>

enum { DECISION_MS = 20000, AGAIN_S = 30, DER_MAX = 16 << 10 };

/* RFC 5280 5.3.1: unspecified, keyCompromise, affiliationChanged, superseded,
 * cessationOfOperation. The others are a CA's to say. */
static bool is_reason(int64_t reason)
{
    return reason == 0 || reason == 1 || (reason >= 3 && reason <= 5);
}

bool revocation_read(const json_t *payload, struct cert **ret_cert,
                     struct acme_problem *problem)
{
    const char *text = json_get_text(payload, "certificate");
    const json_t *reason = json_object_get(payload, "reason");
    uint8_t *der = NULL;
    size_t size = 0;
    int error = ERROR_SYNTAX;

    if (reason != NULL &&
        (!json_is_integer(reason) || !is_reason(json_integer_value(reason)))) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_REVOCATION_REASON,
                         "'reason' must be 0, 1, 3, 4 or 5");
        return false;
    }
    der = text != NULL ? malloc(DER_MAX) : NULL;
    if (der != NULL) {
        error = text_base64url_decode(text, strlen(text), der, DER_MAX, &size);
    }
    if (error == 0) {
        error = cert_from_der(der, size, ret_cert);
    }
    free(der);
    if (error != 0) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED,
                         "'certificate' must be the base64url DER of one certificate");
        return false;
    }
    return true;
}

struct owned {
    struct request *request;
    const struct cert *cert;
    bool ours;  /* the same leaf */
    bool owner; /* the signer is its account */
    bool revoked;
};

static int compare(const struct issuer_store_certificate *row, void *arg)
{
    struct owned *owned = arg;
    struct cert *stored = NULL;
    int error = cert_from_pem(row->chain, strlen(row->chain), &stored);

    if (error == 0) {
        struct bytes ours = cert_leaf_der(stored);
        struct bytes theirs = cert_leaf_der(owned->cert);

        owned->ours = ours.size == theirs.size &&
                      memcmp(ours.data, theirs.data, ours.size) == 0 &&
                      strcmp(row->lane, "device") == 0;
        owned->owner = jws_kid(owned->request->jws) != NULL &&
                       strcmp(row->id, owned->request->id) == 0;
        owned->revoked = row->revoked_at > 0;
    }
    cert_free(stored);
    return error;
}

/* Signed by the certificate's own key? */
static bool is_holder(const struct request *request, const struct cert *cert)
{
    struct key *key = NULL;
    bool holder = jws_kid(request->jws) == NULL && cert_key(cert, &key) == 0 &&
                  key_equal(key, request->key);

    key_free(key);
    return holder;
}

/* Whether the signer may revoke CERT, and it is not revoked; else answered. */
static bool check(struct request *request, const struct cert *cert)
{
    struct service *service = request->service;
    struct database *issuer = service_issuer(service);
    struct owned owned = {.request = request, .cert = cert};
    char id[CERT_ID_MAX];
    int error = cert_id(cert, id);

    if (error == 0) {
        error = issuer == NULL ? ERROR_NOT_FOUND
                               : issuer_store_certificate(issuer, service->zone, id,
                                                          compare, &owned);
    }
    if (error == ERROR_NOT_FOUND || (error == 0 && !owned.ours)) {
        response_status(request, 404, ACME_PROBLEM_MALFORMED,
                        "this certificate was not issued through this relay");
        return false;
    }
    if (error != 0) {
        response_internal(request, error, "reading a certificate");
        return false;
    }
    if (!owned.owner && !is_holder(request, cert)) {
        response_error(request, ACME_PROBLEM_UNAUTHORIZED,
                       "a certificate is revoked by its account's key or by its own");
        return false;
    }
    if (owned.revoked) {
        response_error(request, ACME_PROBLEM_ALREADY_REVOKED,
                       "this certificate is revoked already");
        return false;
    }
    return true;
}

struct outcome {
    struct acme_problem problem;
    bool done;
};

static int take_outcome(const struct issuer_store_revocation *row, void *arg)
{
    struct outcome *outcome = arg;
    json_t *value = NULL;

    outcome->done = row->done;
    acme_problem_set(&outcome->problem, ACME_PROBLEM_SERVER_INTERNAL,
                     "the certificate could not be revoked");
    if (!row->done &&
        json_parse(row->problem, strlen(row->problem), LIMIT_JSON_BYTES, &value) == 0) {
        acme_problem_from_json(value, 0, &outcome->problem);
        json_decref(value);
    }
    if (outcome->problem.status < 400 || outcome->problem.status > 599) {
        outcome->problem.status = acme_problem_type_status(outcome->problem.type);
    }
    return 0;
}

static bool decided(struct request *request, bool late)
{
    struct service *service = request->service;
    struct database *issuer = service_issuer(service);
    struct outcome outcome;
    int error = issuer == NULL
                    ? ERROR_NOT_FOUND
                    : issuer_store_revocation(issuer, service->zone, request->number,
                                              take_outcome, &outcome);

    if (error == ERROR_NOT_FOUND && !late) {
        return false;
    }
    if (error == ERROR_NOT_FOUND) {
        response_retry_after(request, AGAIN_S);
        response_status(request, 503, ACME_PROBLEM_SERVER_INTERNAL,
                        "the CA has not confirmed the revocation yet; ask again later");
    } else if (error != 0) {
        response_internal(request, error, "reading a revocation");
    } else if (outcome.done) {
        log_info("revocation %s by %s: done", request->number, request->id);
        response_bytes(request, 200, NULL, "", 0);
    } else {
        log_info("revocation %s by %s: refused: %s", request->number, request->id,
                 outcome.problem.detail);
        response_problem(request, &outcome.problem);
    }
    return true;
}

static void written(struct request *request, int error)
{
    if (error != 0) {
        response_internal(request, error, "writing a revocation");
        return;
    }
    waiting_hold(request->service->waiting, request, DECISION_MS, true, decided);
}

void revocation_create(struct request *request)
{
    struct service *service = request->service;
    struct acme_problem problem;
    struct cert *cert = NULL;
    int64_t wait_s = 0;
    bool good = false;
    int error = 0;

    if (!revocation_read(request->payload, &cert, &problem)) {
        response_problem(request, &problem);
        return;
    }
    good = check(request, cert);
    cert_free(cert);
    if (!good) {
        return;
    }
    wait_s = quota_take(service->quota, QUOTA_REVOKE, request->id, clock_mono_ms());
    if (wait_s > 0) {
        response_retry_after(request, wait_s);
        response_error(request, ACME_PROBLEM_RATE_LIMITED, "too many revocations");
        return;
    }
    error = service_number(request->number);
    if (error == 0) {
        error = request_write(request, "revoke");
    }
    if (error != 0) {
        response_internal(request, error, "writing a revocation");
        return;
    }
    journal_hold(service->journal, request, written);
}
