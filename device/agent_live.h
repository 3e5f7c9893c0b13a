/* What other servers are given: the files in live/, the command, the look at what they serve. */
#ifndef DEVICE_AGENT_LIVE_H
#define DEVICE_AGENT_LIVE_H

#include "base/net/address.h"
#include "device/live.h"
#include "device/rollout.h"

struct agent;
struct status_live;

enum live_kind { LIVE_FALLBACK, LIVE_TRUSTED, LIVE_OWN };

/* The certificate on trial while a rollout is at work. */
enum live_trial { LIVE_NO_TRIAL, LIVE_TRIAL_TRUSTED, LIVE_TRIAL_OWN };

struct agent_live {
    struct live files;
    bool is_open; /* `files` is known; else the disk is to be tried again */
    struct hook_command command; /* `reload` */
    struct address verify;       /* `verify` */
    bool has_verify;
    struct rollout *rollout;
    enum live_kind kind;   /* of what is in the files */
    enum live_trial trial; /* of the rollout at work */
    bool is_first;         /* the rollout at work is for files that were never there */
    char at_work[LIVE_FINGERPRINT_CAPACITY]; /* the leaf that it is for */
    unsigned failures;     /* in a row, of rollouts that were no trial */
    int64_t retry_mono_ms; /* no such rollout before */
    char failure_code[32]; /* of the last of them; "" : it went well */
    char failure_text[LIMIT_DETAIL_BYTES];
    int64_t failure_at;
};

/* Checks `reload`, `verify` and `live_group`, and looks what live/ holds. What is wrong is
 * logged; an error means that the agent can't be started as it is configured. */
int agent_live_open(struct agent *agent) MUST_CHECK;
/* Brings the files up to what is to be served, and begins what follows from it; a trial is
 * looked at in any case. *RET_WAIT_MS: when to be asked again at the latest. */
void agent_live_plan(struct agent *agent, int64_t *ret_wait_ms);
/* The port by which people reach HTTPS here: ours, else that of `verify`, else 443. */
uint16_t agent_live_port(const struct agent *agent);
/* For the status. */
void agent_live_fill_status(const struct agent *agent, struct status_live *ret_status);
void agent_live_close(struct agent *agent);

#endif
