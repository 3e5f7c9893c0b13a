/* An account is kept with the newAccount JWS as it came, because the issuer verifies the
 * enrolment again from those signed bytes. A deactivated account stays as a tombstone:
 * its key can't make a new one; the operator may lift it. */
#include "relay/front/account.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "relay/front/journal.h"
#include "relay/front/key_cache.h"
#include "relay/front/response.h"
#include "relay/front/source.h"
#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/url.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONTACTS_MAX = 8,
    CONTACT_BYTES_MAX = 320,
    CONTACT_TEXT_MAX = 4096,
    REGISTRATION_BYTES_MAX = 16 << 10,
    ORDERS_SHOWN = 50,
};

bool account_read_contact(const json_t *payload, char **ret_contact,
                          struct acme_problem *problem)
{
    const json_t *contact = json_object_get(payload, "contact");
    struct buffer text = buffer_init(CONTACT_TEXT_MAX);
    bool good = contact == NULL || json_is_null(contact) ||
                (json_is_array(contact) && json_array_size(contact) <= CONTACTS_MAX);

    for (size_t i = 0; good && i < json_array_size(contact); i++) {
        const json_t *entry = json_array_get(contact, i);

        good = json_is_string(entry) && json_string_length(entry) <= CONTACT_BYTES_MAX;
    }
    if (!good) {
        acme_problem_set(
            problem, ACME_PROBLEM_INVALID_CONTACT,
            "'contact' must be an array of at most %d URLs of at most %d characters",
            CONTACTS_MAX, CONTACT_BYTES_MAX);
        return false;
    }
    if ((json_is_array(contact) ? json_dump(contact, &text)
                                : buffer_append_text(&text, "[]")) != 0) {
        buffer_free(&text);
        acme_problem_set(problem, ACME_PROBLEM_INVALID_CONTACT, "'contact' is too long");
        return false;
    }
    *ret_contact = buffer_take(&text);
    return true;
}

/* The account object. */
static json_t *object_of(const char *base, const char *id, const char *contact,
                         const char *status)
{
    char orders[LIMIT_URL_BYTES];
    json_t *contacts = NULL;

    if (!url_orders(base, id, orders) ||
        json_parse(contact, strlen(contact), CONTACT_TEXT_MAX, &contacts) != 0) {
        return NULL;
    }
    return json_pack("{s:s,s:o,s:s}", "status", status, "contact", contacts, "orders",
                     orders);
}

static void respond(struct request *request, int status, const char *contact,
                    const char *account_status)
{
    char url[LIMIT_URL_BYTES];
    json_t *object = object_of(request->base->url, request->id, contact, account_status);

    if (url_account(request->base->url, request->id, url)) {
        response_header(request, "Location", url);
    }
    response_json(request, status, object);
}

struct found {
    char *contact;
    bool valid;
};

static int take_found(const struct front_store_account *account, void *arg)
{
    struct found *found = arg;

    found->valid = strcmp(account->status, "valid") == 0;
    found->contact = strdup(account->contact);
    return found->contact != NULL ? 0 : ERROR_MEMORY;
}

struct token_check {
    const char *kid;
    int64_t now_at;
    int64_t max_devices;
    bool live;
};

static int take_token(const struct admin_store_token *token, void *arg)
{
    struct token_check *check = arg;

    check->live =
        !token->gone && (token->expires_at == 0 || token->expires_at > check->now_at);
    check->max_devices = token->max_devices;
    return 0;
}

/* Whether the token of EAB lives and has room. */
static bool check_token(struct request *request, const struct eab *eab)
{
    struct service *service = request->service;
    struct database *admin = service_admin(service);
    struct token_check check = {.kid = eab_kid(eab), .now_at = clock_wall_at()};
    struct acme_problem problem;
    uint8_t key[TOKEN_KEY_SIZE];
    int64_t count = 0;
    int error = admin == NULL ? ERROR_NOT_FOUND
                              : admin_store_get_token(admin, service->zone, check.kid,
                                                      take_token, &check);

    if (error == ERROR_NOT_FOUND || (error == 0 && !check.live)) {
        log_info("newAccount %s: refused, enrolment token '%.64s' is unknown or ended",
                 request->id, check.kid);
        response_error(
            request, ACME_PROBLEM_UNAUTHORIZED,
            "the enrolment token '%.64s' is unknown or has ended: ask the operator "
            "of this relay for a new one",
            check.kid);
        return false;
    }
    if (error == 0) {
        error = token_key(service->secret, service->zone, check.kid, key);
    }
    if (error == 0 && eab_verify(eab, key, sizeof(key), &problem) != 0) {
        digest_wipe(key, sizeof(key));
        log_info("newAccount %s: refused, the binding is not by token '%.64s'",
                 request->id, check.kid);
        response_problem(request, &problem);
        return false;
    }
    digest_wipe(key, sizeof(key));
    if (error == 0 && check.max_devices > 0) {
        error = front_store_count_token(service->front, service->zone, check.kid, &count);
    }
    if (error != 0) {
        response_internal(request, error, "reading enrolment tokens");
        return false;
    }
    if (check.max_devices > 0 && count >= check.max_devices) {
        log_info("newAccount %s: refused, token '%.64s' is used up", request->id,
                 check.kid);
        response_error(request, ACME_PROBLEM_UNAUTHORIZED,
                       "the enrolment token '%.64s' has enrolled all the devices it may",
                       check.kid);
        return false;
    }
    return true;
}

/* The token's kid that vouches for this account in *RET_KID, "" when none is needed.
 * Answers and says false otherwise. */
static bool check_enrolment(struct request *request, struct eab **ret_eab)
{
    const json_t *binding = json_object_get(request->payload, "externalAccountBinding");
    struct acme_problem problem;
    struct eab *eab = NULL;

    if (binding == NULL || json_is_null(binding)) {
        if (!source_is_open(request)) {
            response_error(
                request, ACME_PROBLEM_EXTERNAL_ACCOUNT_REQUIRED,
                "this relay enrols by token: ask its operator for one and give it "
                "as external account binding");
            return false;
        }
        *ret_eab = NULL;
        return true;
    }
    if (eab_parse(binding, request->key, jws_url(request->jws), &eab, &problem) != 0) {
        response_problem(request, &problem);
        return false;
    }
    if (!check_token(request, eab)) {
        eab_free(eab);
        return false;
    }
    *ret_eab = eab;
    return true;
}

static void created(struct request *request, int error)
{
    if (error != 0) {
        response_internal(request, error, "writing an account");
        return;
    }
    respond(request, 201, request->contact, "valid");
}

static void add(struct request *request, const char *token)
{
    struct service *service = request->service;
    struct bytes body = http_exchange_body(request->exchange);
    char *registration = strndup((const char *)body.data, body.size);
    struct front_store_account account = {
        .id = request->id,
        .jwk = request->jwk,
        .registration = registration,
        .token = token,
        .contact = request->contact,
        .status = "valid",
        .created_at = clock_wall_at(),
    };
    int64_t rev = 0;
    int error =
        registration == NULL ? ERROR_MEMORY : journal_begin(service->journal, &rev);

    if (error == 0) {
        error = front_store_add_account(service->front, service->zone, rev, &account);
    }
    free(registration);
    if (error != 0) {
        response_internal(request, error, "writing an account");
        return;
    }
    log_info("account %s: enrolled%s%.64s", request->id,
             token[0] != '\0' ? " by token " : "", token);
    key_cache_put(service->keys, request->id, request->key);
    journal_hold(service->journal, request, created);
}

static void found_existing(struct request *request, int error)
{
    if (error != 0) {
        response_internal(request, error, "writing an account");
        return;
    }
    respond(request, 200, request->contact, "valid");
}

/* An account that is there already: 200 (RFC 8555 7.3.1). True when it was answered. Its
 * row may be of this very moment, so the answer waits for the commit too. */
static bool respond_existing(struct request *request)
{
    struct service *service = request->service;
    struct found found = {0};
    int error = front_store_get_account(service->front, service->zone, request->id,
                                        take_found, &found);

    if (error == ERROR_NOT_FOUND) {
        return false;
    }
    request->contact = found.contact;
    if (error != 0) {
        response_internal(request, error, "reading an account");
    } else if (!found.valid) {
        response_error(request, ACME_PROBLEM_UNAUTHORIZED, "this account is deactivated");
    } else {
        journal_after(service->journal, request, found_existing);
    }
    return true;
}

/* Whether the terms are agreed to: the directory names them, so this must be asked for
 * (RFC 8555 7.3). Answers and says false otherwise. */
static bool check_terms(struct request *request)
{
    struct service *service = request->service;
    char url[LIMIT_URL_BYTES];

    if (json_get_bool(request->payload, "termsOfServiceAgreed", false)) {
        return true;
    }
    if (!url_terms(service->base, service->terms_version, url)) {
        url[0] = '\0';
    }
    response_error(request, ACME_PROBLEM_MALFORMED,
                   "'termsOfServiceAgreed' must be true: the terms are at %s", url);
    return false;
}

void account_create(struct request *request)
{
    const struct relay_config *config = request->service->config;
    struct acme_problem problem;
    struct eab *eab = NULL;

    if (!request_check_block(request) || respond_existing(request)) {
        return;
    }
    if (json_get_bool(request->payload, "onlyReturnExisting", false)) {
        response_error(request, ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST,
                       "this key has no account here");
        return;
    }
    if (!check_terms(request)) {
        return;
    }
    if (http_exchange_body(request->exchange).size > REGISTRATION_BYTES_MAX) {
        response_error(request, ACME_PROBLEM_MALFORMED,
                       "a newAccount has at most %d bytes", REGISTRATION_BYTES_MAX);
        return;
    }
    if (!account_read_contact(request->payload, &request->contact, &problem)) {
        response_problem(request, &problem);
        return;
    }
    if (!check_enrolment(request, &eab)) {
        return;
    }
    if (source_take(request, QUOTA_PREFIX_ACCOUNT, config->accounts_per_prefix_hour,
                    "new accounts")) {
        add(request, eab != NULL ? eab_kid(eab) : "");
    }
    eab_free(eab);
}

static void updated(struct request *request, int error)
{
    if (error != 0) {
        response_internal(request, error, "writing an account");
        return;
    }
    respond(request, 200, request->contact, request->fresh ? "valid" : "deactivated");
}

/* Who leaves has no names any more, and the issuer ends what is open for it. */
static int leave(struct request *request, int64_t rev)
{
    struct service *service = request->service;
    int error =
        front_store_withdraw_addresses(service->front, service->zone, rev, request->id);

    if (error == 0) {
        error = service_number(request->number);
    }
    return error != 0 ? error : request_write(request, "leave");
}

static void update(struct request *request, bool deactivate)
{
    struct service *service = request->service;
    int64_t rev = 0;
    int error = journal_begin(service->journal, &rev);

    if (error == 0) {
        error = front_store_update_account(service->front, service->zone, rev,
                                           request->id, request->contact,
                                           deactivate ? "deactivated" : "valid");
    }
    if (error == 0 && deactivate) {
        error = leave(request, rev);
    }
    if (error != 0) {
        response_internal(request, error, "writing an account");
        return;
    }
    if (deactivate) {
        log_info("account %s: deactivated by its device", request->id);
    }
    request->fresh = !deactivate;
    journal_hold(service->journal, request, updated);
}

void account_respond(struct request *request)
{
    const char *status = json_get_text(request->payload, "status");
    struct acme_problem problem;

    if (status != NULL && strcmp(status, "deactivated") == 0) {
        update(request, true);
        return;
    }
    /* Caddy sends "status":"" with its updates. */
    if (status != NULL && status[0] != '\0' && strcmp(status, "valid") != 0) {
        response_error(request, ACME_PROBLEM_MALFORMED,
                       "'status' may only become 'deactivated', not '%.32s'", status);
        return;
    }
    if (json_object_get(request->payload, "contact") == NULL) {
        respond(request, 200, request->contact, "valid");
        return;
    }
    free(request->contact);
    request->contact = NULL;
    if (!account_read_contact(request->payload, &request->contact, &problem)) {
        response_problem(request, &problem);
        return;
    }
    update(request, false);
}

struct listing {
    const char *base;
    json_t *orders;
};

static int list_order(const struct issuer_store_order *order, void *arg)
{
    struct listing *listing = arg;
    char url[LIMIT_URL_BYTES];

    if (order->state == ISSUER_STORE_REFUSED ||
        !url_order(listing->base, order->id, order->number, url)) {
        return 0;
    }
    return json_array_append_new(listing->orders, json_string(url)) == 0 ? 0
                                                                         : ERROR_MEMORY;
}

void account_respond_orders(struct request *request)
{
    struct service *service = request->service;
    struct listing listing = {.base = request->base->url, .orders = json_array()};
    struct database *issuer = service_issuer(service);
    int error = listing.orders == NULL ? ERROR_MEMORY : 0;

    if (error == 0 && issuer != NULL) {
        error = issuer_store_orders_of(issuer, service->zone, request->id, ORDERS_SHOWN,
                                       list_order, &listing);
    }
    if (error != 0) {
        json_decref(listing.orders);
        response_internal(request, error, "reading orders");
        return;
    }
    response_json(request, 200, json_pack("{s:o}", "orders", listing.orders));
}
