/* The three tasks that the agent gives to workers, and what their ends mean. One worker
 * at a time: an order goes before a publication, a publication before the question for
 * the renewal window. */
#include "device/agent_parts.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

enum {
    CERTIFY_TIMEOUT_S = 900,
    TRIAL_RETRY_S = 60, /* doubled with each failure of the same certificate */
    TRIAL_DOUBLINGS = 8,
    SHORT_TIMEOUT_S = 60,
    RECHECK_MS = 300 * 1000,
    REPUBLISH_S = 86400, /* the relay forgets addresses after 30 silent days */
    TOKEN_BYTES = 1024,
};

static const struct backoff_range publish_range = {.first_s = 10, .longest_s = 3600};

/* "kid:key" on one line, as `latchkey-relay token add` prints it. */
static int read_token(const char *path, struct buffer *token, const char **ret_kid,
                      const char **ret_key)
{
    int error = file_read(path, token);
    if (error < 0) {
        return error;
    }
    char *text = (char *)token->data;
    char *colon = text != NULL ? strchr(text, ':') : NULL;
    if (colon == NULL) {
        return ERROR_SYNTAX;
    }
    *colon = '\0';
    char *key = colon + 1;
    key[strcspn(key, " \t\r\n")] = '\0';
    if (text[0] == '\0' || key[0] == '\0') {
        return ERROR_SYNTAX;
    }
    *ret_kid = text;
    *ret_key = key;
    return 0;
}

static int add_token(const struct agent *agent, json_t *task)
{
    const char *path = agent->config->token_file;
    const char *kid = NULL;
    const char *key = NULL;
    if (path[0] == '\0' || agent->state.account_url[0] != '\0') {
        return 0;
    }
    struct buffer token = buffer_init_secret(TOKEN_BYTES);
    int error = read_token(path, &token, &kid, &key);
    if (error < 0) {
        log_error("enrolment: can't read a token from '%s': %s; it is the line that "
                  "'latchkey-relay token add' printed",
                  path, error == ERROR_IO ? strerror(errno) : error_text(error));
    } else {
        error = json_set_text(task, "eab_kid", kid);
        if (error == 0) {
            error = json_set_text(task, "eab_key", key);
        }
    }
    buffer_free(&token);
    return error;
}

static int add_name_servers(const struct agent *agent, json_t *task)
{
    const struct conf_texts *servers = &agent->config->name_servers;
    if (servers->count == 0) {
        return 0;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < servers->count; i++) {
        if (json_array_append_new(list, json_string(servers->at[i])) != 0) {
            json_decref(list);
            return ERROR_MEMORY;
        }
    }
    return json_set_take(task, "name_servers", list);
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

/* What every task carries. */
static int begin_task(const struct agent *agent, const char *kind,
                      struct worker_message *task)
{
    json_t *jwk = NULL;
    int error = worker_message_new(WORKER_TASK, task);
    if (error == 0) {
        error = key_to_jwk(agent->identity.key, &jwk);
    }
    if (error == 0) {
        error = json_set_take(task->body, "key", jwk);
    }
    if (error == 0) {
        error = json_set_text(task->body, "task", kind);
    }
    if (error == 0) {
        error = json_set_text(task->body, "directory", agent->relay.current.directory);
    }
    if (error == 0) {
        error = json_set_text(task->body, "ca_file", or_null(agent->config->ca_file));
    }
    if (error == 0) {
        error =
            json_set_text(task->body, "account_url", or_null(agent->state.account_url));
    }
    if (error == 0) {
        error = json_set_text(task->body, "proxy", or_null(agent->config->proxy));
    }
    if (error == 0 && clock_is_corrected()) {
        error = json_set_i64(task->body, "now_at", clock_wall_at());
    }
    return error == 0 ? add_name_servers(agent, task->body) : error;
}

static int add_cert_id(const struct agent *agent, json_t *task)
{
    char id[CERT_ID_MAX];
    if (agent->trusted.cert == NULL) {
        return 0;
    }
    int error = cert_id(agent->trusted.cert, id);
    if (error == ERROR_NOT_FOUND) {
        return 0;
    }
    return error == 0 ? json_set_text(task, "cert_id", id) : error;
}

static int describe_certify(struct agent *agent, struct worker_message *task)
{
    int error = begin_task(agent, "certify", task);
    if (error == 0) {
        error = json_set_bool(task->body, "may_create_account", true);
    }
    if (error == 0) {
        error = add_token(agent, task->body);
    }
    if (error == 0) {
        error = json_set_text(task->body, "profile", or_null(agent->config->profile));
    }
    if (error == 0) {
        error = json_set_text(task->body, "order", agent->state.order);
    }
    return error == 0 ? add_cert_id(agent, task->body) : error;
}

static int describe_window(struct agent *agent, struct worker_message *task)
{
    int error = begin_task(agent, "window", task);
    return error == 0 ? add_cert_id(agent, task->body) : error;
}

static int describe_time(struct agent *agent, struct worker_message *task)
{
    int error = begin_task(agent, "time", task);
    if (error == 0) {
        error = statement_make_nonce(agent->clock.nonce);
    }
    return error == 0 ? json_set_text(task->body, "nonce", agent->clock.nonce) : error;
}

static int describe_addresses(struct agent *agent, struct worker_message *task)
{
    int error = begin_task(agent, "addresses", task);
    json_t *list = json_array();
    for (size_t i = 0; i < agent->addresses.count && error == 0; i++) {
        char text[46];
        lanname_address_text(&agent->addresses.at[i], text);
        error = json_array_append_new(list, json_string(text)) == 0 ? 0 : ERROR_MEMORY;
    }
    int64_t now_at = clock_wall_at();
    int64_t counter = agent->state.counter + 1;
    if (counter < now_at) {
        /* Also above what an earlier installation with this key has used. */
        counter = now_at;
    }
    if (error == 0) {
        error = json_set_i64(task->body, "counter", counter);
    }
    if (error == 0) {
        error = json_set_text(task->body, "receipt", agent->state.receipt);
    }
    if (error < 0) {
        json_decref(list);
        return error;
    }
    error = json_set_take(task->body, "addresses", list);
    agent->state.counter = counter;
    agent->publishing = agent->addresses;
    /* Durable before it is used: a counter that falls back would be refused for ever. */
    return error == 0 ? agent_save_state(agent) : error;
}

/* --- ends --- */

/* A refusal of ours says more than what the worker makes of it. */
static const char *code_of(const struct agent *agent, const struct worker_result *result)
{
    return agent->relay.refusal[0] != '\0' ? agent->relay.refusal : result->code;
}

static void note_failure(struct agent *agent, const struct worker_result *result)
{
    const char *code = agent->disk_failed ? "disk" : code_of(agent, result);
    char text[AGENT_STATE_TEXT_CAPACITY];
    text_printable(text, sizeof(text), result->text, strlen(result->text));
    text_copy(agent->state.failure_code, sizeof(agent->state.failure_code), code);
    text_copy(agent->state.failure_text, sizeof(agent->state.failure_text), text);
    agent->state.failure_at = clock_wall_at();
}

static void end_certify_done(struct agent *agent)
{
    struct life_now now = agent_now();
    agent_keep_installed(agent);
    agent_relay_succeeded(agent);
    agent->state.failure_code[0] = '\0';
    agent->state.failure_text[0] = '\0';
    agent->state.failure_at = 0;
    agent->state.hold_until_at = 0;
    if (agent->disk_failed) {
        text_copy(agent->state.failure_code, sizeof(agent->state.failure_code), "disk");
        agent->state.failure_at = now.wall_at;
    }
    struct life_event event = {
        .kind = LIFE_ISSUED,
        .certificate = {.not_before_at = agent->trusted_facts.not_before_at,
                        .not_after_at = agent->trusted_facts.not_after_at,
                        .obtained_at = agent->state.obtained_at},
    };
    life_step(&agent->life, &event, &now);
    agent_diagnosis_soon(agent, AGENT_DIAGNOSIS_TRUSTED);
    log_info("trusted certificate: serial %s by '%s' is served; %lld s to its end",
             agent->trusted_facts.serial, agent->trusted_facts.issuer,
             (long long)(agent->trusted_facts.not_after_at - now.wall_at));
    if (agent_save_state(agent) == 0 && agent_refresh_fallback(agent) < 0) {
        log_warning("fallback certificate: could not be made anew");
    }
}

static void end_certify_failed(struct agent *agent, const struct worker_result *result)
{
    struct life_now now = agent_now();
    if (strcmp(result->code, "csr") == 0) {
        agent_drop_pending(agent);
    }
    if (!result->keep_order && agent_state_set_order(&agent->state, NULL) < 0) {
        log_warning("state: %s", error_text(ERROR_MEMORY));
    }
    if (strcmp(result->code, "account") == 0) {
        /* The relay may have forgotten it: ask for one again, with the token. */
        agent->state.account_url[0] = '\0';
    }
    note_failure(agent, result);
    agent->state.hold_until_at =
        result->retry_after_s > 0 ? now.wall_at + result->retry_after_s : 0;
    struct life_event event = {
        .kind = LIFE_FAILED,
        .retry_after_s = result->retry_after_s,
        .permanent = result->permanent,
    };
    life_step(&agent->life, &event, &now);
    int64_t wait_s = (agent->life.retry_mono_ms - now.mono_ms + 999) / 1000;
    agent_diagnosis_soon(agent, AGENT_DIAGNOSIS_ORDER_FAILED);
    log_warning("order: %s (%s); trying again in %lld s", result->text,
                code_of(agent, result), (long long)wait_s);
    if (result->detail[0] != '\0' && strstr(result->text, result->detail) == NULL) {
        log_warning("order: the relay says '%s'", result->detail);
    }
    (void)agent_relay_failed(agent, code_of(agent, result));
    agent_save_state(agent);
}

/* What failed is a server of this device, not the order: the same certificate is tried again,
 * ever more slowly. */
void agent_end_trial(struct agent *agent, const char *code, const char *text)
{
    if (code[0] == '\0') {
        end_certify_done(agent);
        return;
    }
    unsigned doublings = agent->candidate_failures < TRIAL_DOUBLINGS
                             ? agent->candidate_failures
                             : TRIAL_DOUBLINGS;
    struct worker_result result = {
        .outcome = WORKER_OUTCOME_FAILED,
        .code = code,
        .text = text,
        .detail = "",
        .retry_after_s = (int64_t)TRIAL_RETRY_S << doublings,
        .keep_order = true,
    };
    agent_undo_install(agent);
    end_certify_failed(agent, &result);
}

static void end_window(struct agent *agent, const struct worker_result *result)
{
    struct life_now now = agent_now();
    int64_t before_at = agent->life.renew_at;
    struct life_event event = {
        .kind = LIFE_WINDOW,
        .retry_after_s = result->retry_after_s,
        /* A window that begins after the certificate's end, or that ends before it
           begins, is none. */
        .has_window = result->outcome == WORKER_OUTCOME_WINDOW && result->has_window &&
                      result->window_end_at > result->window_start_at &&
                      result->window_start_at < agent->trusted_facts.not_after_at,
        .window_start_at = result->window_start_at,
        .window_end_at = result->window_end_at,
    };
    life_step(&agent->life, &event, &now);
    if (result->outcome == WORKER_OUTCOME_FAILED) {
        log_debug("renewal window: none: %s", result->text);
    } else if (agent->life.renew_at != before_at) {
        char text[TEXT_TIME_CAPACITY];
        text_time(agent->life.renew_at, text);
        log_info("renewal window: renewing at %s", text);
    }
}

/* The relay's word on whether there is another one of us. A receipt that did not fit is looked at
 * again soon: a restored backup then fits, a copy does not. */
static void take_receipt(struct agent *agent, const struct worker_result *result)
{
    struct life_now now = agent_now();
    if (result->receipt[0] == '\0' ||
        !text_copy(agent->state.receipt, sizeof(agent->state.receipt), result->receipt)) {
        return;
    }
    if (result->is_cloned && agent->state.cloned_at == 0) {
        log_error("identity: another device has this one's key: both are the same to everybody. "
                  "Factory-reset one of them, and have the relay's operator settle it");
        agent->state.cloned_at = now.wall_at;
    } else if (!result->is_cloned && agent->state.cloned_at != 0) {
        log_info("identity: no other device with this key any more");
        agent->state.cloned_at = 0;
    }
    if (!result->is_matched) {
        log_warning("identity: the relay has heard from this device meanwhile, in a way that this "
                    "state does not know: a restored backup, or a copy of the device");
        agent->published_once = false;
        agent->publish_mono_ms = now.mono_ms + RECHECK_MS + (int64_t)random_below(RECHECK_MS);
    }
}

static void end_addresses(struct agent *agent, const struct worker_result *result)
{
    char text[512];
    struct life_now now = agent_now();
    own_addresses_text(&agent->publishing, text, sizeof(text));
    if (result->outcome == WORKER_OUTCOME_DONE) {
        agent->state.published = agent->publishing;
        agent->state.published_at = now.wall_at;
        agent->published_once = true;
        agent->publish_failures = 0;
        agent->publish_mono_ms = 0;
        agent->publish_imposed = false;
        take_receipt(agent, result);
        log_info("addresses: %s.%s.%s now leads to %s", agent->config->name,
                 agent->identity.id, agent->state.zone, text);
        agent_save_state(agent);
        return;
    }
    agent->publish_failures++;
    int64_t wait_ms =
        backoff_wait_ms(&publish_range, agent->publish_failures, random_below);
    if (result->permanent) {
        wait_ms = publish_range.longest_s * 1000;
    }
    if (result->retry_after_s * 1000 > wait_ms) {
        wait_ms = result->retry_after_s * 1000;
    }
    agent->publish_mono_ms = now.mono_ms + wait_ms;
    agent->publish_imposed = result->permanent || result->retry_after_s > 0;
    log_warning("addresses: %s not published: %s (%s); trying again in %lld s", text,
                result->text, result->code, (long long)(wait_ms / 1000));
}

static void dispatch_end(struct agent *agent, enum agent_task task,
                         const struct worker_result *result)
{
    switch (task) {
    case AGENT_TASK_CERTIFY:
        if (agent_has_candidate(agent)) {
            /* Whatever else the worker says: the chain was checked. */
            agent_begin_trial(agent);
        } else {
            end_certify_failed(agent, result);
        }
        break;
    case AGENT_TASK_WINDOW:
        end_window(agent, result);
        break;
    case AGENT_TASK_ADDRESSES:
        end_addresses(agent, result);
        break;
    case AGENT_TASK_TIME:
        if (agent_clock_end(agent, result) && agent->life.failures > 0) {
            struct life_event asked = {.kind = LIFE_ASKED};
            struct life_now now = agent_now();
            life_step(&agent->life, &asked, &now);
        }
        break;
    case AGENT_TASK_NONE:
        break;
    }
    if (result->outcome == WORKER_OUTCOME_FAILED && strcmp(result->code, "relay-date") == 0) {
        agent_clock_doubt(agent);
    }
}

static void on_end(const struct worker_result *result, void *arg)
{
    struct agent *agent = arg;
    enum agent_task task = agent->task;
    agent->session = NULL;
    agent->task = AGENT_TASK_NONE;
    dispatch_end(agent, task, result);
    /* Chains, JSON and signatures are gone: give their pages back to the system. */
    malloc_trim(0);
    agent_plan(agent);
}

static int on_save(const char *account_url, const char *order, char *reason,
                   size_t capacity, void *arg)
{
    struct agent *agent = arg;
    if (account_url != NULL &&
        !signing_rules_is_of_relay(account_url, agent->relay.current.directory)) {
        /* Kept, it could never be used: nothing would be signed in its name. */
        text_copy(reason, capacity, "the account is not at the configured relay");
        return ERROR_DENIED;
    }
    if (account_url != NULL) {
        if (strcmp(agent->state.account_url, account_url) != 0) {
            log_info("enrolment: the account is '%s'", account_url);
        }
        if (!text_copy(agent->state.account_url, sizeof(agent->state.account_url),
                       account_url)) {
            return ERROR_LIMIT;
        }
    }
    if (order != NULL) {
        int error = agent_state_set_order(&agent->state, order);
        if (error < 0) {
            return error;
        }
    }
    int error = agent_save_state(agent);
    if (error == ERROR_LIMIT && agent_state_set_order(&agent->state, NULL) == 0) {
        /* An order that is no order: it must not keep everything else from being saved. */
        text_copy(reason, capacity, "the order's state is too large");
    } else if (error < 0) {
        text_copy(reason, capacity, "the device can't write its state file");
    }
    return error;
}

static const struct worker_session_handlers certify_handlers = {
    .csr = agent_make_csr,
    .save = on_save,
    .certificate = agent_install,
    .relay = agent_relay_check,
    .end = on_end,
};

/* A window or a publication may learn the account's URL, but makes no keys. */
static const struct worker_session_handlers call_handlers = {
    .save = on_save,
    .relay = agent_relay_check,
    .end = on_end,
};

static void start(struct agent *agent, enum agent_task kind,
                  int (*describe)(struct agent *, struct worker_message *))
{
    bool certify = kind == AGENT_TASK_CERTIFY;
    struct worker_message task = {.body = NULL};
    struct worker_session_options options = {
        .worker = agent->worker,
        .key = agent->identity.key,
        .directory = agent->relay.current.directory,
        .timeout_s = certify ? CERTIFY_TIMEOUT_S : SHORT_TIMEOUT_S,
        .handlers = certify ? &certify_handlers : &call_handlers,
        .arg = agent,
    };
    agent->disk_failed = false;
    agent_relay_begin(agent);
    int error = describe(agent, &task);
    if (error == 0) {
        error = worker_session_start(agent->loop, &options, &task, &agent->session);
    }
    if (error == 0) {
        agent->task = kind;
    } else {
        char text[LIMIT_DETAIL_BYTES];
        text_format(text, sizeof(text), "'%s' could not be given a task: %s",
                    agent->worker,
                    error == ERROR_IO ? strerror(errno) : error_text(error));
        struct worker_result result = {
            .outcome = WORKER_OUTCOME_FAILED,
            .code = "worker",
            .text = text,
            .detail = "",
            .keep_order = true,
        };
        dispatch_end(agent, kind, &result);
    }
    worker_message_free(&task);
}

void agent_start_certify(struct agent *agent)
{
    struct life_event event = {.kind = LIFE_STARTED};
    struct life_now now = agent_now();
    if (agent_has_candidate(agent)) {
        log_info("trusted certificate: trying the one that waits once more");
        agent->disk_failed = false;
        life_step(&agent->life, &event, &now);
        agent_begin_trial(agent);
        return;
    }
    agent_relay_prefer_first(agent);
    log_info("order: asking %s for a certificate%s", agent->relay.current.directory,
             agent->state.order != NULL ? " (going on with the last order)" : "");
    life_step(&agent->life, &event, &now);
    start(agent, AGENT_TASK_CERTIFY, describe_certify);
}

void agent_start_window(struct agent *agent)
{
    start(agent, AGENT_TASK_WINDOW, describe_window);
}

void agent_start_addresses(struct agent *agent)
{
    start(agent, AGENT_TASK_ADDRESSES, describe_addresses);
}

void agent_start_time(struct agent *agent)
{
    start(agent, AGENT_TASK_TIME, describe_time);
}

void agent_drop_task(struct agent *agent)
{
    worker_session_free(agent->session);
    agent->session = NULL;
    agent->task = AGENT_TASK_NONE;
}

bool agent_wants_publication(const struct agent *agent, int64_t *ret_wait_ms)
{
    struct life_now now = agent_now();
    bool due = !agent->published_once || agent->state.published_at == 0 ||
               now.wall_at - agent->state.published_at > REPUBLISH_S ||
               agent->state.published_at > now.wall_at || /* by a clock that was wrong */
               !own_addresses_equal(&agent->state.published, &agent->addresses);
    bool any = agent->addresses.count > 0 || agent->state.published.count > 0;
    if (agent->state.account_url[0] == '\0' || agent->state.zone[0] == '\0' || !due ||
        !any) {
        return false;
    }
    int64_t wait_ms = agent->publish_mono_ms - now.mono_ms;
    *ret_wait_ms = wait_ms > 0 ? wait_ms : 0;
    return true;
}
