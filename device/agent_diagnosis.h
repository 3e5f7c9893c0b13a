/* When the agent looks what is wrong, and what it found; a part of the agent. A diagnosis has
 * a worker of its own beside the one that orders, so that no order ever waits for it. */
#ifndef DEVICE_AGENT_DIAGNOSIS_H
#define DEVICE_AGENT_DIAGNOSIS_H

#include "device/diagnosis.h"

struct agent;
struct http_exchange;
struct loop_timer;
struct worker_session;

enum { AGENT_DIAGNOSIS_WAITING_MAX = 4 };

struct agent_diagnosis {
    struct loop_timer *timer;
    struct worker_session *session; /* at work, or NULL */
    struct diagnosis *last;         /* NULL: none yet */
    int64_t due_mono_ms;            /* when the timer fires */
    int64_t earliest_mono_ms;       /* for one that nobody waits for */
    struct http_exchange *waiting[AGENT_DIAGNOSIS_WAITING_MAX];
};

/* Why one should be made soon. */
enum agent_diagnosis_reason {
    AGENT_DIAGNOSIS_ORDER_FAILED,
    AGENT_DIAGNOSIS_NETWORK, /* the addresses have changed */
    AGENT_DIAGNOSIS_TRUSTED, /* the first trusted certificate is served */
};

/* The loop is there; an agent without a timer for it works all the same. */
void agent_diagnosis_open(struct agent *agent);
void agent_diagnosis_close(struct agent *agent);
/* Plans one; several reasons in a row make one diagnosis. */
void agent_diagnosis_soon(struct agent *agent, enum agent_diagnosis_reason reason);
/* The last one, with what the agent knows by itself as of now; NULL before the first. Good
 * until the next call. */
const struct diagnosis *agent_diagnosis_last(const struct agent *agent);
/* Responds to POST /diagnose on the control socket when the diagnosis is there; false for
 * other requests. */
bool agent_diagnosis_on_control(struct agent *agent, struct http_exchange *exchange);

#endif
