/* Driving acme_client, and what all issuances share.
 *
 * The breaker. One connection that fails is no outage: machines retry by themselves
 * within seconds. When nothing has succeeded for TROUBLE_S since the first failure, new
 * work stops for 1 minute, then 10, and then every 10 minutes one issuance tries;
 * everything goes on at the first success. A rate limit with its Retry-After stops new
 * work at once and exactly so long. An account that the CA does not know, or an action it
 * asks of the operator, stops new work until the account is found again; orders are
 * refused meanwhile with the reason.
 *
 * The CAA record for a new account is written in the same transaction as its URL, and the
 * account is used only after that: no order can be placed that CAA would not allow. */
#include "relay/issuer/ca_parts.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/random.h"
#include "relay/store/ca_store.h"
#include "relay/store/issuer_store.h"

#include <stdlib.h>
#include <string.h>

enum {
    TROUBLE_S = 30,
    PAUSE_FIRST_S = 60,
    PAUSE_LATER_S = 600,
    PAUSE_MAX_S = 2 * 86400, /* a Retry-After is a day at most */
    ANNOUNCED_S = 30,        /* a pause that devices need not hear of */
    ACCOUNT_RETRY_S = 3600,
    OPEN_FIRST_MS = 30 * 1000, /* until what could not be opened is tried again */
    OPEN_AGAIN_MS = 600 * 1000,
};

static void drive(struct ca *ca);

/* ---- the queue of SHARED machines ---- */

void ca_wait(struct ca *ca, struct ca_waiter *waiter)
{
    if (!waiter->waiting) {
        waiter->waiting = true;
        waiter->next = NULL;
        *ca->end = waiter;
        ca->end = &waiter->next;
    }
    loop_timer_set(ca->wake_timer, 0);
}

void ca_forget(struct ca *ca, struct ca_waiter *waiter)
{
    if (!waiter->waiting) {
        return;
    }
    for (struct ca_waiter **link = &ca->first; *link != NULL; link = &(*link)->next) {
        if (*link == waiter) {
            *link = waiter->next;
            if (ca->end == &waiter->next) {
                ca->end = link;
            }
            break;
        }
    }
    waiter->waiting = false;
    waiter->next = NULL;
}

/* Wakes as many as can go on. Those who queue again meanwhile stand at the end and are
 * not woken twice, as the count was taken before. */
static void wake(struct ca *ca)
{
    size_t count = acme_client_ready_count(ca->client);
    struct ca_waiter *last = NULL;

    for (struct ca_waiter *waiter = ca->first; waiter != NULL; waiter = waiter->next) {
        last = waiter;
    }
    while (count > 0 && ca->first != NULL) {
        struct ca_waiter *waiter = ca->first;
        bool was_last = waiter == last;

        ca_forget(ca, waiter);
        waiter->fn(waiter->arg);
        count--;
        if (was_last) {
            break;
        }
    }
}

static void on_wake(void *arg)
{
    struct ca *ca = arg;

    drive(ca);
    wake(ca);
}

/* ---- requests ---- */

static const char *find_header(const void *header_arg, const char *name, size_t index)
{
    return http_response_header(header_arg, name, index);
}

static void on_response(const struct http_response *response, void *arg)
{
    struct ca_exchange *exchange = arg;
    struct ca *ca = exchange->ca;
    struct acme_response converted = {
        .error = response->error,
        .error_text = response->error_text,
        .status = response->status,
        .body = response->body,
        .header = find_header,
        .header_arg = response,
    };

    exchange->transfer = NULL;
    ca->in_flight--;
    exchange->fn(&converted, exchange->arg);
    /* Each response may have brought a nonce that somebody waits for. */
    if (ca->first != NULL) {
        loop_timer_set(ca->wake_timer, 0);
    }
}

int ca_send(struct ca *ca, struct ca_exchange *exchange,
            const struct acme_request *request, ca_response_fn *fn, void *arg)
{
    struct http_request http = {
        .method = request->method,
        .url = request->url,
        .content_type = request->content_type,
        .accept = request->accept,
        .body = request->body,
        .max_response_bytes = request->max_response_bytes,
    };

    int error = 0;

    exchange->ca = ca;
    exchange->fn = fn;
    exchange->arg = arg;
    if (ca->http == NULL) {
        return ERROR_NOT_FOUND;
    }
    error = http_client_send(ca->http, &http, on_response, exchange, &exchange->transfer);
    ca->in_flight += error == 0 ? 1 : 0;
    return error;
}

void ca_cancel(struct ca_exchange *exchange)
{
    if (exchange->transfer != NULL) {
        http_client_cancel(exchange->transfer);
        exchange->transfer = NULL;
        exchange->ca->in_flight--;
    }
}

/* ---- the breaker ---- */

void ca_report_good(struct ca *ca)
{
    if (ca->pauses > 0) {
        log_info("the CA works again");
    }
    ca->trouble_since_at = 0;
    ca->pauses = 0;
    ca->broken_until_at = 0;
    ca_note_state(ca);
}

/* AT if it is still to come. Further off than MAX_S it was set by a clock that was ahead. */
static int64_t still_until(int64_t at, int64_t max_s)
{
    int64_t now_at = clock_wall_at();

    return at > now_at && at <= now_at + max_s ? at : 0;
}

/* Moves *UNTIL_AT, which is one of CA's, on. */
static void pause_until(struct ca *ca, int64_t *until_at, int64_t at, const char *what,
                        const char *why)
{
    char text[TEXT_TIME_CAPACITY];

    if (at <= still_until(*until_at, PAUSE_MAX_S)) {
        return;
    }
    *until_at = at;
    (void)text_copy(ca->pause_reason, sizeof(ca->pause_reason), why);
    text_time(at, text);
    log_warning("the CA: %s; %s before %s", why, what, text);
    ca_note_state(ca);
}

void ca_report(struct ca *ca, const struct acme_error *error)
{
    int64_t now_at = clock_wall_at();
    int64_t pause_s = ca->pauses == 0 ? PAUSE_FIRST_S : PAUSE_LATER_S;

    if (error->scope == ACME_SCOPE_NAME || error->scope == ACME_SCOPE_OPERATOR) {
        return;
    }
    if (error->type == ACME_ERROR_RATE_LIMIT && error->scope == ACME_SCOPE_ACCOUNT) {
        /* It concerns new names: renewals are exempt, and go on. */
        pause_until(ca, &ca->limited_until_at, error->retry_at, "no new names",
                    error->text);
        return;
    }
    if (error->type == ACME_ERROR_RATE_LIMIT) {
        pause_until(ca, &ca->paused_until_at, error->retry_at, "nothing new",
                    error->text);
        return;
    }
    if (error->problem.status == 503 && error->retry_at > now_at + 1) {
        pause_until(ca, &ca->paused_until_at, error->retry_at, "nothing new",
                    error->text);
        return;
    }
    if (ca->trouble_since_at == 0) {
        ca->trouble_since_at = now_at;
    }
    if (now_at - ca->trouble_since_at >= TROUBLE_S &&
        still_until(ca->broken_until_at, 2 * PAUSE_LATER_S) == 0) {
        ca->pauses++;
        pause_s += (int64_t)random_below((uint64_t)pause_s * 2 / 5) - pause_s / 5;
        pause_until(ca, &ca->broken_until_at, now_at + pause_s, "nothing new",
                    error->text);
    }
}

int64_t ca_paused_until(const struct ca *ca)
{
    int64_t paused_until_at = still_until(ca->paused_until_at, PAUSE_MAX_S);
    int64_t broken_until_at = still_until(ca->broken_until_at, 2 * PAUSE_LATER_S);

    return paused_until_at > broken_until_at ? paused_until_at : broken_until_at;
}

int64_t ca_limited_until(const struct ca *ca)
{
    return still_until(ca->limited_until_at, PAUSE_MAX_S);
}

bool ca_refuses(const struct ca *ca, int64_t now_at, struct acme_problem *ret_problem,
                int64_t *ret_retry_at)
{
    const struct acme_error *failure = &ca->failure;

    if (failure->type != ACME_ERROR_NONE && failure->scope == ACME_SCOPE_OPERATOR) {
        acme_problem_set(
            ret_problem, ACME_PROBLEM_SERVER_INTERNAL,
            "The relay's account at the CA can't be used; its operator must act: %s",
            failure->text);
        *ret_retry_at = now_at + ACCOUNT_RETRY_S;
        return true;
    }
    if (ca->settling_until_at > now_at) {
        acme_problem_set(ret_problem, ACME_PROBLEM_RATE_LIMITED,
                         "The relay has a new account at the CA, which is used soon");
        *ret_retry_at = ca->settling_until_at;
        return true;
    }
    if (ca_paused_until(ca) > now_at + ANNOUNCED_S) {
        acme_problem_set(ret_problem, ACME_PROBLEM_RATE_LIMITED,
                         "The CA takes no requests at the moment");
        *ret_retry_at = ca_paused_until(ca);
        return true;
    }
    return false;
}

/* ---- the account ---- */

/* What an operator must know when the CA has forgotten the account and none may be made.
 */
static void note_failure(struct ca *ca, const struct acme_error *error)
{
    char text[TEXT_TIME_CAPACITY] = "never by itself";

    ca->failure = *error;
    if (error->type == ACME_ERROR_ACCOUNT && ca->account_created_at != 0 &&
        !ca->config->ca_new_account) {
        ca->failure.scope = ACME_SCOPE_OPERATOR;
        (void)text_format(
            ca->failure.text, sizeof(ca->failure.text),
            "the CA does not know the relay's account any more; set "
            "'new_account = yes' in [issuer] of relay.conf to make a new one");
    }
    if (error->retry_at != 0) {
        text_time(error->retry_at, text);
    }
    if (ca->failure.scope == ACME_SCOPE_OPERATOR) {
        log_error("the account at the CA: %s; trying again: %s", ca->failure.text, text);
    } else {
        log_warning("the account at the CA: %s; trying again: %s", error->text, text);
    }
    ca_report(ca, error);
    ca_note_state(ca);
}

static void on_client_response(const struct acme_response *response, void *arg)
{
    struct ca *ca = arg;
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};

    acme_client_response(ca->client, response, now);
    drive(ca);
}

static void settle(struct ca *ca)
{
    ca->settling_until_at = 0;
    if (!ca->config->ca_new_account) {
        acme_client_forbid_new_account(ca->client);
    }
    acme_client_saved(ca->client);
    loop_timer_set(ca->wake_timer, 0);
}

/* The account and its CAA are durable, and served within a moment. Resolvers may still have
 * the CAA of an account before, which forbids this one: until its TTL has passed. */
static void on_saved(void *arg)
{
    struct ca *ca = arg;
    const char *url = acme_client_account_url(ca->client);
    int64_t wait_s = (int64_t)ca->config->caa_wait;

    if (ca->former_url[0] == '\0' || strcmp(ca->former_url, url) == 0 || wait_s == 0) {
        settle(ca);
        return;
    }
    ca->settling_until_at = clock_wall_at() + wait_s;
    log_warning("the account at the CA is a new one, '%s': it is used in %lld s, when no "
                "resolver has the CAA record of '%s' any more",
                url, (long long)wait_s, ca->former_url);
    loop_timer_set(ca->timer, wait_s * 1000);
    ca_note_state(ca);
}

/* The account's URL and the CAA that allows it alone to issue (RFC 8657). */
static void save_account(struct ca *ca)
{
    const char *url = acme_client_account_url(ca->client);
    struct buffer caa = buffer_init(LIMIT_URL_BYTES * 2);
    struct issuer_store_ca_account account = {
        .ca = ca->config->ca_directory,
        .url = url,
        .created_at = clock_wall_at(),
    };
    int64_t rev = 0;
    int error = 0;

    if (ca->saved.waiting || ca->settling_until_at != 0) {
        return;
    }
    error = buffer_printf(&caa, "%s; validationmethods=dns-01; accounturi=%s",
                          ca->config->ca_name, url);
    account.caa = buffer_text(&caa);
    if (error == 0) {
        error = commit_begin(ca->commit, &rev);
    }
    if (error == 0) {
        error = issuer_store_put_ca_account(commit_database(ca->commit), ca->config->zone,
                                            rev, &account);
    }
    buffer_free(&caa);
    if (error != 0) {
        (void)commit_fail(ca->commit, error, "CA account");
        return;
    }
    ca->account_created_at = account.created_at;
    commit_wait(ca->commit, &ca->saved);
}

static void note_ready(struct ca *ca)
{
    if (!ca->announced || ca->failure.type != ACME_ERROR_NONE) {
        log_info("the account at the CA is '%s'", acme_client_account_url(ca->client));
    }
    ca->announced = true;
    ca->failure.type = ACME_ERROR_NONE;
    ca_note_state(ca);
}

/* False when the machine has nothing more to do now. */
static bool take_step(struct ca *ca, struct acme_now now)
{
    struct acme_step step = {0};

    acme_client_next(ca->client, now, &step);
    switch (step.want) {
    case ACME_WANT_REQUEST: {
        int error = ca_send(ca, &ca->exchange, step.request, on_client_response, ca);
        struct acme_response failed = {.error = error, .error_text = error_text(error)};

        if (error == 0) {
            return false;
        }
        acme_client_response(ca->client, &failed, now);
        return true;
    }
    case ACME_WANT_SAVE:
        save_account(ca);
        return false;
    case ACME_WANT_WAIT:
        loop_timer_set(ca->timer, step.wait_ms);
        return false;
    case ACME_WANT_FAILED: {
        int64_t wait_s = step.error->retry_at - now.at;

        if (ca->failure.type == ACME_ERROR_NONE ||
            ca->failure.retry_at != step.error->retry_at) {
            note_failure(ca, step.error);
            loop_timer_set(ca->wake_timer, 0);
        }
        if (step.error->retry_at == 0) {
            wait_s = ACCOUNT_RETRY_S;
        }
        loop_timer_set(ca->timer, (wait_s < 1 ? 1 : wait_s) * 1000);
        return false;
    }
    case ACME_WANT_IDLE:
    case ACME_WANT_DONE:
        note_ready(ca);
        return false;
    case ACME_WANT_RESPONSE:
    case ACME_WANT_SHARED:
    case ACME_WANT_PUBLISH:
    case ACME_WANT_UNPUBLISH:
        return false;
    }
    return false;
}

static void drive(struct ca *ca)
{
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};

    while (ca->shut == NULL && take_step(ca, now)) {
    }
}

/* What kept the CA from being used may be mended. */
static void look_again(struct ca *ca)
{
    if (ca_open(ca) == 0 && ca->shut == NULL) {
        log_info("the CA for '%s' can be used again", ca->config->zone);
    }
    loop_timer_set(ca->timer, ca->shut != NULL ? OPEN_AGAIN_MS : 0);
    ca_note_state(ca);
}

static void on_timer(void *arg)
{
    struct ca *ca = arg;

    if (ca->shut != NULL) {
        look_again(ca);
        return;
    }
    if (ca->settling_until_at != 0) {
        settle(ca);
    }
    if (ca->failure.type != ACME_ERROR_NONE && ca->failure.retry_at == 0) {
        acme_client_retry(ca->client);
    }
    drive(ca);
    wake(ca);
}

/* ---- start and end ---- */

static int take_known(const struct issuer_store_ca_account *account, void *arg)
{
    struct ca *ca = arg;

    if (strcmp(account->ca, ca->config->ca_directory) != 0 || account->url[0] == '\0') {
        return 0;
    }
    ca->account_created_at = account->created_at;
    return text_copy(ca->former_url, sizeof(ca->former_url), account->url) ? 0
                                                                           : ERROR_LIMIT;
}

static int take_rollover(const struct ca_store_state *state, void *arg)
{
    struct ca *ca = arg;

    ca->rollover_at = state->rollover_at;
    return 0;
}

/* What the store knows of this CA. */
static int read_store(struct ca *ca, struct database *database)
{
    const struct relay_config *config = ca->config;
    int error = issuer_store_ca_accounts(database, config->zone, take_known, ca);

    if (error == 0) {
        error = ca_store_state(database, config->zone, config->ca_directory,
                               take_rollover, ca);
    }
    return error == ERROR_NOT_FOUND ? 0 : error;
}

int ca_new(struct loop *loop, const struct relay_config *config,
           struct database *database, struct commit *commit, struct ca **ret_ca)
{
    struct ca *ca = calloc(1, sizeof(*ca));
    int error = 0;

    if (ca == NULL) {
        return ERROR_MEMORY;
    }
    ca->loop = loop;
    ca->config = config;
    ca->commit = commit;
    ca->end = &ca->first;
    ca->saved = (struct commit_waiter){.fn = on_saved, .arg = ca};
    error = loop_timer_new(loop, on_timer, ca, &ca->timer);
    if (error == 0) {
        error = loop_timer_new(loop, on_wake, ca, &ca->wake_timer);
    }
    if (error == 0) {
        error = read_store(ca, database);
    }
    if (error == 0) {
        error = ca_open(ca);
    }
    if (error != 0) {
        ca_free(ca);
        return error;
    }
    *ret_ca = ca;
    return 0;
}

void ca_free(struct ca *ca)
{
    if (ca == NULL) {
        return;
    }
    commit_cancel(ca->commit, &ca->saved);
    ca_cancel(&ca->exchange);
    if (ca->client != NULL) {
        acme_client_free(ca->client);
    }
    if (ca->http != NULL) {
        http_client_free(ca->http);
    }
    if (ca->resolver != NULL) {
        resolver_free(ca->resolver);
    }
    if (ca->timer != NULL) {
        loop_timer_free(ca->timer);
    }
    if (ca->wake_timer != NULL) {
        loop_timer_free(ca->wake_timer);
    }
    key_free(ca->key);
    free(ca);
}

void ca_reload(struct ca *ca, const struct relay_config *config)
{
    ca->config = config;
    if (ca->shut != NULL) {
        loop_timer_set(ca->timer, 0);
    }
}

void ca_start(struct ca *ca)
{
    ca_note_state(ca);
    if (ca->shut != NULL) {
        loop_timer_set(ca->timer, OPEN_FIRST_MS);
    }
    drive(ca);
}

bool ca_is_shut(const struct ca *ca)
{
    return ca->shut != NULL;
}

bool ca_is_ready(const struct ca *ca)
{
    return ca->shut == NULL && ca->announced && ca->failure.type == ACME_ERROR_NONE &&
           ca->settling_until_at == 0;
}

size_t ca_in_flight(const struct ca *ca)
{
    return ca->in_flight;
}

bool ca_is_held(const struct ca *ca)
{
    return ca->hold != CA_FREE;
}

void ca_hold(struct ca *ca, enum ca_hold hold)
{
    ca->hold = hold;
    acme_client_hold(ca->client, hold == CA_HELD);
    if (hold != CA_HELD) {
        loop_timer_set(ca->wake_timer, 0);
    }
    ca_note_state(ca);
}

void ca_take_key(struct ca *ca, struct key *key)
{
    struct key *former = ca->key;

    ca->key = key_ref(key);
    key_free(former);
    acme_client_take_key(ca->client, key);
    ca->rollover_at = clock_wall_at();
    if (ca->is_lost) {
        ca->is_lost = false; /* the file of the next key had it */
        ca->shut = NULL;
        ca->failure.type = ACME_ERROR_NONE;
    }
}

struct acme_client *ca_client(struct ca *ca)
{
    return ca->client;
}

int64_t ca_account_created_at(const struct ca *ca)
{
    return ca->account_created_at;
}
