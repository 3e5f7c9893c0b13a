/* One at a time. The owner's question starts one at once, or joins the one at work; all other
 * reasons only set the timer, wait for an order at work, and come at most once in
 * SPACING_MS: a relay that refuses every minute must not keep a device busy with itself. */
#include "device/agent_parts.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/crypto/random.h"
#include "base/net/http_server.h"
#include "device/diagnosis_task.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_S = 60,
    ORDER_FAILED_MS = 1000,
    NETWORK_MS = 10 * 1000,
    TRUSTED_MS = 20 * 1000, /* the addresses are published by then */
    BUSY_MS = 5 * 1000,     /* an order is at work: look again */
    SPACING_MS = 5 * 60 * 1000,
    DAY_MS = 24 * 3600 * 1000,
    DAY_JITTER_MS = 3 * 3600 * 1000,
    JSON_BYTES = 48 << 10,
};

static void begin(struct agent *agent);

static void set_timer(struct agent *agent, int64_t due_mono_ms)
{
    struct agent_diagnosis *diagnosis = &agent->diagnosis;
    int64_t wait_ms = due_mono_ms - clock_mono_ms();
    diagnosis->due_mono_ms = due_mono_ms;
    loop_timer_set(diagnosis->timer, wait_ms > 0 ? wait_ms : 0);
}

static void fill_own(const struct agent *agent, struct diagnosis_own *ret_own)
{
    struct life_now now = agent_now();
    int64_t wait_ms = agent->life.retry_mono_ms - now.mono_ms;
    bool has_trusted = agent->trusted.cert != NULL;
    *ret_own = (struct diagnosis_own){
        .now_at = now.wall_at,
        .has_trusted = has_trusted,
        .not_before_at = agent->trusted_facts.not_before_at,
        .not_after_at = agent->trusted_facts.not_after_at,
        .renew_at = has_trusted ? agent->life.renew_at : 0,
        .failure_code = agent->state.failure_code,
        .failure_text = agent->state.failure_text,
        .failure_at = agent->state.failure_at,
        .next_try_at = wait_ms > 0 ? now.wall_at + (wait_ms + 999) / 1000 : 0,
        .is_running = true,
        .storage = storage_text(&agent->storage),
        .is_cloned = agent->state.cloned_at != 0,
    };
}

const struct diagnosis *agent_diagnosis_last(const struct agent *agent)
{
    struct diagnosis_own own;
    if (agent->diagnosis.last != NULL) {
        fill_own(agent, &own);
        diagnosis_task_add_own(&own, agent->diagnosis.last);
    }
    return agent->diagnosis.last;
}

/* --- those who wait --- */

static void on_gone(struct http_exchange *exchange, void *arg)
{
    struct agent *agent = arg;
    for (size_t i = 0; i < AGENT_DIAGNOSIS_WAITING_MAX; i++) {
        if (agent->diagnosis.waiting[i] == exchange) {
            agent->diagnosis.waiting[i] = NULL;
        }
    }
}

static void respond(struct agent *agent, struct http_exchange *exchange, int error)
{
    struct buffer body = buffer_init(JSON_BYTES);
    const struct diagnosis *last = agent_diagnosis_last(agent);
    json_t *object = NULL;
    if (error == 0) {
        error = last != NULL ? diagnosis_to_json(last, &object) : ERROR_STATE;
    }
    if (error == 0) {
        error = json_dump(object, &body);
    }
    http_exchange_respond(exchange, error == 0 ? 200 : 500, "application/json", body.data,
                          error == 0 ? body.size : 0);
    json_decref(object);
    buffer_free(&body);
}

static void respond_all(struct agent *agent, int error)
{
    for (size_t i = 0; i < AGENT_DIAGNOSIS_WAITING_MAX; i++) {
        struct http_exchange *exchange = agent->diagnosis.waiting[i];
        agent->diagnosis.waiting[i] = NULL;
        if (exchange != NULL) {
            respond(agent, exchange, error);
        }
    }
}

bool agent_diagnosis_on_control(struct agent *agent, struct http_exchange *exchange)
{
    struct agent_diagnosis *diagnosis = &agent->diagnosis;
    if (strcmp(http_exchange_method(exchange), "POST") != 0 ||
        strcmp(http_exchange_path(exchange), "/diagnose") != 0) {
        return false;
    }
    size_t place = 0;
    while (place < AGENT_DIAGNOSIS_WAITING_MAX && diagnosis->waiting[place] != NULL) {
        place++;
    }
    if (place == AGENT_DIAGNOSIS_WAITING_MAX || diagnosis->timer == NULL) {
        http_exchange_respond(exchange, 503, "text/plain", "", 0);
        return true;
    }
    diagnosis->waiting[place] = exchange;
    http_exchange_on_gone(exchange, on_gone, agent);
    if (diagnosis->session == NULL) {
        begin(agent);
    }
    return true;
}

/* --- the worker --- */

/* What is new since the last one goes to the log; the same fault every day is not news. */
static void log_news(const struct diagnosis *fresh, const struct diagnosis *before)
{
    for (int i = 0; i < DIAGNOSIS_CHECK_COUNT; i++) {
        enum diagnosis_code code = fresh->verdicts[i].code;
        bool is_news = before == NULL || before->verdicts[i].code != code;
        if (is_news && diagnosis_code_level(code) == DIAGNOSIS_FAIL) {
            log_warning("diagnosis: %s: %s", diagnosis_code_word(code),
                        diagnosis_code_text(code));
        }
    }
}

static int keep(struct agent *agent, const struct worker_result *result)
{
    struct diagnosis_own own;
    struct diagnosis *fresh = calloc(1, sizeof(*fresh));
    if (fresh == NULL) {
        return ERROR_MEMORY;
    }
    fill_own(agent, &own);
    int error = diagnosis_task_read(result->diagnosis, own.now_at, fresh);
    if (error < 0) {
        free(fresh);
        return error;
    }
    diagnosis_task_add_own(&own, fresh);
    log_news(fresh, agent->diagnosis.last);
    free(agent->diagnosis.last);
    agent->diagnosis.last = fresh;
    return 0;
}

static void on_end(const struct worker_result *result, void *arg)
{
    struct agent *agent = arg;
    int64_t now_mono_ms = clock_mono_ms();
    int error = ERROR_STATE;
    agent->diagnosis.session = NULL;
    if (result->outcome == WORKER_OUTCOME_DIAGNOSIS) {
        error = keep(agent, result);
    }
    if (error < 0) {
        log_warning("diagnosis: none was made: %s",
                    result->outcome == WORKER_OUTCOME_DIAGNOSIS ? error_text(error)
                                                                : result->text);
    }
    agent->diagnosis.earliest_mono_ms = now_mono_ms + SPACING_MS;
    set_timer(agent, now_mono_ms + DAY_MS - (int64_t)random_below(DAY_JITTER_MS));
    respond_all(agent, error);
    malloc_trim(0);
}

static const struct worker_session_handlers handlers = {.end = on_end};

static void begin(struct agent *agent)
{
    struct worker_message message = {.body = NULL};
    struct diagnosis_task task = {
        .config = agent->config,
        .relay = &agent->relay.current,
        .remembered_pin = agent->state.relay_pin,
        .relay_zone = agent->state.relay_zone,
        .key = agent->identity.key,
        .account_url = agent->state.account_url,
        .zone = agent->state.zone,
        .addresses = &agent->addresses,
        .port = agent_live_port(agent),
        .fingerprint = agent->is_trusted_served ? agent->trusted_facts.fingerprint : "",
    };
    struct worker_session_options options = {
        .worker = agent->worker,
        .key = agent->identity.key,
        .directory = agent->relay.current.directory,
        .timeout_s = TIMEOUT_S,
        .handlers = &handlers,
        .arg = agent,
    };
    int error = diagnosis_task_describe(&task, &message);
    if (error == 0) {
        error = worker_session_start(agent->loop, &options, &message,
                                     &agent->diagnosis.session);
    }
    worker_message_free(&message);
    if (error < 0) {
        log_warning("diagnosis: '%s' could not be given a task: %s", agent->worker,
                    error == ERROR_IO ? strerror(errno) : error_text(error));
        agent->diagnosis.earliest_mono_ms = clock_mono_ms() + SPACING_MS;
        set_timer(agent, agent->diagnosis.earliest_mono_ms);
        respond_all(agent, error);
    }
}

static void on_timer(void *arg)
{
    struct agent *agent = arg;
    if (agent->diagnosis.session != NULL) {
        return;
    }
    if (agent->session != NULL) {
        set_timer(agent, clock_mono_ms() + BUSY_MS);
        return;
    }
    begin(agent);
}

/* --- when --- */

void agent_diagnosis_soon(struct agent *agent, enum agent_diagnosis_reason reason)
{
    static const int delays_ms[] = {
        [AGENT_DIAGNOSIS_ORDER_FAILED] = ORDER_FAILED_MS,
        [AGENT_DIAGNOSIS_NETWORK] = NETWORK_MS,
        [AGENT_DIAGNOSIS_TRUSTED] = TRUSTED_MS,
    };
    struct agent_diagnosis *diagnosis = &agent->diagnosis;
    int64_t due_mono_ms = clock_mono_ms() + delays_ms[reason];
    bool is_known = diagnosis->last != NULL &&
                    diagnosis->last->verdicts[DIAGNOSIS_CHECK_CERTIFICATE].code ==
                        DIAGNOSIS_CERTIFICATE_GOOD;
    if (diagnosis->timer == NULL || (reason == AGENT_DIAGNOSIS_TRUSTED && is_known)) {
        return;
    }
    if (reason != AGENT_DIAGNOSIS_NETWORK && due_mono_ms < diagnosis->earliest_mono_ms) {
        due_mono_ms = diagnosis->earliest_mono_ms;
    }
    if (diagnosis->due_mono_ms == 0 || due_mono_ms < diagnosis->due_mono_ms) {
        set_timer(agent, due_mono_ms);
    }
}

void agent_diagnosis_open(struct agent *agent)
{
    if (loop_timer_new(agent->loop, on_timer, agent, &agent->diagnosis.timer) < 0) {
        agent->diagnosis.timer = NULL;
        log_warning("diagnosis: there will be none: %s", error_text(ERROR_MEMORY));
    }
}

void agent_diagnosis_close(struct agent *agent)
{
    worker_session_free(agent->diagnosis.session);
    loop_timer_free(agent->diagnosis.timer);
    free(agent->diagnosis.last);
}
