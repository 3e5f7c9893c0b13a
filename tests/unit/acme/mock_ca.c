/* A small CA in memory. */
#include "tests/unit/acme/mock_ca.h"

#include "acme/jws_flat.h"

#include "base/core/json.h"
#include "base/core/text.h"
#include "base/crypto/csr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WANTS_MAX = 4000, START_AT = 1800000000 };

#define MUST(condition)                                                                  \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                     \
        }                                                                                \
    } while (0)

void mock_ca_open(struct mock_ca *ca)
{
    const char *permitted[] = {"test"};

    memset(ca, 0, sizeof(*ca));
    ca->now = (struct acme_now){START_AT, 5000};
    ca->body = buffer_init(LIMIT_JSON_BYTES);
    MUST(key_generate(KEY_P256, &ca->key) == 0);
    MUST(cert_make_identity(ca->key, "mock", permitted, 1, &ca->cert) == 0);
}

void mock_ca_close(struct mock_ca *ca)
{
    for (unsigned i = 0; i < MOCK_CA_ORDERS; i++)
        buffer_free(&ca->orders[i].chain);
    buffer_free(&ca->body);
    cert_free(ca->cert);
    key_free(ca->key);
    key_free(ca->account);
}

void mock_ca_forget(struct mock_ca *ca)
{
    for (unsigned i = 0; i < MOCK_CA_ORDERS; i++)
        ca->orders[i].status[0] = '\0';
    key_free(ca->account);
    ca->account = NULL;
    ca->nonce_count = ca->order_count = ca->request_count = 0;
    ca->published = ca->unpublished = 0;
    memset(ca->nonce_is_used, 0, sizeof(ca->nonce_is_used));
    memset(ca->places, 0, sizeof(ca->places));
}

unsigned mock_ca_count(const struct mock_ca *ca, const char *path)
{
    unsigned count = 0;

    for (size_t i = 0; i < MOCK_CA_PLACES; i++) {
        if (text_starts_with(ca->places[i].path, path))
            count += ca->places[i].count;
    }
    return count;
}

static void count_request(struct mock_ca *ca, const char *path)
{
    char place[32];

    (void)snprintf(place, sizeof(place), "%.31s", path);
    for (size_t i = 0; i < MOCK_CA_PLACES; i++) {
        if (ca->places[i].count == 0)
            memcpy(ca->places[i].path, place, sizeof(place));
        if (strcmp(ca->places[i].path, place) == 0) {
            ca->places[i].count++;
            return;
        }
    }
    MUST(!"too many places");
}

static void add_header(struct mock_ca *ca, const char *name, const char *value)
{
    MUST(ca->header_count < MOCK_CA_HEADERS);
    ca->header_names[ca->header_count] = name;
    (void)snprintf(ca->header_values[ca->header_count++], 512, "%s", value);
}

static const char *get_header(const void *arg, const char *name, size_t index)
{
    const struct mock_ca *ca = arg;

    for (size_t i = 0; i < ca->header_count; i++) {
        if (strcasecmp(ca->header_names[i], name) == 0 && index-- == 0)
            return ca->header_values[i];
    }
    return NULL;
}

static void add_nonce(struct mock_ca *ca)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "nonce-%u", ca->nonce_count % MOCK_CA_NONCES);
    ca->nonce_is_used[ca->nonce_count++ % MOCK_CA_NONCES] = false;
    add_header(ca, "Replay-Nonce", text);
}

static void say(struct mock_ca *ca, int status, const char *text)
{
    ca->status = status;
    buffer_reset(&ca->body);
    MUST(buffer_append_text(&ca->body, text) == 0);
}

static void refuse(struct mock_ca *ca, enum acme_problem_type type)
{
    struct acme_problem problem;

    acme_problem_set(&problem, type, "the mock says %s", acme_problem_type_text(type));
    ca->status = problem.status;
    buffer_reset(&ca->body);
    MUST(acme_problem_dump(&problem, &ca->body) == 0);
}

static void say_order(struct mock_ca *ca, int status, unsigned number)
{
    const struct mock_ca_order *order = &ca->orders[number];
    bool has_chain = strcmp(order->status, "valid") == 0;

    say(ca, status, "{\"surprise\":[1,{\"a\":null}],\"identifiers\":[");
    for (size_t i = 0; i < order->name_count; i++)
        MUST(buffer_printf(&ca->body, "%s{\"type\":\"dns\",\"value\":\"%s\"}",
                           i ? "," : "", order->names[i]) == 0);
    MUST(buffer_printf(&ca->body, "],\"status\":\"%s\",\"authorizations\":[",
                       order->status) == 0);
    for (size_t i = 0; i < order->name_count; i++)
        MUST(buffer_printf(&ca->body, "%s\"" MOCK_CA "/authz/%u/%zu\"", i ? "," : "",
                           number, i) == 0);
    MUST(buffer_printf(&ca->body,
                       "],\"expires\":\"2030-01-01T00:00:00Z\","
                       "\"finalize\":\"" MOCK_CA "/finalize/%u\"",
                       number) == 0);
    if (has_chain)
        MUST(buffer_printf(&ca->body, ",\"certificate\":\"" MOCK_CA "/cert/%u\"",
                           number) == 0);
    MUST(buffer_append_text(&ca->body, "}") == 0);
}

static void say_authz(struct mock_ca *ca, unsigned number, unsigned index)
{
    const struct mock_ca_order *order = &ca->orders[number];
    const char *name = order->names[index];
    const char *status = order->authz_valid[index] ? "valid" : "pending";
    bool is_wildcard = text_starts_with(name, "*.");

    say(ca, 200, "");
    MUST(buffer_printf(
             &ca->body,
             "{\"status\":\"%s\",\"wildcard\":%s,\"identifier\":{\"type\":\"dns\","
             "\"value\":\"%s\"},\"challenges\":[{\"type\":\"dns-persist-01\","
             "\"status\":\"pending\",\"url\":\"" MOCK_CA "/odd\"},{\"type\":\"dns-01\","
             "\"status\":\"%s\",\"url\":\"" MOCK_CA "/challenge/%u/%u\","
             "\"token\":\"token-%u-%u\"}]}",
             status, is_wildcard ? "true" : "false", is_wildcard ? name + 2 : name,
             status, number, index, number, index) == 0);
}

static void new_order(struct mock_ca *ca, const json_t *payload)
{
    struct mock_ca_order *order = &ca->orders[ca->order_count % MOCK_CA_ORDERS];
    const json_t *list = json_get_array(payload, "identifiers");
    const char *profile = json_get_text(payload, "profile");
    const char *replaces = json_get_text(payload, "replaces");
    char location[64];

    if (json_array_size(list) < 1 || json_array_size(list) > LIMIT_ORDER_NAMES) {
        refuse(ca, ACME_PROBLEM_MALFORMED);
        return;
    }
    buffer_free(&order->chain);
    memset(order, 0, sizeof(*order));
    order->chain = buffer_init(LIMIT_CHAIN_BYTES);
    order->name_count = json_array_size(list);
    for (size_t i = 0; i < order->name_count; i++)
        MUST(text_copy(order->names[i], 256,
                       json_get_text(json_array_get(list, i), "value")));
    (void)text_copy(order->status, sizeof(order->status),
                    ca->is_reusing ? "ready" : "pending");
    (void)text_copy(ca->last_profile, sizeof(ca->last_profile), profile ? profile : "");
    (void)text_copy(ca->last_replaces, sizeof(ca->last_replaces),
                    replaces ? replaces : "");
    (void)snprintf(location, sizeof(location), MOCK_CA "/order/%u",
                   ca->order_count % MOCK_CA_ORDERS);
    add_header(ca, "Location", location);
    say_order(ca, 201, ca->order_count++ % MOCK_CA_ORDERS);
}

static void challenge(struct mock_ca *ca, unsigned number, unsigned index)
{
    struct mock_ca_order *order = &ca->orders[number];
    bool is_ready = true;

    if (order->authz_valid[index]) {
        refuse(ca, ACME_PROBLEM_MALFORMED);
        return;
    }
    /* The CA sees a record only while the driver shows it. */
    MUST(ca->published > ca->unpublished);
    order->authz_valid[index] = true;
    for (size_t i = 0; i < order->name_count; i++)
        is_ready = is_ready && order->authz_valid[i];
    if (is_ready)
        (void)text_copy(order->status, sizeof(order->status), "ready");
    say(ca, 200, "{\"status\":\"processing\"}");
}

static void finalize(struct mock_ca *ca, unsigned number, const json_t *payload)
{
    struct mock_ca_order *order = &ca->orders[number];
    const char *text = json_get_text(payload, "csr");
    uint8_t der[LIMIT_CSR_BYTES];
    size_t size = 0;
    struct csr csr = {0};
    struct cert *cert = NULL;
    const char *names[LIMIT_ORDER_NAMES];
    char reason[200];

    if (strcmp(order->status, "ready") != 0) {
        refuse(ca, ACME_PROBLEM_ORDER_NOT_READY);
        return;
    }
    if (text == NULL ||
        text_base64url_decode(text, strlen(text), der, sizeof(der), &size) != 0 ||
        csr_parse(der, size, &csr, reason, sizeof(reason)) != 0) {
        refuse(ca, ACME_PROBLEM_BAD_CSR);
        csr_free(&csr);
        return;
    }
    for (size_t i = 0; i < csr.name_count; i++)
        names[i] = csr.names[i];
    MUST(cert_make_leaf(ca->cert, ca->key, csr.key, names, csr.name_count, NULL, 0,
                        ca->now.at - 3600, ca->now.at + 90 * 86400, &cert) == 0);
    buffer_reset(&order->chain);
    MUST(cert_to_pem(cert, &order->chain) == 0);
    cert_free(cert);
    csr_free(&csr);
    (void)text_copy(order->status, sizeof(order->status), "valid");
    say_order(ca, 200, number);
}

static void new_account(struct mock_ca *ca, const json_t *payload, struct key *key)
{
    bool is_known = ca->account != NULL && key_equal(ca->account, key);
    char location[64];

    if (!is_known && json_get_bool(payload, "onlyReturnExisting", false)) {
        refuse(ca, ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST);
        return;
    }
    if (!is_known) {
        key_free(ca->account);
        ca->account = key_ref(key);
        ca->account_number++;
    }
    (void)snprintf(location, sizeof(location), MOCK_CA "/account/%u", ca->account_number);
    add_header(ca, "Location", location);
    say(ca, is_known ? 200 : 201,
        "{\"status\":\"valid\",\"orders\":\"" MOCK_CA "/orders\"}");
}

static void directory(struct mock_ca *ca)
{
    say(ca, 200,
        "{\"newNonce\":\"" MOCK_CA "/nonce\",\"newAccount\":\"" MOCK_CA "/new-account\","
        "\"newOrder\":\"" MOCK_CA "/new-order\",\"revokeCert\":\"" MOCK_CA "/revoke\","
        "\"keyChange\":\"" MOCK_CA "/key\",\"x7Zq\":\"https://elsewhere.test/why\"");
    if (ca->directory_extra != NULL)
        MUST(buffer_append_text(&ca->body, ca->directory_extra) == 0);
    MUST(buffer_append_text(&ca->body, "}") == 0);
}

/* RFC 7468 5.2 allows text around the blocks, and any line ending. */
static void say_chain(struct mock_ca *ca, unsigned number)
{
    const char *text = buffer_text(&ca->orders[number].chain);

    say(ca, 200, ca->is_odd_pem ? "for people\r\n" : "");
    for (; *text != '\0'; text++) {
        if (*text == '\n' && ca->is_odd_pem)
            MUST(buffer_append_text(&ca->body, "\r") == 0);
        MUST(buffer_append(&ca->body, text, 1) == 0);
    }
    if (ca->is_odd_pem)
        MUST(buffer_append_text(&ca->body, "\r\nmore for people\r\n") == 0);
}

/* RFC 8555 7.3.5: the inner JWS is by the new key, with its jwk and the outer one's url, has no
 * nonce, and names account and old key. */
static void change_key(struct mock_ca *ca, const json_t *inner)
{
    struct jws_flat flat;
    struct acme_problem problem;
    struct key *new_key = NULL;
    struct key *old_key = NULL;
    json_t *payload = NULL;
    char account[64];

    MUST(jws_flat_read(inner, &flat, &problem) == 0);
    MUST(strcmp(json_get_text(flat.header, "url"), MOCK_CA "/key") == 0);
    MUST(json_object_get(flat.header, "nonce") == NULL);
    MUST(json_object_get(flat.header, "kid") == NULL);
    MUST(key_from_jwk(json_get_object(flat.header, "jwk"), &new_key) == 0);
    MUST(key_verify(new_key, flat.input.data, flat.input.size, flat.signature,
                    flat.signature_size) == 0);
    MUST(json_parse(flat.payload.data, flat.payload.size, LIMIT_JWS_BYTES, &payload) == 0);
    (void)snprintf(account, sizeof(account), MOCK_CA "/account/%u", ca->account_number);
    MUST(strcmp(json_get_text(payload, "account"), account) == 0);
    MUST(key_from_jwk(json_get_object(payload, "oldKey"), &old_key) == 0);
    MUST(key_equal(old_key, ca->account));
    MUST(json_object_size(payload) == 2);
    key_free(ca->account);
    ca->account = new_key;
    say(ca, 200, "{\"status\":\"valid\"}");
    key_free(old_key);
    json_decref(payload);
    jws_flat_free(&flat);
}

static void signed_request(struct mock_ca *ca, const char *path, const struct jws *jws,
                           const json_t *payload)
{
    unsigned number = 0, index = 0;
    const char *at = strchr(path + 1, '/');
    const char *second = at != NULL ? strchr(at + 1, '/') : NULL;

    number = at != NULL ? (unsigned)(at[1] - '0') : 0;
    if (at != NULL && at[2] >= '0' && at[2] <= '9')
        number = number * 10 + (unsigned)(at[2] - '0');
    index = second != NULL ? (unsigned)(second[1] - '0') : 0;
    if (strcmp(path, "/new-account") == 0) {
        if (jws_key(jws) != NULL)
            new_account(ca, payload, jws_key(jws));
        else
            refuse(ca, ACME_PROBLEM_MALFORMED);
    } else if (strcmp(path, "/new-order") == 0) {
        new_order(ca, payload);
    } else if (strcmp(path, "/key") == 0) {
        change_key(ca, payload);
    } else if (strcmp(path, "/revoke") == 0 || text_starts_with(path, "/account/") ||
               strcmp(path, "/extension") == 0) {
        say(ca, 200, "{\"seen\":true}");
    } else if (number >= MOCK_CA_ORDERS || ca->orders[number].status[0] == '\0' ||
               index >= ca->orders[number].name_count) {
        say(ca, 404, "");
    } else if (text_starts_with(path, "/order/") && jws_is_post_as_get(jws)) {
        say_order(ca, 200, number);
    } else if (text_starts_with(path, "/authz/") && jws_is_post_as_get(jws)) {
        say_authz(ca, number, index);
    } else if (text_starts_with(path, "/challenge/") && json_object_size(payload) == 0 &&
               payload != NULL) {
        challenge(ca, number, index);
    } else if (text_starts_with(path, "/finalize/")) {
        finalize(ca, number, payload);
    } else if (text_starts_with(path, "/cert/") && jws_is_post_as_get(jws)) {
        say_chain(ca, number);
    } else {
        say(ca, 404, "");
    }
}

/* Checks everything that RFC 8555 6 asks of a server. */
static void post(struct mock_ca *ca, const char *path, const struct acme_request *request)
{
    struct jws *jws = NULL;
    json_t *payload = NULL;
    struct acme_problem problem;
    char kid[64];
    const char *number;
    uint64_t nonce = 0;

    MUST(strcmp(request->method, "POST") == 0);
    MUST(strcmp(request->content_type, JWS_CONTENT_TYPE) == 0);
    MUST(jws_parse(request->body.data, request->body.size, &jws, &problem) == 0);
    MUST(strcmp(jws_url(jws), request->url) == 0);
    number = jws_nonce(jws) + strcspn(jws_nonce(jws), "-");
    number += *number == '-' ? 1 : 0;
    if (text_u64(number, MOCK_CA_NONCES - 1, &nonce) != 0 || ca->nonce_is_used[nonce]) {
        refuse(ca, ACME_PROBLEM_BAD_NONCE);
        goto out;
    }
    ca->nonce_is_used[nonce] = true;
    (void)snprintf(kid, sizeof(kid), MOCK_CA "/account/%u", ca->account_number);
    if (jws_key(jws) != NULL) {
        MUST(jws_verify(jws, jws_key(jws), &problem) == 0);
        if (strcmp(path, "/new-account") != 0) {
            refuse(ca, ACME_PROBLEM_MALFORMED);
            goto out;
        }
    } else if (ca->account == NULL || strcmp(jws_kid(jws), kid) != 0) {
        refuse(ca, ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST);
        goto out;
    } else {
        MUST(jws_verify(jws, ca->account, &problem) == 0);
    }
    if (!jws_is_post_as_get(jws))
        MUST(jws_payload_object(jws, &payload, &problem) == 0);
    signed_request(ca, path, jws, payload);
out:
    json_decref(payload);
    jws_free(jws);
}

static void answer(struct mock_ca *ca, const char *path,
                   const struct acme_request *request)
{
    if (strcmp(request->method, "GET") == 0 && strcmp(path, "/directory") == 0)
        directory(ca);
    else if (strcmp(request->method, "HEAD") == 0 && strcmp(path, "/nonce") == 0)
        say(ca, 200, "");
    else if (strcmp(request->method, "GET") == 0)
        say(ca, 404, "not here");
    else
        post(ca, path, request);
}

static const struct mock_ca_fault *find_fault(const struct mock_ca *ca, const char *path)
{
    for (const struct mock_ca_fault *fault = ca->faults;
         fault != NULL && fault->path != NULL; fault++) {
        unsigned count = 0;

        if (!text_starts_with(path, fault->path))
            continue;
        count = mock_ca_count(ca, fault->path);
        if (fault->nth == 0 || fault->nth == count)
            return fault;
    }
    return NULL;
}

static void own_work(const struct mock_ca *ca, bool is_working)
{
    if (ca->on_own_work != NULL)
        ca->on_own_work(is_working);
}

static void make_answer(struct mock_ca *ca, const struct acme_request *request,
                        struct acme_response *ret_response)
{
    const char *path = request->url + strlen(MOCK_CA);
    const struct mock_ca_fault *fault;
    struct acme_response response = {.header = get_header, .header_arg = ca};

    MUST(text_starts_with(request->url, MOCK_CA "/"));
    ca->request_count++;
    ca->header_count = 0;
    buffer_reset(&ca->body);
    count_request(ca, path);
    fault = find_fault(ca, path);
    if (fault == NULL || fault->is_late)
        answer(ca, path, request);
    if (fault != NULL && fault->status == 0) {
        response.error = fault->error != 0 ? fault->error : ERROR_IO;
        response.error_text = "the mock hung up";
        response.header = NULL;
        *ret_response = response;
        return;
    }
    if (fault != NULL) {
        if (!fault->is_addition) {
            ca->header_count = 0;
            say(ca, fault->status, fault->body != NULL ? fault->body : "");
        }
        for (size_t i = 0; fault->headers[i] != NULL; i += 2)
            add_header(ca, fault->headers[i], fault->headers[i + 1]);
    }
    if ((fault == NULL || !fault->is_without_nonce) &&
        (strcmp(request->method, "POST") == 0 || strcmp(path, "/nonce") == 0))
        add_nonce(ca);
    response.status = ca->status;
    response.body = buffer_bytes(&ca->body);
    *ret_response = response;
}

void mock_ca_answer(struct mock_ca *ca, const struct acme_request *request,
                    struct acme_response *ret_response)
{
    own_work(ca, true);
    make_answer(ca, request, ret_response);
    own_work(ca, false);
}

static void wait_ms(struct mock_ca *ca, int64_t delay_ms)
{
    MUST(delay_ms > 0);
    ca->waits++;
    ca->waited_ms += delay_ms;
    ca->now.mono_ms += delay_ms;
    ca->now.at = START_AT + (ca->now.mono_ms - 5000) / 1000;
}

void mock_ca_run_client(struct mock_ca *ca, struct acme_client *client,
                        struct acme_step *ret_step)
{
    struct acme_response response;

    for (int i = 0; i < WANTS_MAX; i++) {
        acme_client_next(client, ca->now, ret_step);
        switch (ret_step->want) {
        case ACME_WANT_REQUEST:
            mock_ca_answer(ca, ret_step->request, &response);
            acme_client_response(client, &response, ca->now);
            break;
        case ACME_WANT_WAIT:
            wait_ms(ca, ret_step->wait_ms);
            break;
        case ACME_WANT_SAVE:
            MUST(acme_client_account_url(client) != NULL);
            MUST(acme_client_ready_count(client) == 0);
            acme_client_saved(client);
            break;
        case ACME_WANT_IDLE:
        case ACME_WANT_FAILED:
            return;
        case ACME_WANT_RESPONSE:
        case ACME_WANT_SHARED:
        case ACME_WANT_PUBLISH:
        case ACME_WANT_UNPUBLISH:
        case ACME_WANT_DONE:
            MUST(!"not a want of a client");
        }
    }
    MUST(!"the client never comes to an end");
}

/* True when the order has come to an end. */
static bool follow(struct mock_ca *ca, struct acme_client *client,
                   struct acme_order *order, const struct acme_step *step)
{
    struct acme_response response;
    struct acme_step client_step;
    struct buffer json = buffer_init(ACME_ORDER_SAVE_MAX);

    switch (step->want) {
    case ACME_WANT_REQUEST:
        mock_ca_answer(ca, step->request, &response);
        acme_order_response(order, &response, ca->now);
        return false;
    case ACME_WANT_SHARED:
        mock_ca_run_client(ca, client, &client_step);
        return false;
    case ACME_WANT_WAIT:
        wait_ms(ca, step->wait_ms);
        return false;
    case ACME_WANT_SAVE:
        ca->saves++;
        own_work(ca, true);
        MUST(acme_order_save(order, &json) == 0);
        if (ca->saved != NULL) {
            buffer_reset(ca->saved);
            MUST(buffer_append(ca->saved, json.data, json.size) == 0);
        }
        buffer_free(&json);
        own_work(ca, false);
        acme_order_saved(order);
        return false;
    case ACME_WANT_PUBLISH:
        ca->published++;
        acme_order_published(order);
        return false;
    case ACME_WANT_UNPUBLISH:
        ca->unpublished++;
        acme_order_unpublished(order);
        return false;
    case ACME_WANT_DONE:
    case ACME_WANT_FAILED:
        return true;
    case ACME_WANT_RESPONSE:
    case ACME_WANT_IDLE:
        break;
    }
    MUST(!"not a want of an order");
    return true;
}

bool mock_ca_run_order(struct mock_ca *ca, struct acme_client *client,
                       struct acme_order *order, unsigned stop_after,
                       struct acme_step *ret_step)
{
    for (unsigned i = 0; i < WANTS_MAX; i++) {
        acme_order_next(order, ca->now, ret_step);
        if (ret_step->want == ca->stop_at && ca->stop_at != ACME_WANT_REQUEST)
            return false;
        if (stop_after > 0 && i == stop_after && ret_step->want != ACME_WANT_DONE &&
            ret_step->want != ACME_WANT_FAILED)
            return false;
        if (follow(ca, client, order, ret_step))
            return true;
    }
    MUST(!"the order never comes to an end");
    return true;
}

void mock_ca_run_call(struct mock_ca *ca, struct acme_client *client,
                      struct acme_call *call, struct acme_step *ret_step)
{
    struct acme_response response;
    struct acme_step client_step;

    for (int i = 0; i < WANTS_MAX; i++) {
        acme_call_next(call, ca->now, ret_step);
        if (ret_step->want == ACME_WANT_DONE || ret_step->want == ACME_WANT_FAILED)
            return;
        if (ret_step->want == ACME_WANT_WAIT) {
            wait_ms(ca, ret_step->wait_ms);
        } else if (ret_step->want == ACME_WANT_SHARED) {
            mock_ca_run_client(ca, client, &client_step);
        } else {
            MUST(ret_step->want == ACME_WANT_REQUEST);
            mock_ca_answer(ca, ret_step->request, &response);
            acme_call_response(call, &response, ca->now);
        }
    }
    MUST(!"the call never comes to an end");
}
