/* A signed time is believed when the key is the pinned or the remembered one, the nonce is the one
 * of this question, the zone is the relay's, and it is not before the floor. It is stored as the
 * floor only once the relay's TLS certificate was found valid by it: whoever had the relay's key
 * for a day and signed the year 2100 would else have turned devices off for good.
 *
 * Without a pin and before anything was remembered there is only the relay's TLS certificate, whose
 * chain and name were verified without its dates. The time is then used but not stored, and the
 * next connection judges that certificate by it: so it can't lie outside the certificate's life,
 * nor before the floor. Whoever has an old key of the relay's name can turn such a device back to
 * those days; a pin in the configuration is what holds against that. */
#include "device/agent_clock.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/random.h"
#include "device/agent_parts.h"
#include "device/clock_floor.h"

#include <stdlib.h>
#include <string.h>

enum {
    NEAR_S = 120, /* as good as right: TLS and certificates need no more */
    SAVE_MS = 3600 * 1000,
    ASK_AGAIN_MS = 3600 * 1000,    /* after an answer that did not help */
    REFRESH_MS = 24 * 3600 * 1000, /* of the floor */
    FIRST_REFRESH_MS = 3600 * 1000,
};

static const struct backoff_range ask_range = {.first_s = 5, .longest_s = 3600};

/* By the last signed time and the monotonic clock. */
static int64_t estimate_at(const struct agent_clock *clock)
{
    return clock->signed_at + (clock_mono_ms() - clock->signed_mono_ms) / 1000;
}

int64_t agent_clock_floor(const struct agent *agent)
{
    const struct agent_clock *clock = &agent->clock;
    int64_t floor_at = CLOCK_FLOOR_AT;
    if (agent->state.time_floor_at > floor_at) {
        floor_at = agent->state.time_floor_at;
    }
    if (clock->is_signed && !clock->is_provisional &&
        estimate_at(clock) - NEAR_S > floor_at) {
        floor_at = estimate_at(clock) - NEAR_S;
    }
    return floor_at;
}

static void say_system(const char *what, int64_t floor_at)
{
    char system[TEXT_TIME_CAPACITY];
    char floor[TEXT_TIME_CAPACITY];
    text_time(clock_system_at(), system);
    text_time(floor_at, floor);
    log_warning("clock: the system's says %s, which is before %s; %s", system, floor,
                what);
}

/* Ours goes on from the floor until the relay has told the time. */
static void stand_on_floor(struct agent *agent)
{
    int64_t floor_at = agent_clock_floor(agent);
    if (clock_system_at() < floor_at) {
        say_system("asking the relay for the time", floor_at);
        clock_correct(floor_at);
    } else {
        clock_trust_system();
    }
    agent->clock.is_wanted = true;
    if (agent->clock.failures == 0) {
        agent->clock.retry_mono_ms = 0;
    }
}

void agent_clock_open(struct agent *agent)
{
    struct agent_clock *clock = &agent->clock;
    *clock = (struct agent_clock){.saved_mono_ms = clock_mono_ms()};
    clock->retry_mono_ms = clock_mono_ms() + FIRST_REFRESH_MS;
    if (clock_system_at() < agent_clock_floor(agent)) {
        stand_on_floor(agent);
    }
}

/* Raises the stored floor to what is known. Whether it did. */
static bool raise_floor(struct agent *agent)
{
    const struct agent_clock *clock = &agent->clock;
    int64_t now_at = estimate_at(clock);
    if (!clock->is_signed || clock->is_provisional ||
        now_at <= agent->state.time_floor_at) {
        return false;
    }
    agent->state.time_floor_at = now_at;
    return true;
}

void agent_clock_close(struct agent *agent)
{
    if (raise_floor(agent)) {
        (void)agent_save_state(agent);
    }
}

/* Corrected: whether the system's clock has come right meanwhile. */
static bool has_come_right(const struct agent *agent)
{
    const struct agent_clock *clock = &agent->clock;
    int64_t system_at = clock_system_at();
    return clock->is_signed ? llabs(system_at - estimate_at(clock)) <= NEAR_S
                            : system_at >= agent_clock_floor(agent);
}

void agent_clock_tick(struct agent *agent)
{
    struct agent_clock *clock = &agent->clock;
    if (clock_is_corrected() && has_come_right(agent)) {
        log_info("clock: the system's is right now; using it");
        clock_trust_system();
        clock->is_wanted = false;
    } else if (!clock_is_corrected() && clock_system_at() < agent_clock_floor(agent)) {
        stand_on_floor(agent);
    }
    if (clock_mono_ms() - clock->saved_mono_ms >= SAVE_MS) {
        clock->saved_mono_ms = clock_mono_ms();
        if (raise_floor(agent)) {
            (void)agent_save_state(agent);
        }
    }
}

bool agent_clock_wants(const struct agent *agent, int64_t *ret_wait_ms)
{
    int64_t wait_ms = agent->clock.retry_mono_ms - clock_mono_ms();
    *ret_wait_ms = wait_ms > 0 ? wait_ms : 0;
    return agent->clock.is_wanted || wait_ms <= 0;
}

void agent_clock_doubt(struct agent *agent)
{
    struct agent_clock *clock = &agent->clock;
    int64_t now_mono_ms = clock_mono_ms();
    if (clock->is_wanted ||
        (clock->is_signed && now_mono_ms - clock->signed_mono_ms < ASK_AGAIN_MS)) {
        return; /* asked, or known: then it is the relay's certificate that is wrong */
    }
    clock->is_wanted = true;
    clock->retry_mono_ms =
        clock->failures == 0
            ? 0
            : now_mono_ms + backoff_wait_ms(&ask_range, clock->failures, random_below);
}

static void ask_later(struct agent *agent, const struct worker_result *result,
                      const char *why)
{
    struct agent_clock *clock = &agent->clock;
    clock->failures++;
    int64_t wait_ms = backoff_wait_ms(&ask_range, clock->failures, random_below);
    if (result->permanent || !clock->is_wanted) {
        wait_ms = REFRESH_MS;
    }
    if (result->retry_after_s * 1000 > wait_ms) {
        wait_ms = result->retry_after_s * 1000;
    }
    clock->retry_mono_ms = clock_mono_ms() + wait_ms;
    if (clock->is_wanted) {
        log_warning("clock: no time from the relay: %s; asking again in %lld s", why,
                    (long long)(wait_ms / 1000));
        /* Without one that can tell the time, orders are tried by the clock as it is. */
        clock->is_wanted = !result->permanent;
    } else {
        log_debug("clock: no time from the relay: %s", why);
    }
}

static const char *check(const struct agent *agent, const struct worker_result *result,
                         struct statement_time *ret_time)
{
    const char *zone = agent->state.relay_zone;
    const struct agent_relay *relay = &agent->relay;
    if (result->outcome != WORKER_OUTCOME_TIME) {
        return result->text;
    }
    if (relay->key == NULL || relay->time_url[0] == '\0') {
        return "the relay has no key of its own";
    }
    int error =
        statement_read_time(result->statement, strlen(result->statement), relay->key,
                            relay->time_url, agent->clock.nonce, ret_time);
    if (error < 0) {
        return error == ERROR_SIGNATURE ? "what it says is not signed by its key"
               : error == ERROR_DENIED  ? "what it says is an answer to somebody else"
                                        : "what it says makes no sense";
    }
    if (zone[0] != '\0' && strcmp(zone, ret_time->zone) != 0) {
        return "it speaks for another zone";
    }
    return ret_time->at < agent_clock_floor(agent) ? "it would turn the clock back"
                                                   : NULL;
}

/* "" when no key is pinned or remembered. */
static const char *known_pin(const struct agent *agent)
{
    const char *pin = agent->relay.current.pin;
    return pin[0] != '\0' ? pin : agent->state.relay_pin;
}

static void take_time(struct agent *agent, int64_t at)
{
    struct agent_clock *clock = &agent->clock;
    char text[TEXT_TIME_CAPACITY];
    text_time(at, text);
    clock->signed_at = at;
    clock->signed_mono_ms = clock_mono_ms();
    clock->is_signed = true;
    if (statement_pin(agent->relay.key, clock->signed_by) < 0) {
        clock->signed_by[0] = '\0'; /* trusted for this run only */
    }
    clock->is_provisional = true;
    clock->is_wanted = false;
    clock->failures = 0;
    clock->retry_mono_ms = clock->signed_mono_ms + REFRESH_MS;
    if (llabs(at - clock_system_at()) <= NEAR_S) {
        log_debug("clock: the relay says %s, as the system does", text);
        clock_trust_system();
    } else {
        log_info("clock: the relay says it is %s%s; the system's clock is not used", text,
                 known_pin(agent)[0] == '\0' ? " (its key is not yet known)" : "");
        clock_correct(at);
    }
}

bool agent_clock_end(struct agent *agent, const struct worker_result *result)
{
    struct statement_time time = {.at = 0};
    const char *why = check(agent, result, &time);
    agent->clock.nonce[0] = '\0'; /* an answer is good once */
    if (why != NULL) {
        ask_later(agent, result, why);
        return false;
    }
    take_time(agent, time.at);
    return true;
}

void agent_clock_confirm(struct agent *agent)
{
    struct agent_clock *clock = &agent->clock;
    if (!clock->is_signed || !clock->is_provisional) {
        return;
    }
    clock->is_provisional = false;
    if (strcmp(clock->signed_by, known_pin(agent)) == 0) {
        if (raise_floor(agent)) {
            (void)agent_save_state(agent);
        }
        return;
    }
    log_warning("clock: the time was signed by another key than the relay has: it is not "
                "believed any more");
    clock->is_signed = false;
    stand_on_floor(agent);
}
