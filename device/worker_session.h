/* The agent's side of one task: starts latchkey-worker, gives it the task, signs for it
 * by rule, and passes what it brings. The worker ends with the session, whatever it does.
 */
#ifndef DEVICE_WORKER_SESSION_H
#define DEVICE_WORKER_SESSION_H

#include "base/net/loop.h"
#include "device/signing_rules.h"
#include "device/worker_protocol.h"

struct worker_session;

enum worker_outcome {
    WORKER_OUTCOME_DONE,
    WORKER_OUTCOME_WINDOW,
    WORKER_OUTCOME_TIME,
    WORKER_OUTCOME_DIAGNOSIS,
    WORKER_OUTCOME_FAILED,
};

/* How the task ended; texts borrowed for the call. */
struct worker_result {
    enum worker_outcome outcome;
    const char *code;      /* FAILED: a short word ("net", "rate-limit", "worker", ...) */
    const char *text;      /* FAILED: a sentence for the log; DONE: perhaps one */
    const char *detail;    /* FAILED: what the relay said, or "" */
    int64_t retry_after_s; /* FAILED, WINDOW: what the relay asked for, at most a day */
    bool permanent;        /* FAILED: only a human can help */
    bool keep_order;       /* FAILED: the saved order is still good */
    bool has_window;       /* WINDOW */
    int64_t window_start_at;
    int64_t window_end_at;
    const char *statement; /* TIME: what the relay has signed, not yet verified */
    const char *receipt;   /* DONE of a publication: what the relay gave; "" : nothing */
    bool is_matched;       /* the receipt that we showed was the one it had given */
    bool is_cloned;        /* another device has our key, it says */
    const json_t *diagnosis; /* DIAGNOSIS: the message */
};

/* Each returns 0, or an error with a sentence in REASON, which is then sent to the worker
 * as a refusal. */
struct worker_session_handlers {
    /* Makes (or finds) the key and request for this device in ZONE: base64url DER
     * appended to CSR. It is then the only one that the session signs a finalization for.
     */
    int (*csr)(const char *zone, struct buffer *csr, char *reason, size_t capacity,
               void *arg);
    /* Makes it durable; either may be NULL. */
    int (*save)(const char *account_url, const char *order, char *reason, size_t capacity,
                void *arg);
    /* Checks a chain (PEM) and keeps it; it is installed when the task has ended. */
    int (*certificate)(const char *chain, char *reason, size_t capacity, void *arg);
    /* Judges what the relay says of itself (a message `relay`), before anything else is done with
     * it; NULL: not asked. */
    int (*relay)(const json_t *message, char *reason, size_t capacity, void *arg);
    /* Called once, last; the session is gone after it returns. */
    void (*end)(const struct worker_result *result, void *arg);
};

struct worker_session_options {
    const char *worker;    /* path of the program; borrowed */
    struct key *key;       /* signs; a reference is taken */
    const char *directory; /* copied */
    unsigned timeout_s;    /* for the whole task */
    bool may_leave;        /* the account's deactivation is signed, too */
    const struct worker_session_handlers
        *handlers; /* borrowed; those a task needs not may be NULL */
    void *arg;
};

/* Starts the worker with TASK (type WORKER_TASK; not taken). ERROR_IO with errno when the
 * program can't be started. */
int worker_session_start(struct loop *loop, const struct worker_session_options *options,
                         const struct worker_message *task,
                         struct worker_session **ret_session) MUST_CHECK;
/* Ends the worker at once, without calling `end`; accepts NULL. */
void worker_session_free(struct worker_session *session);

/* The path of latchkey-worker: CONFIGURED, or beside this program. */
int worker_session_find(const char *configured, char *ret_path,
                        size_t capacity) MUST_CHECK;

#endif
