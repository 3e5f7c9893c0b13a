/* The interface of an order: making one, asking it what it wants, telling it what came.
 * The moves from state to state are in order_machine.c. */
#include "acme/acme_order.h"

#include "acme/failure.h"
#include "acme/order_machine.h"
#include "acme/order_request.h"
#include "acme/order_saved.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"

#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 100, DEADLINE_S = 3600 };

static bool is_cert_id(const char *text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t before = strspn(text, alphabet);
    size_t after = text[before] == '.' ? strspn(text + before + 1, alphabet) : 0;

    return before > 0 && after > 0 && text[before + 1 + after] == '\0' &&
           before + after + 2 <= CERT_ID_MAX;
}

static int copy_parsed(struct csr *csr, const struct acme_order_options *options)
{
    csr->names = calloc(options->csr_name_count, sizeof(*csr->names));
    if (csr->names == NULL)
        return ERROR_MEMORY;
    csr->key = key_ref(options->csr_key);
    while (csr->name_count < options->csr_name_count) {
        char *name = strdup(options->csr_names[csr->name_count]);

        if (name == NULL)
            return ERROR_MEMORY;
        csr->names[csr->name_count++] = name;
    }
    return 0;
}

static int set_csr(struct acme_order *order, const struct acme_order_options *options)
{
    struct bytes der = options->csr;
    uint8_t hash[DIGEST_SHA256_SIZE];
    char reason[160];
    int error = options->csr_key != NULL && options->csr_name_count > 0
                    ? copy_parsed(&order->csr, options)
                    : csr_parse(der.data, der.size, &order->csr, reason, sizeof(reason));

    if (error == 0 && order->csr.name_count == 0)
        error = ERROR_RANGE;
    if (error == 0)
        error = buffer_append(&order->csr_der, der.data, der.size);
    if (error == 0)
        error = digest_sha256(der.data, der.size, hash);
    if (error == 0)
        text_base64url(hash, sizeof(hash), order->csr_hash);
    return error;
}

static int set_wish(const char *text, char **ret_copy)
{
    if (text == NULL)
        return 0;
    *ret_copy = strdup(text);
    return *ret_copy != NULL ? 0 : ERROR_MEMORY;
}

int acme_order_new(struct acme_client *client, const struct acme_order_options *options,
                   struct acme_now now, struct acme_order **ret_order)
{
    struct acme_order *order;
    int error = 0;

    (void)now;
    if (options->replaces != NULL && !is_cert_id(options->replaces))
        return ERROR_SYNTAX;
    if (options->profile != NULL && strlen(options->profile) > 64)
        return ERROR_RANGE;
    order = calloc(1, sizeof(*order));
    if (order == NULL)
        return ERROR_MEMORY;
    order->client = client;
    order->csr_der = buffer_init(LIMIT_CSR_BYTES);
    order->chain = buffer_init(LIMIT_CHAIN_BYTES);
    order->alternates_max = options->alternates < ACME_ALTERNATES_MAX
                                ? options->alternates
                                : ACME_ALTERNATES_MAX;
    order->poll_ms = options->poll_ms != 0 ? options->poll_ms : POLL_MS;
    order->deadline_s = options->deadline_s != 0 ? options->deadline_s : DEADLINE_S;
    error = set_csr(order, options);
    if (error == 0)
        error = set_wish(options->profile, &order->profile);
    if (error == 0)
        error = set_wish(options->replaces, &order->replaces);
    if (error != 0) {
        acme_order_free(order);
        return error;
    }
    order_machine_enter(order, ORDER_NEW);
    *ret_order = order;
    return 0;
}

int acme_order_load(struct acme_client *client, const struct acme_order_options *options,
                    const void *json, size_t size, struct acme_now now,
                    struct acme_order **ret_order)
{
    struct acme_order *order = NULL;
    int error = acme_order_new(client, options, now, &order);

    if (error == 0)
        error = order_saved_read(order, json, size);
    if (error != 0) {
        acme_order_free(order);
        return error;
    }
    order_machine_enter(order, order->url != NULL ? ORDER_LOOK : ORDER_NEW);
    *ret_order = order;
    return 0;
}

void acme_order_free(struct acme_order *order)
{
    if (order == NULL)
        return;
    order_machine_forget(order);
    exchange_free(&order->exchange);
    csr_free(&order->csr);
    buffer_free(&order->csr_der);
    free(order->profile);
    free(order->replaces);
    cert_free(order->cert);
    buffer_free(&order->chain);
    for (size_t i = 0; i < ACME_ALTERNATES_MAX; i++)
        buffer_free(&order->alternates[i]);
    free(order);
}

/* What must hold before a request of this state can be made; false when STEP or a failure
 * says what comes instead. */
static bool is_due(struct acme_order *order, struct acme_now now, struct acme_step *step)
{
    const struct exchange_session *session = client_session(order->client);
    const struct acme_error *failed = exchange_session_failure(session, now);

    if (order->is_started)
        return true;
    if (order->deadline_mono_ms == 0)
        order->deadline_mono_ms = now.mono_ms + (int64_t)order->deadline_s * 1000;
    if (now.mono_ms > order->deadline_mono_ms) {
        failure_set(&order->error, ACME_ERROR_ORDER, ACME_SCOPE_NAME,
                    now.at + FAILURE_NAME_S, true, "the order is not done after %u s",
                    order->deadline_s);
        order_machine_fail(order);
        return false;
    }
    if (now.mono_ms < order->wait_until_mono_ms) {
        step->want = ACME_WANT_WAIT;
        step->wait_ms = order->wait_until_mono_ms - now.mono_ms;
        return false;
    }
    if (failed != NULL) {
        order->error = *failed;
        order_machine_fail(order);
        return false;
    }
    if (!session->ready) {
        step->want = ACME_WANT_SHARED;
        return false;
    }
    if (order_request_start(order) != 0) {
        order_machine_fail_memory(order, now);
        return false;
    }
    return true;
}

/* A step of a state that has a request; IDLE when the state changed instead. */
static void step_exchange(struct acme_order *order, struct acme_now now,
                          struct acme_step *step)
{
    if (!is_due(order, now, step))
        return;
    exchange_next(&order->exchange, client_session(order->client), now, step,
                  &order->error);
    if (step->want == ACME_WANT_FAILED) {
        order_machine_fail(order);
        step->want = ACME_WANT_IDLE;
    }
}

static void step_state(struct acme_order *order, struct acme_now now,
                       struct acme_step *step)
{
    switch (order->state) {
    case ORDER_NEW:
    case ORDER_LOOK:
    case ORDER_AUTHZ:
    case ORDER_TRIGGER:
    case ORDER_FINALIZE:
    case ORDER_CERT:
    case ORDER_ALTERNATE:
    case ORDER_AUTOPSY:
        step_exchange(order, now, step);
        break;
    case ORDER_SAVE:
        step->want = ACME_WANT_SAVE;
        break;
    case ORDER_PUBLISH:
    case ORDER_UNPUBLISH:
        step->want =
            order->state == ORDER_PUBLISH ? ACME_WANT_PUBLISH : ACME_WANT_UNPUBLISH;
        step->records = order->records;
        step->record_count = order->record_count;
        break;
    case ORDER_DONE:
        step->want = ACME_WANT_DONE;
        break;
    case ORDER_FAILED:
        step->want = ACME_WANT_FAILED;
        step->error = &order->error;
        break;
    }
}

void acme_order_next(struct acme_order *order, struct acme_now now,
                     struct acme_step *ret_step)
{
    struct acme_step step = {.want = ACME_WANT_IDLE};

    while (step.want == ACME_WANT_IDLE)
        step_state(order, now, &step);
    *ret_step = step;
}

void acme_order_response(struct acme_order *order, const struct acme_response *response,
                         struct acme_now now)
{
    if (!order->exchange.in_flight)
        return;
    switch (exchange_response(&order->exchange, client_session(order->client), response,
                              now, &order->error)) {
    case EXCHANGE_OK:
        order_machine_accept(order, response, now);
        break;
    case EXCHANGE_AGAIN:
        break;
    case EXCHANGE_UNSURE:
        order_machine_doubt(order, now);
        break;
    case EXCHANGE_FAILED:
        order_machine_refuse(order, now);
        break;
    }
}

int acme_order_save(const struct acme_order *order, struct buffer *json)
{
    return order_saved_write(order, json);
}

void acme_order_saved(struct acme_order *order)
{
    if (order->state == ORDER_SAVE)
        order_machine_enter(order, order->after_save);
}

void acme_order_published(struct acme_order *order)
{
    if (order->state == ORDER_PUBLISH)
        order_machine_published(order);
}

void acme_order_publish_failed(struct acme_order *order, const char *reason,
                               struct acme_now now)
{
    if (order->state != ORDER_PUBLISH)
        return;
    failure_set(&order->error, ACME_ERROR_PUBLISH, ACME_SCOPE_NAME,
                now.at + FAILURE_BUSY_S, true, "%s", reason);
    order_machine_fail(order);
}

void acme_order_unpublished(struct acme_order *order)
{
    if (order->state != ORDER_UNPUBLISH)
        return;
    order->record_count = 0;
    order_machine_enter(order, order->after_unpublish);
}

void acme_order_retry(struct acme_order *order)
{
    if (order->state != ORDER_FAILED || !order->error.resumable)
        return;
    order->deadline_mono_ms = 0;
    order->wait_until_mono_ms = 0;
    order->rounds = order->polls = order->finalize_tries = order->ready_polls = 0;
    order->account_losses = 0;
    order->is_triggered = order->is_ready_seen = order->is_finalized = false;
    order_machine_enter(order, order->url != NULL ? ORDER_LOOK : ORDER_NEW);
}

enum acme_order_step acme_order_step(const struct acme_order *order)
{
    switch (order->state) {
    case ORDER_NEW:
        return ACME_ORDER_STEP_NEW;
    case ORDER_SAVE:
    case ORDER_LOOK:
        return order->is_finalized   ? ACME_ORDER_STEP_FINALIZE
               : order->is_triggered ? ACME_ORDER_STEP_CHALLENGE
                                     : ACME_ORDER_STEP_AUTHORIZE;
    case ORDER_AUTHZ:
        return ACME_ORDER_STEP_AUTHORIZE;
    case ORDER_PUBLISH:
        return ACME_ORDER_STEP_PUBLISH;
    case ORDER_TRIGGER:
        return ACME_ORDER_STEP_CHALLENGE;
    case ORDER_FINALIZE:
        return ACME_ORDER_STEP_FINALIZE;
    case ORDER_CERT:
    case ORDER_ALTERNATE:
        return ACME_ORDER_STEP_DOWNLOAD;
    case ORDER_AUTOPSY:
    case ORDER_UNPUBLISH:
    case ORDER_DONE:
    case ORDER_FAILED:
        return ACME_ORDER_STEP_END;
    }
    return ACME_ORDER_STEP_END;
}

const char *acme_order_url(const struct acme_order *order)
{
    return order->url;
}

const char *acme_order_profile(const struct acme_order *order)
{
    return order->profile;
}

bool acme_order_replaces(const struct acme_order *order)
{
    return order->replaces != NULL;
}

const struct cert *acme_order_cert(const struct acme_order *order)
{
    return order->state == ORDER_DONE ? order->cert : NULL;
}

struct bytes acme_order_chain(const struct acme_order *order)
{
    return order->state == ORDER_DONE ? buffer_bytes(&order->chain) : (struct bytes){0};
}

size_t acme_order_alternate_count(const struct acme_order *order)
{
    return order->state == ORDER_DONE ? order->alternate_count : 0;
}

struct bytes acme_order_alternate(const struct acme_order *order, size_t index)
{
    return index < acme_order_alternate_count(order)
               ? buffer_bytes(&order->alternates[index])
               : (struct bytes){0};
}
