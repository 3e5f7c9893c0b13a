/*   none -> requested -> trial -> active -> expired
 *
 * The trial is what keeps an owner from locking themself out: its certificate is served for its
 * name at once, and it stays only if somebody confirms over a connection that was shown it.
 * Else it goes after five minutes, and with any end of the program, since it is in memory
 * alone. The relay's names are served beside it all the time. */
#include "device/agent_owner.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "device/agent_parts.h"
#include "device/clock_floor.h"

#include <errno.h>
#include <string.h>

enum {
    TRIAL_MS = 5 * 60 * 1000,
    LONGEST_SLEEP_MS = 3600 * 1000,
    DAY_S = 86400,
    RESPONSE_BYTES = 16 << 10,
    DER_BYTES = 2048,
};

static bool is_on_trial(const struct agent *agent)
{
    return agent->owner.cert.trial.cert != NULL;
}

const struct bundle *agent_owner_bundle(const struct agent *agent)
{
    const struct owner_cert *cert = &agent->owner.cert;
    if (is_on_trial(agent)) {
        return &cert->trial;
    }
    return cert->active.cert != NULL && !agent->owner.is_expired ? &cert->active : NULL;
}

const char *agent_owner_host(const struct agent *agent)
{
    const struct owner_cert *cert = &agent->owner.cert;
    return is_on_trial(agent)          ? cert->trial_host
           : cert->active.cert != NULL ? cert->host
                                       : "";
}

bool agent_owner_wants_look(const struct agent *agent)
{
    return is_on_trial(agent) && !agent->owner.is_looked_at;
}

/* The smallest of 30, 14, 7 and 1 days that is left; 0 for more. */
static int warn_days(int64_t left_s)
{
    static const int steps[] = {1, 7, 14, 30};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (left_s <= (int64_t)steps[i] * DAY_S) {
            return steps[i];
        }
    }
    return 0;
}

static int days_left(const struct agent *agent)
{
    const struct status_certificate *facts = &agent->owner.facts;
    return facts->is_present ? warn_days(facts->not_after_at - clock_wall_at()) : 0;
}

static void warn_of_end(struct agent *agent)
{
    struct agent_owner *owner = &agent->owner;
    int days = owner->is_expired ? 0 : days_left(agent);
    if (days != 0 && days != owner->warned_days) {
        log_warning("own certificate: '%s' ends within %d days; 'latchkey csr %s' makes "
                    "a request "
                    "for the next",
                    agent_owner_host(agent), days, agent_owner_host(agent));
    }
    owner->warned_days = days;
}

static void set_timer(struct agent *agent)
{
    struct agent_owner *owner = &agent->owner;
    int64_t wait_ms = LONGEST_SLEEP_MS;
    if (owner->timer == NULL) {
        return;
    }
    if (is_on_trial(agent)) {
        wait_ms = owner->trial_until_mono_ms - agent_now().mono_ms;
    } else if (owner->cert.active.cert != NULL && !owner->is_expired) {
        int64_t left_s = owner->facts.not_after_at - clock_wall_at();
        /* In steps: the clock may be set meanwhile. */
        wait_ms = left_s < LONGEST_SLEEP_MS / 1000 ? left_s * 1000 : LONGEST_SLEEP_MS;
        wait_ms = wait_ms < 60 * 1000 ? wait_ms : 60 * 1000;
    } else {
        return;
    }
    loop_timer_set(owner->timer, wait_ms > 0 ? wait_ms : 1);
}

/* Serves what there is by now, and tells the other servers. */
static void serve(struct agent *agent)
{
    struct agent_owner *owner = &agent->owner;
    const struct owner_cert *cert = &owner->cert;
    bool was_expired = owner->is_expired;
    owner->facts = (struct status_certificate){.is_present = false};
    if (cert->trial.cert != NULL || cert->active.cert != NULL) {
        agent_fill_certificate(cert->trial.cert != NULL ? cert->trial.cert
                                                        : cert->active.cert,
                               &owner->facts);
    }
    owner->is_expired = cert->active.cert != NULL &&
                        cert_not_after_at(cert->active.cert) <= clock_wall_at();
    const struct bundle *bundle = agent_owner_bundle(agent);
    if (bundle == NULL) {
        terminator_clear(agent->terminator, TLS_OWNER);
        if (owner->is_expired && !was_expired) {
            log_warning("own certificate: '%s' has run out; the fallback is served there",
                        cert->host);
        }
    } else if (terminator_set(agent->terminator, TLS_OWNER, bundle) < 0) {
        log_error("own certificate: it can't be served");
    }
    warn_of_end(agent);
    set_timer(agent);
}

static void end_trial(struct agent *agent, const char *why)
{
    struct agent_owner *owner = &agent->owner;
    log_warning("own certificate: the trial for '%s' is over: %s", owner->cert.trial_host,
                why);
    text_copy(owner->failure, sizeof(owner->failure), why);
    owner_cert_cancel(&owner->cert);
    serve(agent);
}

static void on_timer(void *arg)
{
    struct agent *agent = arg;
    if (is_on_trial(agent)) {
        if (agent_now().mono_ms >= agent->owner.trial_until_mono_ms) {
            end_trial(agent, "nobody confirmed it in time");
        } else {
            set_timer(agent);
        }
    } else {
        bool was_expired = agent->owner.is_expired;
        bool is_over = agent->owner.facts.not_after_at <= clock_wall_at();
        if (was_expired != is_over) {
            serve(agent);
        } else {
            warn_of_end(agent);
            set_timer(agent);
        }
    }
    agent_plan(agent);
}

void agent_owner_open(struct agent *agent)
{
    struct agent_owner *owner = &agent->owner;
    owner_cert_open(&owner->cert, agent->config->state_folder);
    if (loop_timer_new(agent->loop, on_timer, agent, &owner->timer) < 0) {
        log_error("own certificate: %s", error_text(ERROR_MEMORY));
    }
    serve(agent);
    if (owner->cert.active.cert != NULL) {
        log_info("own certificate: for '%s' by '%s'", owner->cert.host,
                 owner->facts.issuer);
    }
}

void agent_owner_close(struct agent *agent)
{
    if (agent->owner.timer != NULL) {
        loop_timer_free(agent->owner.timer);
        agent->owner.timer = NULL;
    }
    owner_cert_close(&agent->owner.cert);
}

/* --- what the owner asks for --- */

int agent_owner_request(struct agent *agent, const char *host, struct buffer *der,
                        char *reason, size_t capacity)
{
    char name[OWNER_HOST_CAPACITY];
    const char *zone = agent->state.zone;
    const char *wrong = owner_host_check(host, name);
    if (wrong == NULL && zone[0] != '\0' && text_ends_with(name, zone)) {
        wrong = "is in the relay's zone: the relay's certificate is for those";
    }
    if (wrong != NULL) {
        char quoted[80];
        text_printable(quoted, sizeof(quoted), host, strlen(host));
        text_format(reason, capacity, "'%s' %s", quoted, wrong);
        return ERROR_RANGE;
    }
    int error = owner_cert_request(&agent->owner.cert, name, der);
    agent_note_storage(agent, agent->owner.cert.folder, error);
    if (error < 0) {
        text_format(reason, capacity, "the request can't be made: %s",
                    error == ERROR_IO ? strerror(errno) : error_text(error));
        return error;
    }
    log_info("own certificate: a request for '%s' was made", name);
    return 0;
}

int agent_owner_offer(struct agent *agent, struct bytes upload,
                      struct upload_verdicts *ret_verdicts)
{
    struct agent_owner *owner = &agent->owner;
    int64_t now_at = clock_wall_at();
    struct upload_clock clock = {
        .now_at = now_at < CLOCK_FLOOR_AT ? CLOCK_FLOOR_AT : now_at,
        .is_set = now_at >= CLOCK_FLOOR_AT,
    };
    int error = owner_cert_offer(&owner->cert, upload, &clock, ret_verdicts);
    if (error < 0) {
        return error;
    }
    owner->trial_until_mono_ms = agent_now().mono_ms + TRIAL_MS;
    owner->is_looked_at = false;
    owner->failure[0] = '\0';
    serve(agent);
    log_info("own certificate: on trial for '%s', serial %s by '%s'",
             owner->cert.trial_host, owner->facts.serial, owner->facts.issuer);
    agent_plan(agent);
    return 0;
}

int agent_owner_confirm(struct agent *agent, const uint8_t leaf[static 32])
{
    struct agent_owner *owner = &agent->owner;
    uint8_t hash[32];
    if (!is_on_trial(agent)) {
        return ERROR_STATE;
    }
    int error = cert_fingerprint(owner->cert.trial.cert, hash);
    if (error < 0) {
        return error;
    }
    if (memcmp(hash, leaf, sizeof(hash)) != 0) {
        return ERROR_DENIED;
    }
    error = owner_cert_commit(&owner->cert);
    agent_note_storage(agent, owner->cert.folder, error);
    if (error < 0) {
        return error;
    }
    log_info("own certificate: '%s' is confirmed", owner->cert.host);
    serve(agent);
    agent_plan(agent);
    return 0;
}

void agent_owner_cancel(struct agent *agent)
{
    if (is_on_trial(agent)) {
        end_trial(agent, "it was taken back");
        agent->owner.failure[0] = '\0';
        agent_plan(agent);
    }
}

int agent_owner_remove(struct agent *agent)
{
    int error = owner_cert_remove(&agent->owner.cert);
    agent_note_storage(agent, agent->owner.cert.folder, error);
    agent->owner.failure[0] = '\0';
    serve(agent);
    log_info("own certificate: removed");
    agent_plan(agent);
    return error;
}

void agent_owner_looked(struct agent *agent, const char *code, const char *text)
{
    if (!is_on_trial(agent)) {
        return; /* confirmed or taken back meanwhile */
    }
    agent->owner.is_looked_at = true;
    if (code[0] != '\0') {
        end_trial(agent, text);
    }
}

/* --- what is shown --- */

static const char *state_text(const struct agent *agent)
{
    const struct agent_owner *owner = &agent->owner;
    if (is_on_trial(agent)) {
        return "trial";
    }
    if (owner->cert.active.cert != NULL) {
        return owner->is_expired ? "expired" : "active";
    }
    return owner->cert.request_key != NULL ? "requested" : "none";
}

void agent_owner_fill_status(const struct agent *agent, struct status_owner *ret_status)
{
    const struct agent_owner *owner = &agent->owner;
    int64_t left_ms = owner->trial_until_mono_ms - agent_now().mono_ms;
    *ret_status = (struct status_owner){
        .state = state_text(agent),
        .host = agent_owner_host(agent),
        .request_host = owner->cert.request_host,
        .certificate = &owner->facts,
        .trial_s = is_on_trial(agent) && left_ms > 0 ? (left_ms + 999) / 1000 : 0,
        .warn_days = days_left(agent),
        .failure = owner->failure,
    };
}

static int verdict_json(const struct upload_verdict *verdict, json_t *list)
{
    json_t *member = json_object();
    int error = json_set_text(member, "check", upload_check_text(verdict->check));
    if (error == 0) {
        error = json_set_bool(member, "good", verdict->is_good);
    }
    if (error == 0) {
        error = json_set_text(member, "code", verdict->code);
    }
    if (error == 0 && !verdict->is_good) {
        error = json_set_text(member, "sentence", verdict->sentence);
    }
    if (error < 0) {
        json_decref(member);
        return error;
    }
    return json_array_append_new(list, member) == 0 ? 0 : ERROR_MEMORY;
}

int agent_owner_verdicts_json(const struct upload_verdicts *verdicts, json_t **ret_object)
{
    json_t *object = json_object();
    json_t *list = json_array();
    int error = object != NULL && list != NULL ? 0 : ERROR_MEMORY;
    for (size_t i = 0; i < verdicts->count && error == 0; i++) {
        error = verdict_json(&verdicts->at[i], list);
    }
    if (error < 0) {
        json_decref(list);
        json_decref(object);
        return error;
    }
    error = json_set_take(object, "checks", list);
    if (error == 0) {
        error = json_set_bool(object, "good", verdicts->is_good);
    }
    if (error < 0) {
        json_decref(object);
        return error;
    }
    *ret_object = object;
    return 0;
}

/* --- the control socket --- */

/* Sends OBJECT, which is taken; ERROR is what became of making it. */
static void respond(struct http_exchange *exchange, json_t *object, int error)
{
    struct buffer body = buffer_init(RESPONSE_BYTES);
    if (error == 0) {
        error = object != NULL ? json_dump(object, &body) : ERROR_MEMORY;
    }
    http_exchange_respond(exchange, error == 0 ? 200 : 500, "application/json", body.data,
                          error == 0 ? body.size : 0);
    json_decref(object);
    buffer_free(&body);
}

static void respond_texts(struct http_exchange *exchange, const char *key,
                          const char *value)
{
    json_t *object = json_object();
    respond(exchange, object, json_set_text(object, key, value));
}

static void on_request(struct agent *agent, struct http_exchange *exchange)
{
    uint8_t room[DER_BYTES];
    char text[TEXT_BASE64URL_SIZE(sizeof(room)) + 1];
    char reason[LIMIT_DETAIL_BYTES] = "";
    struct buffer der = buffer_init(sizeof(room));
    int error = agent_owner_request(agent, http_exchange_query(exchange), &der, reason,
                                    sizeof(reason));
    if (error < 0) {
        respond_texts(exchange, "error", reason);
    } else {
        text_base64url(der.data, der.size, text);
        respond_texts(exchange, "csr", text);
    }
    buffer_free(&der);
}

static void on_offer(struct agent *agent, struct http_exchange *exchange)
{
    struct upload_verdicts verdicts;
    json_t *object = NULL;
    int error = agent_owner_offer(agent, http_exchange_body(exchange), &verdicts);
    if (error == ERROR_STATE) {
        respond_texts(
            exchange, "error",
            "there is no request that it could be for: 'latchkey csr HOST' makes one");
        return;
    }
    if (error == 0 || error == ERROR_RANGE) {
        error = agent_owner_verdicts_json(&verdicts, &object);
    }
    respond(exchange, object, error);
}

static void on_confirm(struct agent *agent, struct http_exchange *exchange)
{
    uint8_t leaf[32];
    size_t size = 0;
    const char *text = http_exchange_query(exchange);
    int error = text_hex_decode(text, strlen(text), leaf, sizeof(leaf), &size);
    if (error == 0) {
        error = size == sizeof(leaf) ? agent_owner_confirm(agent, leaf) : ERROR_SYNTAX;
    }
    respond_texts(exchange, error == 0 ? "confirmed" : "error",
                  error == 0              ? agent->owner.cert.host
                  : error == ERROR_STATE  ? "nothing is on trial"
                  : error == ERROR_DENIED ? "another certificate was seen"
                  : error == ERROR_IO     ? strerror(errno)
                                          : error_text(error));
}

/* Where the certificate on trial is to be seen, and by which name. */
static void on_show(const struct agent *agent, struct http_exchange *exchange)
{
    char connect[ADDRESS_TEXT_CAPACITY] = "";
    json_t *object = json_object();
    if (agent->live.has_verify) {
        address_text(&agent->live.verify, connect);
    } else {
        terminator_self_text(agent->terminator, connect);
    }
    int error = json_set_text(object, "state", state_text(agent));
    if (error == 0) {
        error = json_set_text(object, "host", agent_owner_host(agent));
    }
    if (error == 0) {
        error = json_set_text(object, "connect", connect);
    }
    if (error == 0) {
        error = json_set_i64(object, "port", agent_live_port(agent));
    }
    respond(exchange, object, error);
}

bool agent_owner_on_control(struct agent *agent, struct http_exchange *exchange)
{
    const char *path = http_exchange_path(exchange);
    bool is_post = strcmp(http_exchange_method(exchange), "POST") == 0;
    if (!is_post && strcmp(path, "/own.json") == 0) {
        on_show(agent, exchange);
    } else if (is_post && strcmp(path, "/own/request") == 0) {
        on_request(agent, exchange);
    } else if (is_post && strcmp(path, "/own/offer") == 0) {
        on_offer(agent, exchange);
    } else if (is_post && strcmp(path, "/own/confirm") == 0) {
        on_confirm(agent, exchange);
    } else if (is_post && strcmp(path, "/own/cancel") == 0) {
        agent_owner_cancel(agent);
        on_show(agent, exchange);
    } else if (is_post && strcmp(path, "/own/remove") == 0) {
        int error = agent_owner_remove(agent);
        if (error < 0) {
            respond_texts(exchange, "error",
                          error == ERROR_IO ? strerror(errno) : error_text(error));
        } else {
            on_show(agent, exchange);
        }
    } else {
        return false;
    }
    return true;
}
