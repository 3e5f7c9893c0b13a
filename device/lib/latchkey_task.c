/* A task at the relay: an order, the question for the renewal window, or a publication. It
 * drives acme's client and one machine beside it (see acme/acme_step.h) until both wait for a
 * response or for time, and leaves its end in the handle. Nothing here calls the owner back:
 * that is for latchkey_process, when the task is gone.
 *
 * A client lives as long as its task: between tasks a device needs no directory and no nonces,
 * and an idle handle stays small. Waits of more than a minute end the task; its order is saved,
 * and the next task goes on with it. */
#include "device/lib/latchkey_parts.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"

#include <string.h>

enum { LONGEST_WAIT_MS = 60 * 1000, ORDER_DEADLINE_S = 600 };

static struct acme_now now(void)
{
    return (struct acme_now){.at = clock_system_at(), .mono_ms = clock_mono_ms()};
}

/* --- ends --- */

/* The first end counts. */
static void end_task(struct latchkey *handle, const struct latchkey_end *end)
{
    if (!handle->is_over) {
        handle->is_over = true;
        handle->end = *end;
    }
}

static void end_failed(struct latchkey *handle, const char *code, bool permanent,
                       const char *text)
{
    struct latchkey_end end = {.outcome = LATCHKEY_FAILED, .permanent = permanent};
    text_copy(end.code, sizeof(end.code), code);
    text_printable(end.text, sizeof(end.text), text, strlen(text));
    end.keep_order = !permanent;
    end_task(handle, &end);
}

void latchkey_task_fail(struct latchkey *handle, const char *code, const char *what,
                        int error)
{
    char text[LIMIT_DETAIL_BYTES];
    if (!text_format(text, sizeof(text), "%s: %s", what, error_text(error))) {
        text_copy(text, sizeof(text), what);
    }
    end_failed(handle, code, false, text);
}

static void end_done(struct latchkey *handle)
{
    struct latchkey_end end = {.outcome = LATCHKEY_DONE};
    end_task(handle, &end);
}

/* What the relay asked for; acme's own figures are for a CA that serves thousands, while the
 * back-off of device/life.c knows the certificate's life. */
static int64_t imposed_wait_s(const struct latchkey *handle,
                              const struct acme_error *error)
{
    if (handle->asked_wait_s > 0) {
        return handle->asked_wait_s;
    }
    bool limited =
        error->type == ACME_ERROR_RATE_LIMIT || error->type == ACME_ERROR_PAUSED;
    int64_t wait_s = error->retry_at - clock_system_at();
    return limited && wait_s > 0 ? wait_s : 0;
}

static void end_acme(struct latchkey *handle, const struct acme_error *error)
{
    struct latchkey_end end = {
        .outcome = LATCHKEY_FAILED,
        .retry_after_s = imposed_wait_s(handle, error),
        .permanent = error->retry_at == 0,
        .keep_order = error->resumable,
    };
    text_copy(end.code, sizeof(end.code), acme_error_type_text(error->type));
    text_printable(end.text, sizeof(end.text), error->text, strlen(error->text));
    end_task(handle, &end);
}

/* --- the machines beside the client --- */

/* The relay's extension object, or NULL after the task was ended. */
static const json_t *relay_meta(struct latchkey *handle)
{
    char reason[LIMIT_DETAIL_BYTES] = "";
    const char *code = NULL;
    const json_t *meta = json_get_object(acme_client_directory(handle->client), "meta");
    const json_t *relay = json_get_object(meta, "latchkey");
    if (json_get_text(relay, "zone") == NULL) {
        end_failed(handle, "no-relay", true,
                   "this ACME server is no latchkey relay: its directory has no "
                   "meta.latchkey");
        return NULL;
    }
    int error = latchkey_relay_check(handle, relay, &code, reason, sizeof(reason));
    if (error < 0) {
        end_failed(handle, code, error != ERROR_MEMORY, reason);
        return NULL;
    }
    return relay;
}

static int begin_order_of(struct latchkey *handle)
{
    char id[CERT_ID_MAX];
    bool has_id = handle->trusted.cert != NULL && cert_id(handle->trusted.cert, id) == 0;
    struct acme_order_options options = {
        .csr = buffer_bytes(&handle->csr),
        .profile = handle->profile,
        .replaces = has_id ? id : NULL,
        .deadline_s = ORDER_DEADLINE_S,
    };
    const char *saved = handle->state.order;
    int error = ERROR_NOT_FOUND;
    if (saved != NULL) {
        error = acme_order_load(handle->client, &options, saved, strlen(saved), now(),
                                &handle->order);
    }
    /* None, or not for this request or relay any more. */
    return error == 0 ? 0
                      : acme_order_new(handle->client, &options, now(), &handle->order);
}

static void begin_order(struct latchkey *handle)
{
    char reason[LIMIT_DETAIL_BYTES] = "";
    const json_t *relay = relay_meta(handle);
    if (relay == NULL) {
        return;
    }
    int error = latchkey_order_make_csr(handle, json_get_text(relay, "zone"), reason,
                                        sizeof(reason));
    if (error < 0) {
        latchkey_task_fail(handle, "device", reason, error);
        return;
    }
    error = begin_order_of(handle);
    if (error < 0) {
        latchkey_task_fail(handle, "device", "the order could not be made", error);
    }
}

static int make_addresses(const struct latchkey *handle, bool with_receipt,
                          json_t **ret_payload)
{
    json_t *payload = json_object();
    json_t *list = json_array();
    int error = payload == NULL || list == NULL ? ERROR_MEMORY : 0;
    for (size_t i = 0; error == 0 && i < handle->publishing.count; i++) {
        char text[46];
        lanname_address_text(&handle->publishing.at[i], text);
        error = json_array_append_new(list, json_string(text)) == 0 ? 0 : ERROR_MEMORY;
    }
    if (error == 0) {
        error = json_set_i64(payload, "counter", handle->state.counter);
    }
    if (error == 0) {
        error = json_set_take(payload, "addresses", list);
        list = NULL;
    }
    if (error == 0 && with_receipt) {
        error = json_set_text(payload, "receipt", handle->state.receipt);
    }
    json_decref(list);
    if (error < 0) {
        json_decref(payload);
        return error;
    }
    *ret_payload = payload;
    return 0;
}

static void begin_publication(struct latchkey *handle)
{
    json_t *payload = NULL;
    const json_t *relay = relay_meta(handle);
    if (relay == NULL) {
        return;
    }
    const char *url = json_get_text(relay, "addressesUrl");
    if (url == NULL) {
        end_failed(
            handle, "no-relay", true,
            "this relay publishes no addresses: its directory has no addressesUrl");
        return;
    }
    /* Also above what an earlier installation with this key has used; and durable before it
     * is used: a counter that falls back would be refused for ever. */
    int64_t now_at = clock_system_at();
    handle->publishing = handle->addresses;
    handle->state.counter =
        handle->state.counter + 1 > now_at ? handle->state.counter + 1 : now_at;
    int error = latchkey_store_save_state(handle);
    if (error == 0) {
        error = make_addresses(handle, json_get_bool(relay, "receipts", false), &payload);
    }
    if (error == 0) {
        error = acme_call_new_post(handle->client, url, payload, &handle->call);
    }
    json_decref(payload);
    if (error < 0) {
        latchkey_task_fail(handle, "device", "the addresses could not be published",
                           error);
    }
}

static void begin_window(struct latchkey *handle)
{
    char id[CERT_ID_MAX];
    int error = handle->trusted.cert != NULL ? cert_id(handle->trusted.cert, id)
                                             : ERROR_NOT_FOUND;
    if (error == 0) {
        error = acme_call_new_renewal_info(handle->client, id, &handle->call);
    }
    if (error < 0) {
        latchkey_task_fail(handle, "device", "the renewal window could not be asked for",
                           error);
    }
}

static void begin(struct latchkey *handle)
{
    switch (handle->task) {
    case LATCHKEY_CERTIFY:
        begin_order(handle);
        break;
    case LATCHKEY_WINDOW:
        begin_window(handle);
        break;
    case LATCHKEY_PUBLISH:
        begin_publication(handle);
        break;
    case LATCHKEY_IDLE:
        break;
    }
}

/* --- what the machines brought --- */

static void deliver(struct latchkey *handle)
{
    char reason[LIMIT_DETAIL_BYTES] = "";
    int error = latchkey_order_install(handle, acme_order_chain(handle->order), reason,
                                       sizeof(reason));
    if (error < 0) {
        end_failed(handle, "install", false, reason);
    } else {
        end_done(handle);
    }
}

static void report_window(struct latchkey *handle)
{
    struct acme_ari ari = {.start_at = 0};
    int64_t now_at = clock_system_at();
    int64_t poll_at = acme_retry_after_at(acme_call_retry_after(handle->call), now_at,
                                          6 * INT64_C(3600));
    struct latchkey_end end = {
        .outcome = LATCHKEY_DONE,
        .retry_after_s = poll_at - now_at,
    };
    if (acme_call_renewal_info(handle->call, cert_not_before_at(handle->trusted.cert),
                               cert_not_after_at(handle->trusted.cert), now_at,
                               &ari) == 0) {
        end.has_window = true;
        end.window_start_at = ari.start_at;
        end.window_end_at = ari.end_at;
    }
    end_task(handle, &end);
}

static void complete(struct latchkey *handle)
{
    switch (handle->task) {
    case LATCHKEY_CERTIFY:
        deliver(handle);
        break;
    case LATCHKEY_WINDOW:
        report_window(handle);
        break;
    case LATCHKEY_PUBLISH:
        end_done(handle);
        latchkey_relay_take_receipt(handle, acme_call_body(handle->call));
        break;
    case LATCHKEY_IDLE:
        break;
    }
}

/* --- the driver --- */

static void wait_for(struct latchkey *handle, int64_t wait_ms)
{
    int64_t until_mono_ms = clock_mono_ms() + wait_ms;
    if (wait_ms > LONGEST_WAIT_MS) {
        struct latchkey_end end = {
            .outcome = LATCHKEY_FAILED,
            .code = "wait",
            .text = "the relay asks to come back later",
            .retry_after_s = wait_ms / 1000,
            .keep_order = true,
        };
        end_task(handle, &end);
    } else if (until_mono_ms < handle->wait_until_mono_ms) {
        handle->wait_until_mono_ms = until_mono_ms;
    }
}

static int save_account(struct latchkey *handle)
{
    const char *url = acme_client_account_url(handle->client);
    if (!text_copy(handle->state.account_url, sizeof(handle->state.account_url), url)) {
        return ERROR_LIMIT;
    }
    return latchkey_store_save_state(handle);
}

static int save_order(struct latchkey *handle)
{
    struct buffer text = buffer_init(ACME_ORDER_SAVE_MAX);
    int error = acme_order_save(handle->order, &text);
    if (error == 0) {
        error = agent_state_set_order(&handle->state, buffer_text(&text));
    }
    if (error == 0) {
        error = latchkey_store_save_state(handle);
    }
    buffer_free(&text);
    return error;
}

/* Each returns whether asking again at once may bring something new. */
static bool drive_client(struct latchkey *handle)
{
    struct acme_step step;
    int error = 0;
    acme_client_next(handle->client, now(), &step);
    switch (step.want) {
    case ACME_WANT_REQUEST:
        latchkey_slot_send(handle, &handle->client_slot, step.request);
        return false;
    case ACME_WANT_WAIT:
        wait_for(handle, step.wait_ms);
        return false;
    case ACME_WANT_SAVE:
        error = save_account(handle);
        if (error < 0) {
            latchkey_task_fail(handle, "disk", "the account could not be saved", error);
            return false;
        }
        acme_client_saved(handle->client);
        return true;
    case ACME_WANT_FAILED:
        end_acme(handle, step.error);
        return false;
    case ACME_WANT_IDLE:
        if (handle->order == NULL && handle->call == NULL) {
            begin(handle);
            return true;
        }
        return false;
    case ACME_WANT_RESPONSE:
    case ACME_WANT_SHARED:
    case ACME_WANT_PUBLISH:
    case ACME_WANT_UNPUBLISH:
    case ACME_WANT_DONE:
        return false;
    }
    return false;
}

static void next_of_machine(struct latchkey *handle, struct acme_step *ret_step)
{
    if (handle->order != NULL) {
        acme_order_next(handle->order, now(), ret_step);
    } else {
        acme_call_next(handle->call, now(), ret_step);
    }
}

static bool drive_machine(struct latchkey *handle)
{
    struct acme_step step;
    int error = 0;
    next_of_machine(handle, &step);
    switch (step.want) {
    case ACME_WANT_REQUEST:
        latchkey_slot_send(handle, &handle->machine_slot, step.request);
        return false;
    case ACME_WANT_WAIT:
        wait_for(handle, step.wait_ms);
        return false;
    case ACME_WANT_SAVE:
        error = save_order(handle);
        if (error < 0) {
            latchkey_task_fail(handle, "disk", "the order could not be saved", error);
            return false;
        }
        acme_order_saved(handle->order);
        return true;
    case ACME_WANT_PUBLISH:
        /* A relay hands out orders that need no challenge. */
        acme_order_publish_failed(handle->order, "a device publishes no DNS records",
                                  now());
        return true;
    case ACME_WANT_UNPUBLISH:
        acme_order_unpublished(handle->order);
        return true;
    case ACME_WANT_DONE:
        complete(handle);
        return false;
    case ACME_WANT_FAILED:
        end_acme(handle, step.error);
        return false;
    case ACME_WANT_SHARED:
    case ACME_WANT_RESPONSE:
    case ACME_WANT_IDLE:
        return false;
    }
    return false;
}

/* Without even a directory there is no sense in acme's patience with a relay that stumbles:
 * this is a device without a network, and its back-off knows better when to try again. */
static bool end_unreachable(struct latchkey *handle, const struct acme_response *response)
{
    char text[LIMIT_DETAIL_BYTES];
    if (response->error == 0 || acme_client_directory(handle->client) != NULL) {
        return false;
    }
    text_format(text, sizeof(text), "no response from %.300s: %.150s", handle->directory,
                response->error_text);
    end_failed(handle, "net", false, text);
    return true;
}

static void note_wait(struct latchkey *handle, const struct acme_response *response)
{
    const char *value = response->error == 0 && response->status >= 400
                            ? response->header(response->header_arg, "Retry-After", 0)
                            : NULL;
    int64_t now_at = clock_system_at();
    handle->asked_wait_s =
        value != NULL ? acme_retry_after_at(value, now_at, 0) - now_at : 0;
}

static bool take_response(struct latchkey *handle, struct latchkey_slot *slot)
{
    struct acme_response response;
    if (!latchkey_slot_take(handle, slot, &response)) {
        return false;
    }
    note_wait(handle, &response);
    if (!end_unreachable(handle, &response)) {
        if (slot == &handle->client_slot) {
            acme_client_response(handle->client, &response, now());
        } else if (handle->order != NULL) {
            acme_order_response(handle->order, &response, now());
        } else {
            acme_call_response(handle->call, &response, now());
        }
    }
    latchkey_slot_clear(handle, slot);
    return true;
}

void latchkey_task_drive(struct latchkey *handle)
{
    bool again = handle->task != LATCHKEY_IDLE;
    while (again && !handle->is_over) {
        handle->wait_until_mono_ms = INT64_MAX;
        again = take_response(handle, &handle->client_slot);
        again = take_response(handle, &handle->machine_slot) || again;
        if (!handle->is_over) {
            again = drive_client(handle) || again;
        }
        if (!handle->is_over && (handle->order != NULL || handle->call != NULL)) {
            again = drive_machine(handle) || again;
        }
    }
}

/* --- start and end --- */

/* "kid:key", the key in base64url. */
static int read_token(const char *token, char *ret_kid, size_t capacity,
                      uint8_t ret_key[static EAB_MAC_KEY_MAX], size_t *ret_size)
{
    const char *colon = strchr(token, ':');
    size_t kid_size = colon != NULL ? (size_t)(colon - token) : 0;
    if (kid_size == 0 || kid_size >= capacity) {
        return ERROR_SYNTAX;
    }
    memcpy(ret_kid, token, kid_size);
    ret_kid[kid_size] = '\0';
    size_t key_size = strcspn(colon + 1, " \t\r\n");
    return key_size == 0 ? ERROR_SYNTAX
                         : text_base64url_decode(colon + 1, key_size, ret_key,
                                                 EAB_MAC_KEY_MAX, ret_size);
}

static int open_client(struct latchkey *handle)
{
    char kid[EAB_KID_MAX + 1];
    uint8_t key[EAB_MAC_KEY_MAX];
    size_t size = 0;
    int error = 0;
    const char *account = handle->state.account_url;
    bool uses_token = handle->token != NULL && account[0] == '\0';
    if (uses_token) {
        error = read_token(handle->token, kid, sizeof(kid), key, &size);
    }
    struct eab_credentials eab = {
        .kid = kid,
        .mac_key = {.data = key, .size = size},
        .hash = DIGEST_SHA256,
    };
    struct acme_client_options options = {
        .directory_url = handle->directory,
        .signer = {.key = handle->identity.key},
        .eab = uses_token ? &eab : NULL,
        .account_url = account[0] != '\0' ? account : NULL,
        .may_create_account = handle->task == LATCHKEY_CERTIFY,
        .random = random_below,
    };
    if (error == 0) {
        error = acme_client_new(&options, &handle->client);
    }
    digest_wipe(key, sizeof(key));
    return error;
}

int latchkey_task_check(struct latchkey *handle)
{
    int error = open_client(handle);
    acme_client_free(handle->client);
    handle->client = NULL;
    return error;
}

void latchkey_task_start(struct latchkey *handle, enum latchkey_task task)
{
    handle->task = task;
    handle->is_over = false;
    handle->asked_wait_s = 0;
    handle->wait_until_mono_ms = INT64_MAX;
    handle->csr = buffer_init(LIMIT_CSR_BYTES);
    int error = open_client(handle);
    if (error < 0) {
        latchkey_task_fail(handle, "device", "the task could not begin", error);
    }
}

void latchkey_task_close(struct latchkey *handle)
{
    latchkey_slot_clear(handle, &handle->client_slot);
    latchkey_slot_clear(handle, &handle->machine_slot);
    acme_order_free(handle->order);
    acme_call_free(handle->call);
    acme_client_free(handle->client);
    buffer_free(&handle->csr);
    handle->order = NULL;
    handle->call = NULL;
    handle->client = NULL;
    handle->task = LATCHKEY_IDLE;
    handle->wait_until_mono_ms = INT64_MAX;
}
