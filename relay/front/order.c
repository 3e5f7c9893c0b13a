/* newOrder is where admission happens (design: the certificate 3): the request is
 * written, the exchange held, and the issuer's word is the answer: 201 with an order that
 * is `ready`, or 429 with an honest Retry-After. An order that is ready already for the
 * same names is given again (RFC 8555 allows it, Boulder does it), so that a client that
 * lost its order doesn't spend a second piece of the budget. */
#include "relay/front/order.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/lanname.h"
#include "relay/front/journal.h"
#include "relay/front/quota.h"
#include "relay/front/response.h"
#include "relay/front/source.h"
#include "relay/front/waiting.h"
#include "relay/store/front_store.h"
#include "relay/store/url.h"

#include <stdlib.h>
#include <string.h>

enum {
    DECISION_MS = 15000,
    AGAIN_S = 30,       /* when the issuer says nothing */
    REUSE_LEFT_S = 300, /* an order with less time left is not given again */
    REUSE_LOOKED_AT = 5,
    PROCESSING_RETRY_S = 3,
    PROFILE_MAX = 32,
};

void order_free(struct order *order)
{
    free(order->names);
    free(order->profile);
    free(order->replaces);
    free(order->problem);
    free(order->certificate);
    memset(order, 0, sizeof(*order));
}

static int copy_row(const struct issuer_store_order *row, void *arg)
{
    struct order *order = arg;

    if (!text_copy(order->number, sizeof(order->number), row->number) ||
        !text_copy(order->id, sizeof(order->id), row->id)) {
        return ERROR_NOT_FOUND; /* the relay's own: its id is a host name */
    }
    order->names = strdup(row->names);
    order->profile = strdup(row->profile);
    order->replaces = strdup(row->replaces);
    order->problem = strdup(row->problem);
    order->certificate = strdup(row->certificate);
    order->state = row->state;
    order->created_at = row->created_at;
    order->expires_at = row->expires_at;
    order->retry_at = row->retry_at;
    return order->names != NULL && order->profile != NULL && order->replaces != NULL &&
                   order->problem != NULL && order->certificate != NULL
               ? 0
               : ERROR_MEMORY;
}

int order_read(struct service *service, const char *number, struct order *ret_order)
{
    struct database *issuer = service_issuer(service);

    memset(ret_order, 0, sizeof(*ret_order));
    if (issuer == NULL) {
        return ERROR_NOT_FOUND;
    }
    return issuer_store_order(issuer, service->zone, number, copy_row, ret_order);
}

/* ---- what is asked for ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool join_names(const char **names, size_t count, struct order_wish *wish,
                       struct acme_problem *problem)
{
    size_t used = 0;

    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]);

        if (i > 0 && strcmp(names[i], names[i - 1]) == 0) {
            acme_problem_set(problem, ACME_PROBLEM_MALFORMED,
                             "the name '%.200s' stands twice in the order", names[i]);
            return false;
        }
        if (used + size + 2 > sizeof(wish->names)) {
            acme_problem_set(problem, ACME_PROBLEM_MALFORMED, "the names are too long");
            return false;
        }
        if (i > 0) {
            wish->names[used++] = ' ';
        }
        memcpy(wish->names + used, names[i], size + 1);
        used += size;
    }
    return true;
}

/* One identifier; what is wrong with it becomes a subproblem, so that all are said at
 * once. */
static const char *read_identifier(const json_t *identifier, const char *id,
                                   const char *zone, struct acme_problem *problem)
{
    const char *type = json_get_text(identifier, "type");
    const char *value = json_get_text(identifier, "value");
    char found[LANNAME_ID_SIZE + 1];
    bool wildcard = false;

    if (type == NULL || value == NULL) {
        acme_problem_add(problem, ACME_PROBLEM_MALFORMED, NULL,
                         "an identifier has the texts 'type' and 'value'");
    } else if (strcmp(type, "dns") != 0) {
        acme_problem_add(problem, ACME_PROBLEM_UNSUPPORTED_IDENTIFIER, value,
                         "only identifiers of type dns are certified here");
    } else if (!lanname_parse_identifier(value, zone, found, &wildcard)) {
        acme_problem_add(problem, ACME_PROBLEM_REJECTED_IDENTIFIER, value,
                         "is not *.%s.%s or %s.%s, which this account may have", id, zone,
                         id, zone);
    } else if (strcmp(found, id) != 0) {
        acme_problem_add(problem, ACME_PROBLEM_REJECTED_IDENTIFIER, value,
                         "belongs to another key; this account has *.%s.%s", id, zone);
    } else {
        return value;
    }
    return NULL;
}

static bool read_names(const json_t *payload, const char *id, const char *zone,
                       struct order_wish *wish, struct acme_problem *problem)
{
    const json_t *identifiers = json_get_array(payload, "identifiers");
    const char *names[LIMIT_ORDER_NAMES];
    size_t count = json_array_size(identifiers);
    size_t good = 0;

    if (count == 0 || count > LIMIT_ORDER_NAMES) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED,
                         "'identifiers' must be an array of 1 to %d names",
                         LIMIT_ORDER_NAMES);
        return false;
    }
    acme_problem_set(problem, ACME_PROBLEM_REJECTED_IDENTIFIER,
                     "this account's names are *.%s.%s and %s.%s", id, zone, id, zone);
    for (size_t i = 0; i < count; i++) {
        names[good] = read_identifier(json_array_get(identifiers, i), id, zone, problem);
        good += names[good] != NULL;
    }
    if (good < count) {
        if (problem->subproblem_count == 1) {
            problem->type = problem->subproblems[0].type;
        }
        return false;
    }
    return join_names(names, count, wish, problem);
}

static bool is_given(const json_t *payload, const char *key)
{
    const json_t *value = json_object_get(payload, key);

    return value != NULL && !json_is_null(value) &&
           !(json_is_string(value) && json_string_length(value) == 0);
}

static bool is_profile(const char *text)
{
    size_t size = strlen(text);

    return size <= PROFILE_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

bool order_read_wish(const json_t *payload, const char *id, const char *zone,
                     struct order_wish *ret_wish, struct acme_problem *problem)
{
    const char *profile = json_get_text(payload, "profile");
    const char *replaces = json_get_text(payload, "replaces");

    if (is_given(payload, "notBefore") || is_given(payload, "notAfter")) {
        acme_problem_set(
            problem, ACME_PROBLEM_MALFORMED,
            "'notBefore' and 'notAfter' can't be chosen here: leave them out");
        return false;
    }
    ret_wish->profile = profile != NULL ? profile : "";
    ret_wish->replaces = replaces != NULL ? replaces : "";
    if (!is_profile(ret_wish->profile)) {
        acme_problem_set(
            problem, ACME_PROBLEM_INVALID_PROFILE,
            "there is no profile '%.64s'; the directory lists those there are", profile);
        return false;
    }
    return read_names(payload, id, zone, ret_wish, problem);
}

/* ---- what is shown ---- */

static const char *status_text(const struct order *order, bool finalized)
{
    if (order->state == ISSUER_STORE_READY && finalized) {
        return "processing"; /* its finalize is written; the issuer has not got to it */
    }
    return order->state == ISSUER_STORE_REFUSED ? "invalid"
                                                : issuer_store_state_text(order->state);
}

/* Calls for each name of "a b c"; INDEX counts them. */
static int add_name(const char *base, const struct order *order, const char *name,
                    size_t size, unsigned index, json_t *identifiers,
                    json_t *authorizations)
{
    char url[LIMIT_URL_BYTES];
    json_t *identifier = json_pack("{s:s,s:s%}", "type", "dns", "value", name, size);

    if (identifier == NULL || json_array_append_new(identifiers, identifier) != 0 ||
        !url_authorization(base, order->id, order->number, index, url) ||
        json_array_append_new(authorizations, json_string(url)) != 0) {
        return ERROR_MEMORY;
    }
    return 0;
}

static int add_names(const char *base, const struct order *order, json_t *object)
{
    json_t *identifiers = json_array();
    json_t *authorizations = json_array();
    const char *name = order->names;
    unsigned index = 0;
    int error = json_set_take(object, "identifiers", identifiers);

    if (error != 0) {
        json_decref(authorizations);
        return error;
    }
    error = json_set_take(object, "authorizations", authorizations);
    while (error == 0 && *name != '\0') {
        size_t size = strcspn(name, " ");

        error = add_name(base, order, name, size, index++, identifiers, authorizations);
        name += size + (name[size] == ' ');
    }
    return error;
}

static int add_rest(const char *base, const struct order *order, json_t *object)
{
    char url[LIMIT_URL_BYTES];
    json_t *problem = NULL;
    int error = 0;

    if (!url_finalize(base, order->id, order->number, url)) {
        return ERROR_LIMIT;
    }
    error = json_set_text(object, "finalize", url);
    if (error == 0 && order->state == ISSUER_STORE_VALID) {
        error = url_certificate(base, order->id, order->certificate, 0, url)
                    ? json_set_text(object, "certificate", url)
                    : ERROR_LIMIT;
    }
    if (error == 0 && order->profile[0] != '\0') {
        error = json_set_text(object, "profile", order->profile);
    }
    if (error == 0 && order->replaces[0] != '\0') {
        error = json_set_text(object, "replaces", order->replaces);
    }
    if (error == 0 && order->problem[0] != '\0' &&
        json_parse(order->problem, strlen(order->problem), LIMIT_JSON_BYTES, &problem) ==
            0) {
        error = json_set_take(object, "error", problem);
    }
    return error;
}

/* The order object, with URLs below BASE. */
static json_t *object_of(const char *base, const struct order *order, bool finalized)
{
    json_t *object = json_object();
    char expires[TEXT_TIME_CAPACITY];
    int error = object == NULL ? ERROR_MEMORY : 0;

    text_time(order->expires_at, expires);
    if (error == 0) {
        error = json_set_text(object, "status", status_text(order, finalized));
    }
    if (error == 0) {
        error = json_set_text(object, "expires", expires);
    }
    if (error == 0) {
        error = add_names(base, order, object);
    }
    if (error == 0) {
        error = add_rest(base, order, object);
    }
    if (error != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int found_request(const struct front_store_request *row, void *arg)
{
    (void)row;
    *(bool *)arg = true;
    return 0;
}

void order_respond_with(struct request *request, int status, const struct order *order)
{
    struct service *service = request->service;
    char url[LIMIT_URL_BYTES];
    bool finalized = false;

    if (order->state == ISSUER_STORE_READY) {
        (void)!front_store_get_request(service->front, service->zone, order->number,
                                       "finalize", found_request, &finalized);
    }
    if (url_order(request->base->url, order->id, order->number, url)) {
        response_header(request, "Location", url);
    }
    if (finalized || order->state == ISSUER_STORE_PROCESSING) {
        response_retry_after(request, PROCESSING_RETRY_S);
    }
    response_json(request, status, object_of(request->base->url, order, finalized));
}

void order_respond_refused(struct request *request, const struct order *order)
{
    struct acme_problem problem;
    json_t *value = NULL;
    int64_t wait_s = order->retry_at - clock_wall_at();

    acme_problem_set(&problem, ACME_PROBLEM_SERVER_INTERNAL,
                     "the relay refused the order");
    if (json_parse(order->problem, strlen(order->problem), LIMIT_JSON_BYTES, &value) ==
        0) {
        acme_problem_from_json(value, 0, &problem);
        json_decref(value);
    }
    if (problem.status < 400 || problem.status > 599) {
        problem.status = acme_problem_type_status(problem.type);
    }
    if (order->retry_at > 0) {
        response_retry_after(request, wait_s);
    }
    log_info("order %s of %s: refused: %s", order->number, order->id, problem.detail);
    response_problem(request, &problem);
}

bool order_find(struct request *request, struct order *ret_order)
{
    int error = order_read(request->service, request->arguments[1], ret_order);

    if (error == ERROR_NOT_FOUND ||
        (error == 0 && (ret_order->state == ISSUER_STORE_REFUSED ||
                        strcmp(ret_order->id, request->id) != 0))) {
        response_status(request, 404, ACME_PROBLEM_MALFORMED,
                        "this account has no order '%.40s'", request->arguments[1]);
        return false;
    }
    if (error != 0) {
        response_internal(request, error, "reading an order");
        return false;
    }
    return true;
}

void order_respond(struct request *request)
{
    struct order order;

    if (order_find(request, &order)) {
        order_respond_with(request, 200, &order);
    }
    order_free(&order);
}

/* ---- newOrder ---- */

static bool decided(struct request *request, bool late)
{
    struct order order;
    int error = order_read(request->service, request->number, &order);
    bool done = true;

    if (error == ERROR_NOT_FOUND && !late) {
        done = false;
    } else if (error == ERROR_NOT_FOUND) {
        log_warning("order %s of %s: the issuer has not decided in time; is it running?",
                    request->number, request->id);
        response_retry_after(request, AGAIN_S);
        response_status(
            request, 503, ACME_PROBLEM_SERVER_INTERNAL,
            "the relay can't issue certificates at this moment; try again later");
    } else if (error != 0) {
        response_internal(request, error, "reading an order");
    } else if (order.state == ISSUER_STORE_REFUSED) {
        order_respond_refused(request, &order);
    } else {
        log_info("order %s of %s: admitted for %s", order.number, order.id, order.names);
        order_respond_with(request, 201, &order);
    }
    order_free(&order);
    return done;
}

static void written(struct request *request, int error)
{
    if (error != 0) {
        response_internal(request, error, "writing an order");
        return;
    }
    waiting_hold(request->service->waiting, request, DECISION_MS, false, decided);
}

struct reuse {
    struct service *service;
    const struct order_wish *wish;
    int64_t now_at;
    char number[REQUEST_NUMBER_CAPACITY];
};

static int look_at(const struct issuer_store_order *order, void *arg)
{
    struct reuse *reuse = arg;
    bool finalized = false;

    if (order->state != ISSUER_STORE_READY || reuse->number[0] != '\0' ||
        strcmp(order->names, reuse->wish->names) != 0 ||
        strcmp(order->profile, reuse->wish->profile) != 0 ||
        strcmp(order->replaces, reuse->wish->replaces) != 0 ||
        order->expires_at < reuse->now_at + REUSE_LEFT_S) {
        return 0;
    }
    (void)!front_store_get_request(reuse->service->front, reuse->service->zone,
                                   order->number, "finalize", found_request, &finalized);
    if (!finalized) {
        (void)text_copy(reuse->number, sizeof(reuse->number), order->number);
    }
    return 0;
}

/* Gives an order again that is ready for the same names. True when it was answered. */
static bool respond_reused(struct request *request, const struct order_wish *wish)
{
    struct service *service = request->service;
    struct reuse reuse = {.service = service, .wish = wish, .now_at = clock_wall_at()};
    struct database *issuer = service_issuer(service);
    struct order order = {0};
    bool reused = false;

    if (issuer != NULL &&
        issuer_store_orders_of(issuer, service->zone, request->id, REUSE_LOOKED_AT,
                               look_at, &reuse) == 0 &&
        reuse.number[0] != '\0' && order_read(service, reuse.number, &order) == 0 &&
        order.state == ISSUER_STORE_READY) {
        log_info("order %s of %s: given again", order.number, order.id);
        order_respond_with(request, 201, &order);
        reused = true;
    }
    order_free(&order);
    return reused;
}

static int found_certificate(const struct issuer_store_certificate *certificate,
                             void *arg)
{
    (void)certificate;
    *(bool *)arg = true;
    return 0;
}

/* Whether it is a device that was served before: a network that floods us with new ones must
 * not keep those that are there from renewing. */
static bool has_certificate(struct request *request)
{
    struct service *service = request->service;
    struct database *issuer = service_issuer(service);
    bool found = false;

    if (issuer != NULL) {
        (void)!issuer_store_current_certificate(issuer, service->zone, request->id,
                                                found_certificate, &found);
    }
    return found;
}

void order_create(struct request *request)
{
    struct service *service = request->service;
    struct order_wish wish;
    struct acme_problem problem;
    int64_t wait_s = 0;
    int error = 0;

    if (!order_read_wish(request->payload, request->id, service->zone, &wish, &problem)) {
        log_info("newOrder of %s: refused: %s", request->id, problem.detail);
        response_problem(request, &problem);
        return;
    }
    wait_s = quota_take(service->quota, QUOTA_ORDER, request->id, clock_mono_ms());
    if (wait_s > 0) {
        response_retry_after(request, wait_s);
        response_error(
            request, ACME_PROBLEM_RATE_LIMITED,
            "too many orders from this account: at most 60 at once and 180 an hour; the "
            "next is welcome in %d seconds",
            (int)wait_s);
        return;
    }
    if (respond_reused(request, &wish)) {
        return;
    }
    if (!has_certificate(request) &&
        !source_take(request, QUOTA_PREFIX_ORDER, service->config->orders_per_prefix_hour,
                     "orders of new devices")) {
        return;
    }
    error = service_number(request->number);
    if (error == 0) {
        error = request_write(request, "order");
    }
    if (error != 0) {
        response_internal(request, error, "writing an order");
        return;
    }
    journal_hold(service->journal, request, written);
}
