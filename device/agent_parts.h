/* The agent's insides, shared by agent*.c only. */
#ifndef DEVICE_AGENT_PARTS_H
#define DEVICE_AGENT_PARTS_H

#include "device/agent.h"
#include "device/agent_clock.h"
#include "device/agent_live.h"
#include "device/agent_mdns.h"
#include "device/agent_diagnosis.h"
#include "device/agent_network.h"
#include "device/agent_owner.h"
#include "device/agent_pages.h"
#include "device/agent_relay.h"
#include "device/agent_state.h"
#include "device/app_list.h"
#include "device/bundle.h"
#include "device/device_status.h"
#include "device/identity_source.h"
#include "device/invitation.h"
#include "device/storage.h"
#include "device/terminator.h"
#include "device/worker_session.h"

enum { AGENT_PATH_CAPACITY = 4096 };

enum agent_task {
    AGENT_TASK_NONE,
    AGENT_TASK_CERTIFY,
    AGENT_TASK_WINDOW,
    AGENT_TASK_ADDRESSES,
    AGENT_TASK_TIME,
};

struct agent {
    const struct device_config *config;
    char worker[AGENT_PATH_CAPACITY];
    char local_name[80];
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_signal *terminate;
    struct loop_signal *interrupt;
    int lock_fd;
    struct identity_source identity_source;
    struct identity identity;
    struct own_addresses addresses;
    struct agent_state state;
    struct agent_relay relay;
    struct agent_clock clock;
    struct app_list apps;
    struct invitations invitations;
    int64_t refused_mono_ms;   /* when a bad invitation was last logged */
    struct buffer endorsement; /* of the trusted certificate; empty: not yet asked for */
    char endorsed[65];         /* its fingerprint */
    struct bundle fallback;
    struct bundle trusted;       /* was seen served; perhaps expired, and kept for its names */
    struct bundle candidate;     /* was not yet seen served; may be empty */
    bool is_on_trial;            /* the candidate is served, to see whether it can be */
    int64_t candidate_at;        /* when it came, or began to be valid */
    unsigned candidate_failures; /* trials of it that failed */
    bool is_trusted_unsaved;     /* `trusted` is in memory only */
    bool is_fallback_unsaved;
    struct agent_live live;
    struct agent_owner owner;
    struct storage storage;
    struct status_certificate fallback_facts;
    struct status_certificate trusted_facts;
    struct terminator *terminator;
    struct http_server *control;
    struct agent_pages pages;
    struct agent_network network;
    struct agent_mdns mdns;
    struct life life;
    struct agent_diagnosis diagnosis;
    bool is_trusted_served;
    bool disk_failed; /* in the task at work */
    /* The task at work. */
    struct worker_session *session;
    enum agent_task task;
    struct own_addresses publishing;
    /* Publication of the addresses. */
    bool published_once; /* in this run */
    unsigned publish_failures;
    int64_t publish_mono_ms; /* not before */
    bool publish_imposed;    /* the relay asked for this wait */
    bool is_other_relay; /* the configuration names another one than the last run had */
};

/* agent.c */
struct life_now agent_now(void);
/* FOLDER/NAME; the folder's length was checked at start. */
void agent_path(const struct agent *agent, const char *name,
                char ret_path[static AGENT_PATH_CAPACITY]);
/* Writes state.json; a failure is logged, and returned. */
int agent_save_state(struct agent *agent);
/* Notes what became of writing PATH; after a failure the task at work has failed by "disk". */
void agent_note_storage(struct agent *agent, const char *path, int error);
/* Does what the life cycle asks for now, and sets the timer. Called after every event. */
void agent_plan(struct agent *agent);
/* Makes sure that the fallback is for the present names, and serves it. */
int agent_refresh_fallback(struct agent *agent);

/* agent_tasks.c: start a worker. A failure to start is an event like a failed task. */
void agent_start_certify(struct agent *agent);
void agent_start_window(struct agent *agent);
void agent_start_addresses(struct agent *agent);
void agent_start_time(struct agent *agent);
/* The trial of the candidate is over: CODE is "" or why, TEXT a sentence. */
void agent_end_trial(struct agent *agent, const char *code, const char *text);
/* Ends the worker at work; what it was to do stays to be done. */
void agent_drop_task(struct agent *agent);
/* Whether addresses wait to be published; *RET_WAIT_MS when they may be (0: now). */
bool agent_wants_publication(const struct agent *agent, int64_t *ret_wait_ms);

/* agent_install.c: the handlers of a certify session; ARG is the agent. */
int agent_make_csr(const char *zone, struct buffer *csr, char *reason, size_t capacity,
                   void *arg);
int agent_install(const char *chain, char *reason, size_t capacity, void *arg);
/* Whether a certificate waits for a trial; one that is of no use any more is dropped. */
bool agent_has_candidate(struct agent *agent);
void agent_drop_candidate(struct agent *agent);
/* Serves the candidate; agent_live_plan looks whether it is. */
void agent_begin_trial(struct agent *agent);
/* It was seen served: the order is over. */
void agent_keep_installed(struct agent *agent);
/* It was not: what was there before comes back, and the candidate waits. Nothing happens
 * without a trial. */
void agent_undo_install(struct agent *agent);
/* Writes what a full disk has kept from being written. */
void agent_save_unsaved(struct agent *agent);
/* Forgets key and request of an order. */
void agent_drop_pending(struct agent *agent);
/* What a restart finds: the trusted bundle, and whether the pending key has become its
 * key. */
void agent_load_trusted(struct agent *agent);

/* agent_view.c */
void agent_fill_status(const struct agent *agent, struct device_status *ret_status);
void agent_fill_certificate(const struct cert *cert,
                            struct status_certificate *ret_facts);
/* Handlers of the pages and of the control socket; ARG is the agent. */
void agent_on_page(struct http_exchange *exchange, void *arg);
void agent_on_control(struct http_exchange *exchange, void *arg);

#endif
