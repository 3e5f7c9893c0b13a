/* front's checks here are for a quick and clear answer; the issuer repeats them from the
 * signed bytes, because front is the part that talks to the internet.
 *
 * An identity key as certificate key would let a TLS peer use it as a signing oracle, and
 * a revocation for keyCompromise would end the device's name; so nobody's identity key is
 * accepted. */
#include "relay/front/finalize.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/front/journal.h"
#include "relay/front/response.h"
#include "relay/front/waiting.h"
#include "relay/store/front_store.h"

#include <string.h>

enum { CHAIN_MS = 20000 };

/* The CSR's names, which csr_parse sorted, against "a b c". */
static bool names_equal(const struct csr *csr, const char *names)
{
    for (size_t i = 0; i < csr->name_count; i++) {
        size_t size = strlen(csr->names[i]);

        if (strncmp(names, csr->names[i], size) != 0 ||
            names[size] != (i + 1 < csr->name_count ? ' ' : '\0')) {
            return false;
        }
        names += size + 1;
    }
    return csr->name_count > 0;
}

static bool check_csr(const struct csr *csr, const char *names,
                      char ret_key_id[static KEY_ID_SIZE + 1],
                      struct acme_problem *problem)
{
    if (!names_equal(csr, names)) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_CSR,
                         "the CSR's names must be exactly the order's: %s", names);
        return false;
    }
    if (key_id(csr->key, ret_key_id) != 0) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_CSR, "the CSR's key can't be read");
        return false;
    }
    return true;
}

bool finalize_read_csr(const json_t *payload, const char *names,
                       char ret_key_id[static KEY_ID_SIZE + 1],
                       struct acme_problem *problem)
{
    const char *text = json_get_text(payload, "csr");
    uint8_t der[LIMIT_CSR_BYTES];
    char reason[LIMIT_DETAIL_BYTES] = "";
    struct csr csr = {0};
    size_t size = 0;
    bool good = false;

    if (text == NULL) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED, "the text 'csr' is missing");
        return false;
    }
    if (text_base64url_decode(text, strlen(text), der, sizeof(der), &size) != 0) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_CSR,
                         "'csr' must be unpadded base64url of at most %d bytes of DER",
                         LIMIT_CSR_BYTES);
        return false;
    }
    if (csr_parse(der, size, &csr, reason, sizeof(reason)) != 0) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_CSR, "%s", reason);
    } else {
        good = check_csr(&csr, names, ret_key_id, problem);
    }
    csr_free(&csr);
    return good;
}

static int found_account(const struct front_store_account *account, void *arg)
{
    (void)account;
    *(bool *)arg = true;
    return 0;
}

/* Whether the CSR's key is the identity key of anyone here. Answers then, and says false.
 */
static bool check_key(struct request *request, const char *csr_key_id)
{
    struct service *service = request->service;
    bool found = strcmp(csr_key_id, request->id) == 0;
    int error = found ? 0
                      : front_store_get_account(service->front, service->zone, csr_key_id,
                                                found_account, &found);

    if (error != 0 && error != ERROR_NOT_FOUND) {
        response_internal(request, error, "reading an account");
        return false;
    }
    if (found) {
        log_info("finalize %s of %s: refused: an identity key as certificate key",
                 request->arguments[1], request->id);
        response_error(request, ACME_PROBLEM_BAD_CSR,
                       "an account key can't be a certificate key: make another one");
        return false;
    }
    return true;
}

static bool finished(struct request *request, bool late)
{
    struct order order;
    int error = order_read(request->service, request->number, &order);
    bool open =
        order.state == ISSUER_STORE_READY || order.state == ISSUER_STORE_PROCESSING;
    bool done = true;

    if (error != 0) {
        response_internal(request, error, "reading an order");
    } else if (open && !late) {
        done = false;
    } else {
        if (!open) {
            log_info("finalize %s of %s: %s", order.number, order.id,
                     issuer_store_state_text(order.state));
        }
        order_respond_with(request, 200, &order);
    }
    order_free(&order);
    return done;
}

static void written(struct request *request, int error)
{
    if (error != 0) {
        response_internal(request, error, "writing a finalize");
        return;
    }
    waiting_hold(request->service->waiting, request, CHAIN_MS, false, finished);
}

/* Whether ORDER may be finalized now; else answered. */
static bool check_order(struct request *request, const struct order *order)
{
    if (order->state == ISSUER_STORE_READY && order->expires_at > clock_wall_at()) {
        return true;
    }
    response_error(request, ACME_PROBLEM_ORDER_NOT_READY,
                   order->state == ISSUER_STORE_READY
                       ? "the order has expired: make a new one"
                       : "the order is '%s', not 'ready'",
                   issuer_store_state_text(order->state));
    return false;
}

static void finalize(struct request *request, const struct order *order)
{
    struct acme_problem problem;
    char csr_key_id[KEY_ID_SIZE + 1];
    int error = 0;

    if (!check_order(request, order)) {
        return;
    }
    if (!finalize_read_csr(request->payload, order->names, csr_key_id, &problem)) {
        log_info("finalize %s of %s: refused: %s", order->number, order->id,
                 problem.detail);
        response_problem(request, &problem);
        return;
    }
    if (!check_key(request, csr_key_id)) {
        return;
    }
    memcpy(request->number, order->number, sizeof(request->number));
    error = request_write(request, "finalize");
    if (error == ERROR_EXISTS) {
        response_error(request, ACME_PROBLEM_ORDER_NOT_READY,
                       "the order has been finalized already: ask for the order");
    } else if (error != 0) {
        response_internal(request, error, "writing a finalize");
    } else {
        journal_hold(request->service->journal, request, written);
    }
}

void finalize_order(struct request *request)
{
    struct order order;

    if (order_find(request, &order)) {
        finalize(request, &order);
    }
    order_free(&order);
}
