/* Life without a clock: the time from the relay, signed by its own key, and a floor below which
 * no time is believed.
 *
 * The floor is the latest of: when this program was written, what was stored, the newest signed
 * time. Only signed time, and what has passed since by the monotonic clock, is ever stored: a clock
 * that once stood in 2038 must not lock the device there. The system's clock is not set; while it
 * is wrong, base/core/clock.h is corrected, and when it comes right it counts again. */
#ifndef DEVICE_AGENT_CLOCK_H
#define DEVICE_AGENT_CLOCK_H

#include "acme/acme.h"

struct agent;
struct worker_result;

struct agent_clock {
    bool is_wanted;      /* the time is to be asked for as soon as may be */
    bool is_signed;      /* in this run */
    bool is_provisional; /* not stored until a connection was judged by it, with dates, and
                            the relay's key was the one that signed it */
    char signed_by[KEY_PIN_SIZE + 1];     /* the pin of the key that signed it */
    char nonce[STATEMENT_NONCE_SIZE + 1]; /* of the question at work */
    int64_t signed_at;
    int64_t signed_mono_ms; /* when it came */
    int64_t saved_mono_ms;
    int64_t retry_mono_ms; /* no question before */
    unsigned failures;
};

/* Judges the system's clock at the start. */
void agent_clock_open(struct agent *agent);
/* Stores the floor. */
void agent_clock_close(struct agent *agent);
/* Looks at the system's clock again, and stores the floor once an hour. Cheap. */
void agent_clock_tick(struct agent *agent);

/* Whether the relay is to be asked for the time; *RET_WAIT_MS when (0: now). */
bool agent_clock_wants(const struct agent *agent, int64_t *ret_wait_ms);
/* The relay's certificate had dates that do not fit: ours may be the wrong ones. */
void agent_clock_doubt(struct agent *agent);
/* What a task `time` brought; whether the time is known now. */
bool agent_clock_end(struct agent *agent, const struct worker_result *result);
/* A connection that was judged with dates has shown what the relay's key is: what was provisional
 * is stored if that key, or the pinned one, signed it, and is dropped if not. */
void agent_clock_confirm(struct agent *agent);
/* The earliest moment that it can be now. */
int64_t agent_clock_floor(const struct agent *agent);

#endif
