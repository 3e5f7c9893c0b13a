/* Which of the relays the agent uses, whether it is itself, and where it has moved.
 *
 * Candidates, in order: where the first was moved to by a signed statement, then those of the
 * configuration. The first that answers is used: after RELAY_FAILURES orders in a row that failed
 * because of the relay the next is turned to, and each renewal tries the first again. What the
 * agent knows of a relay (account, order, zone, key) is about one at a time and is forgotten when
 * it turns; the certificate that is served stays until the next one comes or it expires. */
#ifndef DEVICE_AGENT_RELAY_H
#define DEVICE_AGENT_RELAY_H

#include "base/core/json.h"
#include "base/core/limits.h"
#include "device/device_config.h"

struct agent;
struct key;

struct agent_relay {
    struct device_relay current;
    unsigned failures;   /* orders in a row */
    char refusal[32];    /* the code, when this task was refused by us; "" : it was not */
    bool is_move_tried;  /* in this run */
    bool is_key_strange; /* not the one it showed first; said once */
    /* As it said in the task at work. */
    struct key *key;
    char time_url[LIMIT_URL_BYTES];
};

/* Chooses the relay by configuration and state, which it makes be about that one. Whether it is
 * another one than before. */
bool agent_relay_open(struct agent *agent);
void agent_relay_close(struct agent *agent);

/* A worker_session handler; ARG is the agent. */
int agent_relay_check(const json_t *message, char *reason, size_t capacity, void *arg);
/* Whether ZONE is that of the relay as checked. */
bool agent_relay_has_zone(const struct agent *agent, const char *zone);

/* The relay of the configuration in whose place the present one is by a signed move, or "". */
const char *agent_relay_moved_from(const struct agent *agent);

/* A task begins. */
void agent_relay_begin(struct agent *agent);
/* A renewal begins: the first of the relays is tried again. */
void agent_relay_prefer_first(struct agent *agent);
/* A certificate of the present relay is served. */
void agent_relay_succeeded(struct agent *agent);
/* An order failed with CODE: turns to the next relay when it is time; whether it did. */
bool agent_relay_failed(struct agent *agent, const char *code);
/* Goes where the relay has moved, if it has; while no task is at work and nothing on trial. */
void agent_relay_follow_move(struct agent *agent);

#endif
