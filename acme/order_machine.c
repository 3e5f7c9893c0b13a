/* The moves of an order.
 *
 *   NEW -> SAVE -> by status:  pending     AUTHZ* -> SAVE -> PUBLISH -> TRIGGER* -> LOOK
 * (polled) ready       FINALIZE -> by status processing  LOOK (polled) valid       CERT
 * -> ALTERNATE* -> UNPUBLISH -> DONE invalid     AUTOPSY* -> UNPUBLISH -> FAILED
 *
 * Any state may be entered by status alone: that is how a crash is survived, how orders
 * that arrive ready or valid are taken, and what happens after a response that got lost.
 * So nothing here relies on having seen the state before. An order that the CA does not
 * know any more is made anew, once. */
#include "acme/order_machine.h"

#include "acme/acme_retry_after.h"
#include "acme/authz_message.h"
#include "acme/failure.h"
#include "acme/order_chain.h"
#include "acme/origin.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"

#include <stdlib.h>
#include <string.h>

enum {
    RESTARTS_MAX = 1,
    ROUNDS_MAX = 4, /* times that the authorizations are gone through */
    FINALIZE_TRIES_MAX = 4,
    READY_POLLS_MAX = 4, /* `ready` after finalize was accepted: some answer late */
    ACCOUNT_LOSSES_MAX = 3,
    POLL_MAX_MS = 5000,
    POLL_DOUBLINGS_MAX = 6,
    DOUBT_MS = 1000,
};

void order_machine_enter(struct acme_order *order, enum order_state state)
{
    exchange_free(&order->exchange);
    order->is_started = false;
    order->state = state;
}

void order_machine_fail(struct acme_order *order)
{
    if (!order->error.resumable && order->record_count > 0) {
        order->after_unpublish = ORDER_FAILED;
        order_machine_enter(order, ORDER_UNPUBLISH);
    } else {
        order_machine_enter(order, ORDER_FAILED);
    }
}

void order_machine_fail_memory(struct acme_order *order, struct acme_now now)
{
    failure_set(&order->error, ACME_ERROR_MEMORY, ACME_SCOPE_NAME,
                now.at + FAILURE_BUSY_S, true, "out of memory for the order");
    order_machine_fail(order);
}

static void fail_protocol(struct acme_order *order, struct acme_now now, const char *what,
                          const char *reason)
{
    failure_set(&order->error, ACME_ERROR_PROTOCOL, ACME_SCOPE_CA,
                now.at + FAILURE_NAME_S, false, "%s: %s", what, reason);
    order_machine_fail(order);
}

static void fail_order(struct acme_order *order, struct acme_now now, const char *reason)
{
    failure_set(&order->error, ACME_ERROR_ORDER, ACME_SCOPE_NAME, now.at + FAILURE_NAME_S,
                false, "%s", reason);
    order_machine_fail(order);
}

void order_machine_forget(struct acme_order *order)
{
    free(order->url);
    free(order->finalize_url);
    free(order->certificate_url);
    order->url = order->finalize_url = order->certificate_url = NULL;
    for (size_t i = 0; i < LIMIT_ORDER_NAMES; i++) {
        free(order->authz[i].url);
        free(order->authz[i].challenge_url);
        memset(&order->authz[i], 0, sizeof(order->authz[i]));
    }
    for (size_t i = 0; i < ACME_ALTERNATES_MAX; i++) {
        free(order->alternate_urls[i]);
        order->alternate_urls[i] = NULL;
    }
    order->authz_count = order->alternate_url_count = 0;
    order->rounds = order->polls = order->finalize_tries = order->ready_polls = 0;
    order->is_triggered = order->is_ready_seen = order->is_finalized = false;
}

/* The CA has no such order any more. */
static void restart(struct acme_order *order, struct acme_now now)
{
    if (order->restarts++ >= RESTARTS_MAX) {
        fail_order(order, now, "the CA lost the order, and the one made in its place");
        return;
    }
    order_machine_forget(order);
    order->wait_until_mono_ms = 0;
    order->after_unpublish = ORDER_NEW;
    order_machine_enter(order, order->record_count > 0 ? ORDER_UNPUBLISH : ORDER_NEW);
}

/* --- going by the order's status
 * --------------------------------------------------------- */

static void poll(struct acme_order *order, const struct acme_response *response,
                 struct acme_now now)
{
    const char *retry_after = exchange_header(response, "retry-after", 0);
    unsigned doublings =
        order->polls < POLL_DOUBLINGS_MAX ? order->polls : POLL_DOUBLINGS_MAX;
    int64_t delay_ms = (int64_t)order->poll_ms << doublings;

    if (delay_ms > POLL_MAX_MS)
        delay_ms = POLL_MAX_MS;
    if (retry_after != NULL)
        delay_ms = 1000 * (acme_retry_after_at(retry_after, now.at, 1) - now.at);
    order->polls++;
    order->wait_until_mono_ms = now.mono_ms + delay_ms;
    order_machine_enter(order, ORDER_LOOK);
}

static int replace_text(char **text, const char *with)
{
    char *copy = NULL;

    if (with != NULL && (copy = strdup(with)) == NULL)
        return ERROR_MEMORY;
    free(*text);
    *text = copy;
    return 0;
}

static int keep_urls(struct acme_order *order, const struct order_message *message)
{
    int error = 0;

    if (message->finalize != NULL)
        error = replace_text(&order->finalize_url, message->finalize);
    if (error == 0 && message->certificate != NULL)
        error = replace_text(&order->certificate_url, message->certificate);
    for (size_t i = 0; error == 0 && i < message->authorization_count; i++)
        error = replace_text(&order->authz[i].url, message->authorizations[i]);
    if (error == 0 && message->authorization_count > 0)
        order->authz_count = message->authorization_count;
    return error;
}

static void go_through_authz(struct acme_order *order, struct acme_now now)
{
    if (order->rounds++ >= ROUNDS_MAX) {
        fail_order(order, now, "the challenges can't be brought to an end");
        return;
    }
    order->authz_at = 0;
    order_machine_enter(order, ORDER_AUTHZ);
}

static void go_by_ready(struct acme_order *order, const struct acme_response *response,
                        struct acme_now now)
{
    order->is_ready_seen = true;
    if (order->is_finalized && ++order->ready_polls < READY_POLLS_MAX) {
        poll(order, response, now);
    } else if (order->finalize_tries >= FINALIZE_TRIES_MAX) {
        fail_order(order, now, "the order stays ready, however often it is finalized");
    } else {
        order->is_finalized = false;
        order->ready_polls = 0;
        order_machine_enter(order, ORDER_FINALIZE);
    }
}

static void fail_invalid(struct acme_order *order, const struct acme_problem *problem,
                         const char *what, struct acme_now now)
{
    if (problem->type == ACME_PROBLEM_NONE && problem->detail[0] == '\0') {
        fail_order(order, now, "the order is invalid, and the CA does not say why");
        return;
    }
    failure_from_problem(&order->error, problem, what, NULL, now.at);
    /* Within an authorization that is the record; the account was good enough to ask. */
    if (problem->type == ACME_PROBLEM_UNAUTHORIZED) {
        order->error.type = ACME_ERROR_DNS;
        order->error.scope = ACME_SCOPE_NAME;
    }
    order->error.resumable = false;
    order_machine_fail(order);
}

static void go_by_status(struct acme_order *order, const struct order_message *message,
                         const struct acme_response *response, struct acme_now now)
{
    bool is_over = message->expires_at != 0 && message->expires_at <= now.at;

    switch (message->status) {
    case ORDER_STATUS_PENDING:
        if (is_over)
            restart(order, now);
        else if (order->is_ready_seen || order->is_finalized)
            fail_order(order, now, "the order went back to pending");
        else if (order->is_triggered)
            poll(order, response, now);
        else
            go_through_authz(order, now);
        break;
    case ORDER_STATUS_READY:
        if (is_over)
            restart(order, now);
        else
            go_by_ready(order, response, now);
        break;
    case ORDER_STATUS_PROCESSING:
        poll(order, response, now);
        break;
    case ORDER_STATUS_VALID:
        order_machine_enter(order, ORDER_CERT);
        break;
    case ORDER_STATUS_INVALID:
        order->invalid_problem = message->problem;
        order->authz_at = 0;
        if (order->is_ready_seen || order->is_finalized || order->authz_count == 0)
            fail_invalid(order, &message->problem, "order", now);
        else
            order_machine_enter(order, ORDER_AUTOPSY);
        break;
    }
}

static void accept_order(struct acme_order *order, const struct acme_response *response,
                         struct acme_now now)
{
    struct order_message message;
    char reason[160] = "";
    const char *what = order->state == ORDER_NEW ? "newOrder" : "order";
    int error = order_message_parse(
        response->body.data, response->body.size, order->csr.names, order->csr.name_count,
        client_session_directory_url(order->client), &message, reason, sizeof(reason));

    if (error == ERROR_MEMORY) {
        order_machine_fail_memory(order, now);
        return;
    }
    if (error != 0) {
        fail_protocol(order, now, what, reason);
        return;
    }
    if (keep_urls(order, &message) != 0)
        order_machine_fail_memory(order, now);
    else
        go_by_status(order, &message, response, now);
    order_message_free(&message);
}

static void accept_new(struct acme_order *order, const struct acme_response *response,
                       struct acme_now now)
{
    const char *location = exchange_header(response, "location", 0);

    if (!origin_is_same(location, client_session_directory_url(order->client))) {
        fail_protocol(order, now, "newOrder", "no Location of the CA's origin");
        return;
    }
    if (replace_text(&order->url, location) != 0) {
        order_machine_fail_memory(order, now);
        return;
    }
    accept_order(order, response, now);
    if (order->url != NULL && order->state != ORDER_FAILED &&
        order->state != ORDER_UNPUBLISH) {
        order->after_save = order->state;
        order_machine_enter(order, ORDER_SAVE);
    }
}

/* --- challenges
 * -------------------------------------------------------------------------- */

/* TXT at _acme-challenge.<name>: base64url(SHA-256(token "." thumbprint)), RFC 8555 8.4.
 */
static int make_record(const struct acme_order *order, const struct authz_message *authz,
                       struct acme_record *ret_record)
{
    const struct exchange_session *session = client_session(order->client);
    char thumbprint[KEY_PIN_SIZE + 1];
    char text[LIMIT_TOKEN_BYTES + KEY_PIN_SIZE + 2];
    uint8_t hash[DIGEST_SHA256_SIZE];
    struct acme_record record;
    int error = key_thumbprint(session->signer.key, thumbprint);

    if (error == 0 &&
        (!text_format(text, sizeof(text), "%s.%s", authz->token, thumbprint) ||
         !text_format(record.name, sizeof(record.name), "_acme-challenge.%s",
                      authz->name)))
        error = ERROR_LIMIT;
    if (error == 0)
        error = digest_sha256(text, strlen(text), hash);
    if (error != 0)
        return error;
    text_base64url(hash, sizeof(hash), record.value);
    *ret_record = record;
    return 0;
}

static int add_record(struct acme_order *order, const struct authz_message *authz)
{
    struct acme_record record = {0};
    int error = make_record(order, authz, &record);

    if (error != 0)
        return error;
    for (size_t i = 0; i < order->record_count; i++) {
        if (strcmp(order->records[i].value, record.value) == 0)
            return 0;
    }
    if (order->record_count == LIMIT_CHALLENGE_VALUES)
        return ERROR_LIMIT;
    order->records[order->record_count++] = record;
    return 0;
}

/* All authorizations are read. */
static void finish_authz(struct acme_order *order, const struct acme_response *response,
                         struct acme_now now)
{
    bool is_any_open = false;

    for (size_t i = 0; i < order->authz_count; i++)
        is_any_open = is_any_open || order->authz[i].challenge_url != NULL;
    if (is_any_open) {
        order->after_save = ORDER_PUBLISH;
        order_machine_enter(order, ORDER_SAVE);
    } else {
        order->is_triggered = true;
        poll(order, response, now);
    }
}

static void accept_authz(struct acme_order *order, const struct acme_response *response,
                         struct acme_now now)
{
    struct order_authz *authz = &order->authz[order->authz_at];
    struct authz_message message;
    char reason[160] = "";
    int error = authz_message_parse(
        response->body.data, response->body.size, order->csr.names, order->csr.name_count,
        client_session_directory_url(order->client), &message, reason, sizeof(reason));

    if (error == ERROR_MEMORY) {
        order_machine_fail_memory(order, now);
        return;
    }
    if (error != 0) {
        fail_protocol(order, now, "authorization", reason);
        return;
    }
    (void)replace_text(&authz->challenge_url, NULL);
    authz->is_pending = false;
    if (message.status == AUTHZ_DEAD) {
        fail_invalid(order, &message.problem, "authorization", now);
    } else if (message.status == AUTHZ_PENDING && !message.has_challenge) {
        failure_set(&order->error, ACME_ERROR_REJECTED, ACME_SCOPE_NAME, 0, false,
                    "authorization: the CA offers no usable dns-01 challenge for %s",
                    message.name);
        order_machine_fail(order);
    } else if (message.status == AUTHZ_PENDING &&
               (replace_text(&authz->challenge_url, message.challenge_url) != 0 ||
                add_record(order, &message) != 0)) {
        order_machine_fail_memory(order, now);
    } else {
        authz->is_pending = message.has_challenge && message.is_challenge_pending;
        if (++order->authz_at == order->authz_count)
            finish_authz(order, response, now);
        else
            order_machine_enter(order, ORDER_AUTHZ);
    }
    authz_message_free(&message);
}

static void accept_autopsy(struct acme_order *order, const struct acme_response *response,
                           struct acme_now now)
{
    struct authz_message message;
    char reason[160];
    struct acme_problem problem = order->invalid_problem;
    bool is_found = false;

    if (authz_message_parse(response->body.data, response->body.size, order->csr.names,
                            order->csr.name_count,
                            client_session_directory_url(order->client), &message, reason,
                            sizeof(reason)) == 0) {
        is_found =
            message.status == AUTHZ_DEAD && (message.problem.type != ACME_PROBLEM_NONE ||
                                             message.problem.detail[0] != '\0');
        if (is_found)
            problem = message.problem;
        authz_message_free(&message);
    }
    if (!is_found && ++order->authz_at < order->authz_count) {
        order_machine_enter(order, ORDER_AUTOPSY);
        return;
    }
    fail_invalid(order, &problem, "authorization", now);
}

/* The next challenge that waits for us, or on to the order. */
static void trigger_next(struct acme_order *order)
{
    while (order->authz_at < order->authz_count &&
           !order->authz[order->authz_at].is_pending)
        order->authz_at++;
    if (order->authz_at < order->authz_count) {
        order_machine_enter(order, ORDER_TRIGGER);
        return;
    }
    order->is_triggered = true;
    order->polls = 0;
    order_machine_enter(order, ORDER_LOOK);
}

void order_machine_published(struct acme_order *order)
{
    order->authz_at = 0;
    trigger_next(order);
}

static void accept_trigger(struct acme_order *order, struct acme_now now)
{
    order->authz[order->authz_at].is_pending = false;
    trigger_next(order);
    /* The CA needs a moment for its look. */
    if (order->state == ORDER_LOOK)
        order->wait_until_mono_ms = now.mono_ms + order->poll_ms;
}

/* --- the chain
 * --------------------------------------------------------------------------- */

static void finish(struct acme_order *order)
{
    order->after_unpublish = ORDER_DONE;
    order_machine_enter(order, order->record_count > 0 ? ORDER_UNPUBLISH : ORDER_DONE);
}

static void accept_cert(struct acme_order *order, const struct acme_response *response,
                        struct acme_now now)
{
    struct cert *cert = NULL;
    char reason[200] = "";
    int error = order_chain_check(order, response, now, &cert, reason, sizeof(reason));

    if (error == ERROR_MEMORY) {
        order_machine_fail_memory(order, now);
        return;
    }
    if (error != 0) {
        failure_set(&order->error, ACME_ERROR_CHAIN, ACME_SCOPE_CA,
                    now.at + FAILURE_NAME_S, false, "certificate: %s", reason);
        order_machine_fail(order);
        return;
    }
    cert_free(order->cert);
    order->cert = cert;
    buffer_reset(&order->chain);
    if (cert_to_pem(cert, &order->chain) != 0) {
        order_machine_fail_memory(order, now);
        return;
    }
    order_chain_keep_alternates(order, response);
    order->alternate_at = 0;
    if (order->alternate_url_count > 0)
        order_machine_enter(order, ORDER_ALTERNATE);
    else
        finish(order);
}

/* A broken alternate is one alternate less, never the end of a good chain. */
static void accept_alternate(struct acme_order *order,
                             const struct acme_response *response, struct acme_now now)
{
    struct cert *cert = NULL;
    char reason[200];

    if (response != NULL &&
        order_chain_check(order, response, now, &cert, reason, sizeof(reason)) == 0) {
        struct buffer *pem = &order->alternates[order->alternate_count];

        *pem = buffer_init(LIMIT_CHAIN_BYTES);
        if (cert_to_pem(cert, pem) == 0)
            order->alternate_count++;
        else
            buffer_free(pem);
        cert_free(cert);
    }
    if (++order->alternate_at < order->alternate_url_count)
        order_machine_enter(order, ORDER_ALTERNATE);
    else
        finish(order);
}

/* --- responses
 * --------------------------------------------------------------------------- */

void order_machine_accept(struct acme_order *order, const struct acme_response *response,
                          struct acme_now now)
{
    switch (order->state) {
    case ORDER_NEW:
        accept_new(order, response, now);
        break;
    case ORDER_FINALIZE:
        order->is_finalized = true;
        order->polls = 0;
        accept_order(order, response, now);
        break;
    case ORDER_LOOK:
        accept_order(order, response, now);
        break;
    case ORDER_AUTHZ:
        accept_authz(order, response, now);
        break;
    case ORDER_TRIGGER:
        accept_trigger(order, now);
        break;
    case ORDER_CERT:
        accept_cert(order, response, now);
        break;
    case ORDER_ALTERNATE:
        accept_alternate(order, response, now);
        break;
    case ORDER_AUTOPSY:
        accept_autopsy(order, response, now);
        break;
    case ORDER_SAVE:
    case ORDER_PUBLISH:
    case ORDER_UNPUBLISH:
    case ORDER_DONE:
    case ORDER_FAILED:
        break;
    }
}

/* RFC 9773 5 and draft-ietf-acme-profiles: wishes, not worth an order. Each is dropped
 * once. */
static bool drop_wish(struct acme_order *order)
{
    const struct acme_problem *problem = &order->error.problem;
    bool is_about_replaces = problem->status == 409 || problem->status == 404 ||
                             problem->status == 403 ||
                             problem->type == ACME_PROBLEM_ALREADY_REPLACED ||
                             problem->type == ACME_PROBLEM_MALFORMED;

    if (order->profile != NULL && problem->type == ACME_PROBLEM_INVALID_PROFILE)
        return replace_text(&order->profile, NULL) == 0;
    if (order->replaces != NULL && is_about_replaces &&
        order->error.type != ACME_ERROR_RATE_LIMIT)
        return replace_text(&order->replaces, NULL) == 0;
    return false;
}

static bool is_lost(const struct acme_error *error)
{
    return error->problem.status == 404 || error->problem.status == 410;
}

static void refuse_finalize(struct acme_order *order, struct acme_now now)
{
    struct acme_response nothing = {0};

    if (order->error.problem.type == ACME_PROBLEM_ORDER_NOT_READY &&
        order->finalize_tries < FINALIZE_TRIES_MAX) {
        /* Processing already, or not quite ready: the order says. */
        order->is_ready_seen = false;
        poll(order, &nothing, now);
        return;
    }
    if (order->error.problem.type == ACME_PROBLEM_UNAUTHORIZED) {
        order->error.type = ACME_ERROR_REJECTED;
        order->error.scope = ACME_SCOPE_NAME;
        order->error.retry_at = 0;
    }
    order_machine_fail(order);
}

void order_machine_refuse(struct acme_order *order, struct acme_now now)
{
    const struct acme_problem *problem = &order->error.problem;

    if (problem->type == ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST &&
        order->account_losses++ < ACCOUNT_LOSSES_MAX) {
        /* The client looks after the account; this order waits for it, then goes on. */
        order_machine_enter(order, order->url != NULL ? ORDER_LOOK : ORDER_NEW);
        return;
    }
    switch (order->state) {
    case ORDER_NEW:
        if (drop_wish(order))
            order_machine_enter(order, ORDER_NEW);
        else
            order_machine_fail(order);
        return;
    case ORDER_LOOK:
    case ORDER_AUTHZ:
        if (is_lost(&order->error) || problem->type == ACME_PROBLEM_UNAUTHORIZED)
            restart(order, now);
        else
            order_machine_fail(order);
        return;
    case ORDER_TRIGGER:
        /* Triggered before, and the response got lost: the authorization knows. */
        if (problem->type == ACME_PROBLEM_MALFORMED || is_lost(&order->error))
            go_through_authz(order, now);
        else
            order_machine_fail(order);
        return;
    case ORDER_FINALIZE:
        if (is_lost(&order->error))
            restart(order, now);
        else
            refuse_finalize(order, now);
        return;
    case ORDER_ALTERNATE:
        accept_alternate(order, NULL, now);
        return;
    case ORDER_AUTOPSY:
        fail_invalid(order, &order->invalid_problem, "order", now);
        return;
    case ORDER_CERT:
    case ORDER_SAVE:
    case ORDER_PUBLISH:
    case ORDER_UNPUBLISH:
    case ORDER_DONE:
    case ORDER_FAILED:
        order_machine_fail(order);
        return;
    }
}

void order_machine_doubt(struct acme_order *order, struct acme_now now)
{
    struct acme_response nothing = {0};

    if (order->rounds >= ROUNDS_MAX || order->finalize_tries >= FINALIZE_TRIES_MAX) {
        failure_set(&order->error, ACME_ERROR_NET, ACME_SCOPE_CA, now.at + FAILURE_BUSY_S,
                    true, "%s: no response from %s, again and again",
                    order->exchange.what, order->exchange.url);
        order_machine_fail(order);
        return;
    }
    if (order->state == ORDER_TRIGGER)
        go_through_authz(order, now);
    else
        poll(order, &nothing, now);
    order->wait_until_mono_ms = now.mono_ms + DOUBT_MS * (1 + order->rounds);
}
