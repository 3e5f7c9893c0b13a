/* A relay is its key: the configuration may pin it ('#' in the URL), and else the first that it
 * shows over TLS that was verified with dates is remembered. The pin decides whether anything is
 * done with the relay at all; the remembered one only whether its time and its moves are believed,
 * so that a relay that lost its key goes on issuing. */
#include "device/agent_relay.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "device/agent_clock.h"
#include "device/agent_parts.h"
#include "device/relay_candidates.h"
#include "device/relay_facts.h"

#include <stdio.h>
#include <string.h>

enum { RELAY_FAILURES = 2 };

static void list(const struct agent *agent, struct relay_candidates *ret_candidates)
{
    relay_candidates_list(agent->config, &agent->state, ret_candidates);
}

static void forget_facts(struct agent_relay *relay)
{
    key_free(relay->key);
    relay->key = NULL;
    relay->time_url[0] = '\0';
    relay->refusal[0] = '\0';
}

bool agent_relay_open(struct agent *agent)
{
    struct relay_candidates candidates;
    list(agent, &candidates);
    agent->relay.current = *relay_candidates_current(&candidates, &agent->state);
    return agent_state_turn_to(&agent->state, agent->relay.current.directory);
}

void agent_relay_close(struct agent *agent)
{
    forget_facts(&agent->relay);
}

/* Explicit, and said. */
static void turn(struct agent *agent, const struct device_relay *relay, const char *why)
{
    struct life_event asked = {.kind = LIFE_ASKED};
    struct life_now now = agent_now();
    log_info("relay: turning from '%s' to '%s': %s", agent->relay.current.directory,
             relay->directory, why);
    agent->relay.current = *relay;
    agent->relay.failures = 0;
    agent->relay.is_key_strange = false;
    forget_facts(&agent->relay);
    agent_drop_candidate(agent);
    (void)agent_state_turn_to(&agent->state, relay->directory);
    agent->published_once = false;
    agent->publish_failures = 0;
    agent->publish_mono_ms = 0;
    agent->publish_imposed = false;
    (void)agent_save_state(agent);
    life_step(&agent->life, &asked, &now);
}

/* --- what the relay says of itself --- */

static void refuse(struct agent *agent, const char *code, const char *reason)
{
    text_copy(agent->relay.refusal, sizeof(agent->relay.refusal), code);
    log_warning("relay: '%s': %s", agent->relay.current.directory, reason);
}

/* Known, or one from before. */
static bool is_known_move(const struct agent_state *state, const char *from,
                          int64_t serial)
{
    return (strcmp(state->move_about, from) == 0 && serial <= state->move_serial) ||
           (strcmp(state->move_second, from) == 0 &&
            serial <= state->move_second_serial) ||
           (strcmp(state->move_third, from) == 0 && serial <= state->move_third_serial);
}

/* The relays that moved lately are remembered: one that moved away and one that moved back may both
 * go on saying so, and the device would order a certificate of each in turn, without end. */
static void note_move(struct agent_state *state, const char *from, int64_t serial)
{
    if (strcmp(state->move_about, from) != 0) {
        if (strcmp(state->move_second, from) != 0) {
            text_copy(state->move_third, sizeof(state->move_third), state->move_second);
            state->move_third_serial = state->move_second_serial;
        }
        text_copy(state->move_second, sizeof(state->move_second), state->move_about);
        state->move_second_serial = state->move_serial;
        text_copy(state->move_about, sizeof(state->move_about), from);
    }
    state->move_serial = serial;
}

/* A statement of the relay under the key that we know as its own. Whether it is news. */
static bool take_move(struct agent *agent, const struct relay_facts *facts)
{
    struct agent_state *state = &agent->state;
    const char *from = agent->relay.current.directory;
    struct statement_move move;
    if (facts->moved_to == NULL || facts->key == NULL) {
        return false;
    }
    int error = statement_read_move(facts->moved_to, strlen(facts->moved_to), facts->key,
                                    from, &move);
    if (error < 0) {
        log_warning("relay: a move that it announces is not believed: %s",
                    error_text(error));
        return false;
    }
    if (is_known_move(state, from, move.serial)) {
        return false;
    }
    note_move(state, from, move.serial);
    agent->relay.is_move_tried = false;
    state->moved_issued_at = 0;
    if (strcmp(move.to, from) == 0) {
        log_info("relay: move %lld: it stays where it is", (long long)move.serial);
        if (strcmp(state->moved_from, from) == 0) {
            state->moved_to[0] = '\0';
            state->moved_pin[0] = '\0';
        }
        return true;
    }
    log_info("relay: move %lld: it has moved to '%s', signed by its own key",
             (long long)move.serial, move.to);
    /* A move of a relay that was moved to itself: the configuration still names the first. */
    if (relay_candidates_is_configured(agent->config, from)) {
        text_copy(state->moved_from, sizeof(state->moved_from), from);
    }
    text_copy(state->moved_to, sizeof(state->moved_to), move.to);
    text_copy(state->moved_pin, sizeof(state->moved_pin), move.pin);
    return true;
}

/* What was learnt over a connection whose certificate was judged with dates. */
static void remember(struct agent *agent, const struct relay_facts *facts,
                     bool is_strange)
{
    struct agent_state *state = &agent->state;
    bool is_new = state->relay_zone[0] == '\0' ||
                  (state->relay_pin[0] == '\0' && facts->pin[0] != '\0');
    if (state->relay_zone[0] == '\0') {
        text_copy(state->relay_zone, sizeof(state->relay_zone), facts->zone);
    }
    if (state->relay_pin[0] == '\0' && facts->pin[0] != '\0') {
        text_copy(state->relay_pin, sizeof(state->relay_pin), facts->pin);
        log_info("relay: its own key has the pin '%s'%s", facts->pin,
                 agent->relay.current.pin[0] != '\0' ? "" : "; remembered");
    }
    agent_clock_confirm(agent);
    bool is_moved = !is_strange && take_move(agent, facts);
    if (is_new || is_moved) {
        (void)agent_save_state(agent);
    }
}

static int judge(struct agent *agent, struct relay_facts *facts, char *reason,
                 size_t capacity)
{
    const struct relay_known known = {
        .pin = agent->relay.current.pin,
        .remembered = agent->relay.current.pin[0] != '\0' ? "" : agent->state.relay_pin,
        .zone = agent->state.relay_zone,
    };
    bool is_time = agent->task == AGENT_TASK_TIME;
    bool is_strange = false;
    switch (relay_facts_judge(facts, &known, reason, capacity)) {
    case RELAY_NOT_ITSELF:
        refuse(agent, "relay-not-itself", reason);
        return ERROR_DENIED;
    case RELAY_ZONE_CHANGED:
        refuse(agent, "zone-changed", reason);
        return ERROR_DENIED;
    case RELAY_KEY_CHANGED:
        if (is_time) {
            refuse(agent, "relay-not-itself", reason);
            return ERROR_DENIED;
        }
        is_strange = true;
        if (!agent->relay.is_key_strange) {
            log_warning(
                "relay: '%s': %s; its time and its moves are not believed: name it with "
                "its pin in the configuration",
                agent->relay.current.directory, reason);
        }
        break;
    case RELAY_ITSELF:
        break;
    }
    agent->relay.is_key_strange = is_strange;
    if (!is_time) {
        remember(agent, facts, is_strange);
    }
    return 0;
}

int agent_relay_check(const json_t *message, char *reason, size_t capacity, void *arg)
{
    struct agent *agent = arg;
    struct relay_facts facts = {.key = NULL};
    int error = relay_facts_read(message, agent->relay.current.directory, &facts, reason,
                                 capacity);
    if (error < 0) {
        refuse(agent, "relay-not-itself", reason);
        return ERROR_DENIED;
    }
    error = judge(agent, &facts, reason, capacity);
    if (error == 0) {
        forget_facts(&agent->relay);
        agent->relay.key = facts.key;
        facts.key = NULL;
        text_copy(agent->relay.time_url, sizeof(agent->relay.time_url), facts.time_url);
    }
    relay_facts_free(&facts);
    return error;
}

bool agent_relay_has_zone(const struct agent *agent, const char *zone)
{
    return zone != NULL && strcmp(agent->state.relay_zone, zone) == 0;
}

const char *agent_relay_moved_from(const struct agent *agent)
{
    const struct agent_state *state = &agent->state;
    /* Moved back, it is where the configuration says. */
    bool is_moved = strcmp(agent->relay.current.directory, state->moved_to) == 0 &&
                    strcmp(state->moved_from, state->moved_to) != 0;
    return is_moved ? state->moved_from : "";
}

/* --- which one --- */

void agent_relay_begin(struct agent *agent)
{
    forget_facts(&agent->relay);
}

void agent_relay_prefer_first(struct agent *agent)
{
    struct relay_candidates candidates;
    list(agent, &candidates);
    if (agent->state.order == NULL && agent->relay.failures == 0 &&
        agent->life.failures == 0 &&
        relay_candidates_find(&candidates, agent->relay.current.directory) != 0) {
        turn(agent, &candidates.at[0], "it comes first");
    }
}

void agent_relay_succeeded(struct agent *agent)
{
    agent->relay.failures = 0;
    if (strcmp(agent->relay.current.directory, agent->state.moved_to) == 0 &&
        agent->state.moved_issued_at == 0) {
        log_info("relay: the move to '%s' is complete", agent->state.moved_to);
        agent->state.moved_issued_at = clock_wall_at();
    }
}

bool agent_relay_failed(struct agent *agent, const char *code)
{
    static const char *const codes[] = {"net", "no-relay", "relay-not-itself",
                                        "zone-changed"};
    struct relay_candidates candidates;
    bool is_relays = false;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        is_relays = is_relays || strcmp(code, codes[i]) == 0;
    }
    agent->relay.failures = is_relays ? agent->relay.failures + 1 : 0;
    list(agent, &candidates);
    if (agent->relay.failures < RELAY_FAILURES || candidates.count < 2) {
        return false;
    }
    size_t index = relay_candidates_find(&candidates, agent->relay.current.directory) + 1;
    turn(agent, &candidates.at[index < candidates.count ? index : 0],
         "the other one does not answer as it should");
    return true;
}

void agent_relay_follow_move(struct agent *agent)
{
    const struct agent_state *state = &agent->state;
    struct relay_candidates candidates;
    if (strcmp(state->move_about, agent->relay.current.directory) != 0 ||
        state->moved_issued_at != 0 || agent->relay.is_move_tried) {
        return;
    }
    list(agent, &candidates);
    if (state->moved_to[0] == '\0' ||
        strcmp(candidates.at[0].directory, state->moved_to) != 0 ||
        strcmp(state->moved_to, agent->relay.current.directory) == 0) {
        return;
    }
    agent->relay.is_move_tried = true;
    turn(agent, &candidates.at[0], "it has moved there");
}
