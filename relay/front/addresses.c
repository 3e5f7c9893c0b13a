/* The counter only rises, so that a captured publication can't be shown again later. A
 * publication that is repeated word for word is answered as the first was: its answer may
 * have been lost. dns applies the address rule again by itself. */
#include "relay/front/addresses.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/front/journal.h"
#include "relay/front/quota.h"
#include "relay/front/receipt.h"
#include "relay/front/response.h"
#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"

#include <stdlib.h>
#include <string.h>

static const int64_t counter_max = INT64_C(1) << 53; /* exact in every JSON parser */

static bool read_counter(const json_t *payload, int64_t *ret_counter,
                         struct acme_problem *problem)
{
    const json_t *counter = json_object_get(payload, "counter");

    if (!json_is_integer(counter) || json_integer_value(counter) < 0 ||
        json_integer_value(counter) > counter_max) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED,
                         "'counter' must be a whole number from 0 to 2^53");
        return false;
    }
    *ret_counter = json_integer_value(counter);
    return true;
}

/* "" or what an answer of ours held. */
static bool read_receipt(const json_t *payload, struct addresses_wish *wish,
                         struct acme_problem *problem)
{
    const char *receipt = json_get_text(payload, "receipt");

    if (!wish->has_receipt) {
        return true;
    }
    if (receipt == NULL || (receipt[0] != '\0' && !statement_is_nonce(receipt)) ||
        !text_copy(wish->receipt, sizeof(wish->receipt), receipt)) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED,
                         "'receipt' must be that of the last answer, or empty");
        return false;
    }
    return true;
}

/* Whether TEXT is among the words of LIST. */
static bool has_word(const char *list, const char *text)
{
    size_t size = strlen(text);

    for (const char *at = strstr(list, text); at != NULL; at = strstr(at + 1, text)) {
        if ((at == list || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool add_address(const json_t *value, const struct lanname_policy *policy,
                        struct addresses_wish *wish, struct acme_problem *problem)
{
    const char *given = json_string_value(value);
    struct lanname_address address;
    char text[46];
    size_t used = strlen(wish->text);

    if (given == NULL || !lanname_address_parse(given, &address)) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED, "'%.64s' is no IP address",
                         given != NULL ? given : "(not a text)");
        return false;
    }
    lanname_address_text(&address, text);
    if (!lanname_allowed(&address, policy)) {
        acme_problem_set(
            problem, ACME_PROBLEM_MALFORMED,
            "the address %s may not be published: only private ones are answered "
            "(10/8, 172.16/12, 192.168/16, fd00::/8)",
            text);
        return false;
    }
    if (has_word(wish->text, text)) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED, "the address %s stands twice",
                         text);
        return false;
    }
    return text_format(wish->text + used, sizeof(wish->text) - used, "%s%s",
                       used > 0 ? " " : "", text);
}

bool addresses_read(const json_t *payload, const struct lanname_policy *policy,
                    struct addresses_wish *ret_wish, struct acme_problem *problem)
{
    const json_t *addresses = json_object_get(payload, "addresses");
    struct addresses_wish wish = {0};

    wish.has_receipt = json_object_get(payload, "receipt") != NULL;
    if (json_object_size(payload) != (wish.has_receipt ? 3 : 2) ||
        !json_is_array(addresses) ||
        json_array_size(addresses) > LIMIT_PUBLISHED_ADDRESSES) {
        acme_problem_set(
            problem, ACME_PROBLEM_MALFORMED,
            "the payload must be {\"counter\": n, \"addresses\": [at most %d]}, perhaps "
            "with \"receipt\", and nothing else",
            LIMIT_PUBLISHED_ADDRESSES);
        return false;
    }
    if (!read_counter(payload, &wish.counter, problem) ||
        !read_receipt(payload, &wish, problem)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(addresses); i++) {
        if (!add_address(json_array_get(addresses, i), policy, &wish, problem)) {
            return false;
        }
    }
    *ret_wish = wish;
    return true;
}

struct published {
    int64_t counter;
    bool same;
    const struct addresses_wish *wish;
};

static int take(const struct front_store_addresses *row, void *arg)
{
    struct published *published = arg;

    published->counter = row->counter;
    published->same = row->counter == published->wish->counter && !row->gone &&
                      strcmp(row->addresses, published->wish->text) == 0;
    return 0;
}

static void written(struct request *request, int error)
{
    if (error != 0) {
        response_internal(request, error, "writing addresses");
        return;
    }
    response_json(request, 200, json_incref(request->payload));
}

/* Judges the receipt that WISH shows, writes what comes of it, and puts it into the answer, which
 * is the payload itself. */
static int write_receipt(struct request *request, const struct addresses_wish *wish,
                         int64_t rev)
{
    struct service *service = request->service;
    struct database *admin = service_admin(service);
    struct front_store_receipt before;
    struct front_store_receipt after;
    char fresh[STATEMENT_NONCE_SIZE + 1];
    int64_t now_at = clock_wall_at();
    int64_t settled_at = 0;
    bool fits = true;
    int error = front_store_get_receipt(service->front, service->zone, request->id, &before);
    bool is_first = error == ERROR_NOT_FOUND;

    if (error == 0 || is_first) {
        error = statement_make_nonce(fresh);
    }
    if (error == 0 && admin != NULL) {
        error = admin_store_clone_settled_at(admin, service->zone, request->id, &settled_at);
    }
    if (error != 0) {
        return error;
    }
    fits = receipt_judge(is_first ? NULL : &before, wish->receipt, fresh, settled_at, now_at,
                         &after);
    if (!fits) {
        log_warning("the receipt of %s does not fit: %s", request->id,
                    front_store_is_cloned(&after, settled_at, now_at)
                        ? "two devices have this one key"
                        : "a restored backup, or a copy of it");
    }
    error = front_store_put_receipt(service->front, service->zone, rev, request->id, &after);
    if (error == 0) {
        error = json_set_text(request->payload, "receipt", fresh);
    }
    if (error == 0) {
        error = json_set_bool(request->payload, "matched", fits);
    }
    return error != 0 ? error
                      : json_set_bool(request->payload, "cloned",
                                      front_store_is_cloned(&after, settled_at, now_at));
}

static int write_addresses(struct request *request, const struct addresses_wish *wish)
{
    struct service *service = request->service;
    struct bytes body = http_exchange_body(request->exchange);
    char *jws = strndup((const char *)body.data, body.size);
    struct front_store_addresses row = {
        .id = request->id,
        .counter = wish->counter,
        .addresses = wish->text,
        .jws = jws,
        .published_at = clock_wall_at(),
    };
    int64_t rev = 0;
    int error = jws == NULL ? ERROR_MEMORY : journal_begin(service->journal, &rev);

    if (error == 0) {
        error = front_store_put_addresses(service->front, service->zone, rev, &row);
    }
    if (error == 0 && wish->has_receipt) {
        error = write_receipt(request, wish, rev);
    }
    free(jws);
    return error;
}

/* The same once more: its answer was lost, and so the receipt in it. */
static int write_again(struct request *request, const struct addresses_wish *wish)
{
    int64_t rev = 0;
    int error = journal_begin(request->service->journal, &rev);

    return error != 0 ? error : write_receipt(request, wish, rev);
}

static void publish(struct request *request, const struct addresses_wish *wish)
{
    struct service *service = request->service;
    struct published published = {.wish = wish, .counter = -1};
    int error = front_store_get_addresses(service->front, service->zone, request->id,
                                          take, &published);

    if (error == 0 && published.same && !wish->has_receipt) {
        journal_after(service->journal, request, written);
        return;
    }
    if (error == 0 || error == ERROR_NOT_FOUND) {
        error = published.same ? write_again(request, wish) : write_addresses(request, wish);
    }
    if (error == ERROR_CONFLICT) {
        response_error(request, ACME_PROBLEM_CONFLICT,
                       "'counter' must be above %lld, the last one published",
                       (long long)published.counter);
    } else if (error != 0) {
        response_internal(request, error, "writing addresses");
    } else {
        log_info("addresses of %s: '%s'", request->id, wish->text);
        journal_hold(service->journal, request, written);
    }
}

void addresses_publish(struct request *request)
{
    const struct relay_config *config = request->service->config;
    struct lanname_policy policy = {.shared = config->dns_shared,
                                    .loopback = config->dns_loopback};
    struct addresses_wish wish;
    struct acme_problem problem;
    int64_t wait_s = 0;

    if (!addresses_read(request->payload, &policy, &wish, &problem)) {
        response_problem(request, &problem);
        return;
    }
    wait_s = quota_take(request->service->quota, QUOTA_ADDRESSES, request->id,
                        clock_mono_ms());
    if (wait_s > 0) {
        response_retry_after(request, wait_s);
        response_error(request, ACME_PROBLEM_RATE_LIMITED,
                       "too many publications from this account");
        return;
    }
    publish(request, &wish);
}
