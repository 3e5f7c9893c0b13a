/* One request of an account beside orders. An exchange with a result. */
#include "acme/acme_call.h"

#include "acme/client_session.h"
#include "acme/failure.h"
#include "acme/origin.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

enum call_kind {
    CALL_POST,
    CALL_REVOKE,
    CALL_DEACTIVATE,
    CALL_RENEWAL_INFO,
    CALL_KEY_CHANGE,
};
enum call_state { CALL_START, CALL_RUNNING, CALL_DONE, CALL_FAILED };
enum { CALL_RETRY_AFTER_MAX = 64, CERT_DER_MAX = 16 << 10, ACCOUNT_LOSSES_MAX = 3 };

struct acme_call {
    enum call_kind kind;
    enum call_state state;
    struct acme_client *client; /* borrowed */
    char *url;                  /* POST */
    char *cert_id;              /* RENEWAL_INFO */
    struct key *new_key;        /* KEY_CHANGE */
    json_t *payload;            /* NULL: POST-as-GET */
    struct exchange exchange;
    struct acme_error error;
    unsigned account_losses;
    int status;
    struct buffer body;
    char retry_after[CALL_RETRY_AFTER_MAX];
};

static int call_make(struct acme_client *client, enum call_kind kind,
                     struct acme_call **ret_call)
{
    struct acme_call *call = calloc(1, sizeof(*call));

    if (call == NULL)
        return ERROR_MEMORY;
    call->kind = kind;
    call->client = client;
    call->body = buffer_init(LIMIT_JSON_BYTES);
    *ret_call = call;
    return 0;
}

int acme_call_new_post(struct acme_client *client, const char *url, const json_t *payload,
                       struct acme_call **ret_call)
{
    struct acme_call *call = NULL;
    int error;

    if (!acme_client_same_origin(client, url))
        return ERROR_DENIED;
    error = call_make(client, CALL_POST, &call);
    if (error == 0 && (call->url = strdup(url)) == NULL)
        error = ERROR_MEMORY;
    if (error == 0 && payload != NULL &&
        (call->payload = json_deep_copy(payload)) == NULL)
        error = ERROR_MEMORY;
    if (error != 0) {
        acme_call_free(call);
        return error;
    }
    *ret_call = call;
    return 0;
}

int acme_call_new_revoke(struct acme_client *client, struct bytes cert_der, int reason,
                         struct acme_call **ret_call)
{
    struct acme_call *call = NULL;
    char *text = NULL;
    int error;

    if (cert_der.size == 0 || cert_der.size > CERT_DER_MAX || reason > 10)
        return ERROR_RANGE;
    error = call_make(client, CALL_REVOKE, &call);
    if (error == 0) {
        text = malloc(TEXT_BASE64URL_SIZE(cert_der.size) + 1);
        call->payload = json_object();
        error = text != NULL && call->payload != NULL ? 0 : ERROR_MEMORY;
    }
    if (error == 0) {
        text_base64url(cert_der.data, cert_der.size, text);
        error = json_set_text(call->payload, "certificate", text);
    }
    if (error == 0 && reason >= 0)
        error = json_set_i64(call->payload, "reason", reason);
    free(text);
    if (error != 0) {
        acme_call_free(call);
        return error;
    }
    *ret_call = call;
    return 0;
}

int acme_call_new_deactivate(struct acme_client *client, struct acme_call **ret_call)
{
    struct acme_call *call = NULL;
    int error = call_make(client, CALL_DEACTIVATE, &call);

    if (error == 0 && (call->payload = json_object()) == NULL)
        error = ERROR_MEMORY;
    if (error == 0)
        error = json_set_text(call->payload, "status", "deactivated");
    if (error != 0) {
        acme_call_free(call);
        return error;
    }
    *ret_call = call;
    return 0;
}

int acme_call_new_key_change(struct acme_client *client, struct key *new_key,
                             struct acme_call **ret_call)
{
    struct acme_call *call = NULL;
    int error;

    if (!key_is_private(new_key))
        return ERROR_STATE;
    error = call_make(client, CALL_KEY_CHANGE, &call);
    if (error != 0)
        return error;
    call->new_key = key_ref(new_key);
    *ret_call = call;
    return 0;
}

int acme_call_new_renewal_info(struct acme_client *client, const char *cert_id,
                               struct acme_call **ret_call)
{
    struct acme_call *call = NULL;
    int error;

    if (strlen(cert_id) >= CERT_ID_MAX)
        return ERROR_RANGE;
    error = call_make(client, CALL_RENEWAL_INFO, &call);
    if (error == 0 && (call->cert_id = strdup(cert_id)) == NULL)
        error = ERROR_MEMORY;
    if (error != 0) {
        acme_call_free(call);
        return error;
    }
    *ret_call = call;
    return 0;
}

void acme_call_free(struct acme_call *call)
{
    if (call == NULL)
        return;
    exchange_free(&call->exchange);
    json_decref(call->payload);
    buffer_free(&call->body);
    free(call->url);
    free(call->cert_id);
    key_free(call->new_key);
    free(call);
}

static int start_renewal_info(struct acme_call *call, const char *base)
{
    char url[LIMIT_URL_BYTES + 1];

    if (!text_format(url, sizeof(url), "%s%s%s", base,
                     text_ends_with(base, "/") ? "" : "/", call->cert_id))
        return ERROR_LIMIT;
    return exchange_start(&call->exchange, EXCHANGE_GET, "renewalInfo", url, NULL, NULL,
                          LIMIT_JSON_BYTES, true);
}

/* The inner JWS, by the new key: `jwk`, the outer one's url, no nonce, and as payload which
 * account changes from which key (RFC 8555 7.3.5). */
static int make_key_change(const struct acme_call *call, const char *url,
                           json_t **ret_payload)
{
    const struct jws_signer signer = {.key = call->new_key};
    struct buffer text = buffer_init(LIMIT_JWS_BYTES);
    struct buffer inner = buffer_init(LIMIT_JWS_BYTES);
    json_t *object = json_object();
    json_t *old_key = NULL;
    int error = object != NULL ? 0 : ERROR_MEMORY;

    if (error == 0)
        error = json_set_text(object, "account", acme_client_account_url(call->client));
    if (error == 0)
        error = key_to_jwk(client_session(call->client)->signer.key, &old_key);
    if (error == 0)
        error = json_set_take(object, "oldKey", old_key);
    if (error == 0)
        error = json_dump(object, &text);
    if (error == 0)
        error = jws_make(&signer, NULL, NULL, url, text.data, text.size, &inner);
    if (error == 0)
        error = json_parse(inner.data, inner.size, LIMIT_JWS_BYTES, ret_payload);
    json_decref(object);
    buffer_free(&inner);
    buffer_free(&text);
    return error;
}

static int start_key_change(struct acme_call *call, const char *url)
{
    json_t *payload = NULL;
    int error = make_key_change(call, url, &payload);

    if (error == 0)
        error = exchange_start(&call->exchange, EXCHANGE_POST_KID, "keyChange", url,
                               payload, NULL, LIMIT_JSON_BYTES, false);
    call->exchange.passes_hold = true;
    json_decref(payload);
    return error;
}

static const char *what_of(enum call_kind kind)
{
    switch (kind) {
    case CALL_REVOKE:
        return "revokeCert";
    case CALL_RENEWAL_INFO:
        return "renewalInfo";
    case CALL_KEY_CHANGE:
        return "keyChange";
    case CALL_POST:
    case CALL_DEACTIVATE:
        break;
    }
    return "this";
}

/* ERROR_UNSUPPORTED when the CA does not offer it. */
static int start(struct acme_call *call)
{
    const struct directory *directory = client_session_directory(call->client);

    switch (call->kind) {
    case CALL_POST:
        return exchange_start(
            &call->exchange,
            acme_client_account_url(call->client) != NULL ? EXCHANGE_POST_KID
                                                          : EXCHANGE_POST_JWK,
            "call", call->url, call->payload, NULL, LIMIT_JSON_BYTES, true);
    case CALL_REVOKE:
        if (directory->revoke_cert == NULL)
            return ERROR_UNSUPPORTED;
        return exchange_start(&call->exchange, EXCHANGE_POST_KID, "revokeCert",
                              directory->revoke_cert, call->payload, NULL,
                              LIMIT_JSON_BYTES, true);
    case CALL_DEACTIVATE:
        return exchange_start(&call->exchange, EXCHANGE_POST_KID, "account",
                              acme_client_account_url(call->client), call->payload, NULL,
                              LIMIT_JSON_BYTES, true);
    case CALL_RENEWAL_INFO:
        if (directory->renewal_info == NULL)
            return ERROR_UNSUPPORTED;
        return start_renewal_info(call, directory->renewal_info);
    case CALL_KEY_CHANGE:
        if (directory->key_change == NULL)
            return ERROR_UNSUPPORTED;
        return start_key_change(call, directory->key_change);
    }
    return ERROR_INTERNAL;
}

static void fail_start(struct acme_call *call, int error, struct acme_now now)
{
    call->state = CALL_FAILED;
    if (error == ERROR_UNSUPPORTED)
        failure_set(&call->error, ACME_ERROR_REJECTED, ACME_SCOPE_CA, 0, false,
                    "the CA's directory does not offer %s", what_of(call->kind));
    else
        failure_set(&call->error, ACME_ERROR_MEMORY, ACME_SCOPE_NAME,
                    now.at + FAILURE_BUSY_S, true, "out of memory for a request");
}

/* START: what the request needs of the client must be there first. */
static void step_start(struct acme_call *call, struct acme_now now,
                       struct acme_step *step)
{
    const struct exchange_session *session = client_session(call->client);
    const struct acme_error *failed = exchange_session_failure(session, now);
    bool is_enough =
        session->ready || (call->kind == CALL_RENEWAL_INFO && session->has_directory);
    int error;

    if (!is_enough && failed != NULL) {
        call->error = *failed;
        call->state = CALL_FAILED;
    } else if (!is_enough) {
        step->want = ACME_WANT_SHARED;
    } else if ((error = start(call)) != 0) {
        fail_start(call, error, now);
    } else {
        call->state = CALL_RUNNING;
    }
}

void acme_call_next(struct acme_call *call, struct acme_now now,
                    struct acme_step *ret_step)
{
    struct acme_step step = {.want = ACME_WANT_IDLE};

    while (step.want == ACME_WANT_IDLE) {
        switch (call->state) {
        case CALL_START:
            step_start(call, now, &step);
            break;
        case CALL_RUNNING:
            exchange_next(&call->exchange, client_session(call->client), now, &step,
                          &call->error);
            if (step.want == ACME_WANT_FAILED) {
                call->state = CALL_FAILED;
                step.want = ACME_WANT_IDLE;
            }
            break;
        case CALL_DONE:
            step.want = ACME_WANT_DONE;
            break;
        case CALL_FAILED:
            step.want = ACME_WANT_FAILED;
            step.error = &call->error;
            break;
        }
    }
    *ret_step = step;
}

static void keep(struct acme_call *call, const struct acme_response *response,
                 struct acme_now now)
{
    const char *retry_after = exchange_header(response, "retry-after", 0);

    call->status = response->status;
    if (retry_after != NULL)
        (void)text_copy(call->retry_after, sizeof(call->retry_after), retry_after);
    if (buffer_append(&call->body, response->body.data, response->body.size) != 0)
        fail_start(call, ERROR_MEMORY, now);
    else
        call->state = CALL_DONE;
}

void acme_call_response(struct acme_call *call, const struct acme_response *response,
                        struct acme_now now)
{
    if (!call->exchange.in_flight)
        return;
    switch (exchange_response(&call->exchange, client_session(call->client), response,
                              now, &call->error)) {
    case EXCHANGE_OK:
        keep(call, response, now);
        break;
    case EXCHANGE_AGAIN:
        break;
    case EXCHANGE_UNSURE:
        failure_set(&call->error, ACME_ERROR_NET, ACME_SCOPE_CA, now.at + FAILURE_BUSY_S,
                    true, "no response");
        call->state = CALL_FAILED;
        break;
    case EXCHANGE_FAILED:
        call->state = CALL_FAILED;
        /* The client looks after the account; this call waits for it, then goes on. */
        if (call->error.problem.type == ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST &&
            call->account_losses++ < ACCOUNT_LOSSES_MAX)
            call->state = CALL_START;
        if (call->kind == CALL_REVOKE &&
            call->error.problem.type == ACME_PROBLEM_ALREADY_REVOKED) {
            call->status = response->status;
            call->state = CALL_DONE;
        }
        break;
    }
}

int acme_call_status(const struct acme_call *call)
{
    return call->status;
}

struct bytes acme_call_body(const struct acme_call *call)
{
    return buffer_bytes(&call->body);
}

const char *acme_call_retry_after(const struct acme_call *call)
{
    return call->retry_after[0] != '\0' ? call->retry_after : NULL;
}

int acme_call_renewal_info(const struct acme_call *call, int64_t not_before_at,
                           int64_t not_after_at, int64_t now_at, struct acme_ari *ret_ari)
{
    if (call->kind != CALL_RENEWAL_INFO || call->state != CALL_DONE)
        return ERROR_STATE;
    return acme_ari_parse(call->body.data, call->body.size, acme_call_retry_after(call),
                          not_before_at, not_after_at, now_at, ret_ari);
}
