/* The order of the checks matters: what costs nothing comes first (media type, shape,
 * url, nonce), then one read of the account, then the signature; only a verified request
 * uses its nonce up, so that nobody can spend another's. */
#include "relay/front/request.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "relay/front/journal.h"
#include "relay/front/key_cache.h"
#include "relay/front/response.h"
#include "relay/store/front_store.h"
#include "relay/store/url.h"

#include <stdlib.h>
#include <string.h>

static void on_gone(struct http_exchange *exchange, void *arg)
{
    struct request *request = arg;

    (void)exchange;
    request->exchange = NULL;
    if (request->drop != NULL) {
        request->drop(request);
    }
}

struct request *request_new(struct service_base *base, struct http_exchange *exchange)
{
    struct request *request = calloc(1, sizeof(*request));

    if (request == NULL) {
        return NULL;
    }
    request->service = base->service;
    request->base = base;
    request->exchange = exchange;
    request->started_mono_ms = clock_mono_ms();
    http_exchange_on_gone(exchange, on_gone, request);
    return request;
}

void request_free(struct request *request)
{
    if (request == NULL) {
        return;
    }
    jws_free(request->jws);
    key_free(request->key);
    json_decref(request->payload);
    free(request->jwk);
    free(request->contact);
    free(request);
}

void request_release(struct request *request)
{
    jws_free(request->jws);
    json_decref(request->payload);
    request->jws = NULL;
    request->payload = NULL;
    if (request->exchange != NULL) {
        http_exchange_release_body(request->exchange);
    }
}

/* "application/jose+json", perhaps with parameters (RFC 8555 6.2). */
static bool is_jose(const char *type)
{
    size_t size = type != NULL ? strcspn(type, "; \t") : 0;
    char text[sizeof(JWS_CONTENT_TYPE)];

    return size == sizeof(JWS_CONTENT_TYPE) - 1 &&
           text_format(text, sizeof(text), "%.*s", (int)size, type) &&
           text_equal_nocase(text, JWS_CONTENT_TYPE);
}

static bool check_form(struct request *request, const char *path)
{
    struct bytes body = http_exchange_body(request->exchange);
    struct acme_problem problem;
    char url[LIMIT_URL_BYTES];

    if (!is_jose(http_exchange_header(request->exchange, "Content-Type"))) {
        response_status(request, 415, ACME_PROBLEM_MALFORMED,
                        "the Content-Type must be " JWS_CONTENT_TYPE);
        return false;
    }
    if (jws_parse(body.data, body.size, &request->jws, &problem) != 0) {
        response_problem(request, &problem);
        return false;
    }
    if (!text_format(url, sizeof(url), "%s%s", request->base->url, path) ||
        strcmp(url, jws_url(request->jws)) != 0) {
        response_error(request, ACME_PROBLEM_UNAUTHORIZED,
                       "the signed url '%.200s' is not the address of this resource",
                       jws_url(request->jws));
        return false;
    }
    if (nonce_check(request->service->nonces, jws_nonce(request->jws), clock_wall_at()) !=
        0) {
        response_error(
            request, ACME_PROBLEM_BAD_NONCE,
            "the nonce is not one of ours, too old or used: take the fresh one");
        return false;
    }
    return true;
}

struct account_copy {
    struct request *request;
    bool valid;
};

static int copy_account(const struct front_store_account *account, void *arg)
{
    struct account_copy *copy = arg;

    copy->valid = strcmp(account->status, "valid") == 0;
    copy->request->jwk = strdup(account->jwk);
    copy->request->contact = strdup(account->contact);
    return copy->request->jwk != NULL && copy->request->contact != NULL ? 0
                                                                        : ERROR_MEMORY;
}

/* The account's key, from its row or remembered. */
static int take_account_key(struct request *request)
{
    struct key_cache *keys = request->service->keys;
    json_t *value = NULL;
    int error = 0;

    request->key = key_cache_get(keys, request->id);
    if (request->key != NULL) {
        return 0;
    }
    error = json_parse(request->jwk, strlen(request->jwk), LIMIT_JWS_BYTES, &value);
    if (error == 0) {
        error = key_from_jwk(value, &request->key);
    }
    json_decref(value);
    if (error == 0) {
        key_cache_put(keys, request->id, request->key);
    }
    return error;
}

/* The id that a kid ends with, or NULL. The account of a zone is the same under each of its
 * bases, so it need not be the one that the request came by. */
static const char *id_of(const struct service *service, const char *kid)
{
    for (const struct service_base *base = service->bases; base != NULL;
         base = base->next) {
        char start[LIMIT_URL_BYTES];

        if (url_account(base->url, "", start) && text_starts_with(kid, start)) {
            return kid + strlen(start);
        }
    }
    return NULL;
}

/* The account that the kid names, with its key. */
static bool find_account(struct request *request)
{
    struct service *service = request->service;
    struct account_copy copy = {.request = request};
    const char *kid = jws_kid(request->jws);
    const char *id = id_of(service, kid);
    int error = 0;

    if (id == NULL || !text_copy(request->id, sizeof(request->id), id)) {
        response_error(request, ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST,
                       "the kid '%.200s' is no account of this relay", kid);
        return false;
    }
    error =
        front_store_get_account(service->front, service->zone, id, copy_account, &copy);
    if (error == ERROR_NOT_FOUND) {
        response_error(request, ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST,
                       "there is no account '%.64s' here: make one with newAccount", id);
        request = NULL;
    } else if (error == 0 && !copy.valid) {
        response_error(request, ACME_PROBLEM_UNAUTHORIZED, "this account is deactivated");
        request = NULL;
    } else if (error == 0) {
        error = take_account_key(request);
    }
    if (request != NULL && error != 0) {
        response_internal(request, error, "reading an account");
        request = NULL;
    }
    return request != NULL;
}

/* A request that brings its own key: the account (if there is one) is not looked at. */
static bool take_key(struct request *request)
{
    json_t *jwk = NULL;
    struct buffer text = buffer_init(LIMIT_JWS_BYTES);
    int error = 0;

    request->key = key_ref(jws_key(request->jws));
    error = key_id(request->key, request->id);
    if (error == 0) {
        error = key_to_jwk(request->key, &jwk);
    }
    if (error == 0) {
        error = json_dump(jwk, &text);
    }
    json_decref(jwk);
    request->jwk = buffer_take(&text);
    buffer_free(&text);
    if (error != 0 || request->jwk == NULL) {
        response_internal(request, error != 0 ? error : ERROR_MEMORY, "reading a key");
        return false;
    }
    return true;
}

static bool check_signer(struct request *request, enum request_signer signer)
{
    bool by_account = jws_kid(request->jws) != NULL;

    if (by_account && signer == REQUEST_BY_NEW_KEY) {
        response_error(request, ACME_PROBLEM_MALFORMED,
                       "newAccount is signed with a jwk, not with a kid");
        return false;
    }
    if (!by_account && signer == REQUEST_BY_ACCOUNT) {
        response_error(request, ACME_PROBLEM_MALFORMED,
                       "this resource is asked for with a kid, not with a jwk");
        return false;
    }
    return by_account ? find_account(request) : take_key(request);
}

static bool check_signature(struct request *request)
{
    struct acme_problem problem;

    if (jws_verify(request->jws, request->key, &problem) != 0) {
        response_problem(request, &problem);
        return false;
    }
    if (nonce_use(request->service->nonces, jws_nonce(request->jws), clock_wall_at()) !=
        0) {
        response_error(request, ACME_PROBLEM_BAD_NONCE, "the nonce has been used");
        return false;
    }
    if (jws_kid(request->jws) != NULL) {
        http_exchange_set_known(request->exchange);
    }
    return true;
}

bool request_check_block(struct request *request)
{
    bool blocked = false;
    int error = service_is_blocked(request->service, request->id, &blocked);

    if (error != 0) {
        response_internal(request, error, "reading blocks");
        return false;
    }
    if (blocked) {
        response_error(request, ACME_PROBLEM_UNAUTHORIZED,
                       "the operator of this relay has blocked '%s'", request->id);
        return false;
    }
    return true;
}

static bool take_payload(struct request *request, enum request_payload payload)
{
    struct acme_problem problem;
    bool empty = jws_is_post_as_get(request->jws);

    if (empty && payload == REQUEST_OBJECT) {
        response_error(request, ACME_PROBLEM_MALFORMED,
                       "the payload is empty; this resource wants a JSON object");
        return false;
    }
    if (!empty && payload == REQUEST_EMPTY) {
        response_error(request, ACME_PROBLEM_MALFORMED,
                       "this resource is read by POST-as-GET: with an empty payload");
        return false;
    }
    if (!empty && jws_payload_object(request->jws, &request->payload, &problem) != 0) {
        response_problem(request, &problem);
        return false;
    }
    return true;
}

bool request_take(struct request *request, const char *path, enum request_signer signer,
                  enum request_payload payload)
{
    return check_form(request, path) && check_signer(request, signer) &&
           check_signature(request) &&
           (jws_kid(request->jws) == NULL || request_check_block(request)) &&
           take_payload(request, payload);
}

int request_write(struct request *request, const char *kind)
{
    struct service *service = request->service;
    struct bytes body = http_exchange_body(request->exchange);
    char *jws = strndup((const char *)body.data, body.size);
    struct front_store_request row = {
        .number = request->number,
        .kind = kind,
        .id = jws_kid(request->jws) != NULL ? request->id : "",
        .jws = jws,
        .jwk = request->jwk,
        .received_at = clock_wall_at(),
    };
    int64_t rev = 0;
    int error = jws == NULL ? ERROR_MEMORY : journal_begin(service->journal, &rev);

    if (error == 0) {
        error = front_store_add_request(service->front, service->zone, rev, &row);
    }
    free(jws);
    return error;
}
