/* The worker's task, shared by worker_task*.c only. */
#ifndef DEVICE_WORKER_TASK_PARTS_H
#define DEVICE_WORKER_TASK_PARTS_H

#include "acme/acme.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/net/http_client.h"
#include "device/worker_task.h"

enum task_kind { TASK_CERTIFY, TASK_LEAVE, TASK_WINDOW, TASK_ADDRESSES, TASK_TIME };

struct task;

/* A request of the client, or of the machine beside it, under way. */
struct exchange {
    struct task *task;
    struct http_transfer *transfer;
    bool of_client;
};

struct task {
    enum task_kind kind;
    struct worker_channel *channel;
    const json_t *body;
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_watch *agent_watch;
    struct resolver *resolver;
    struct http_client *http;
    struct key *key;
    struct acme_client *client;
    struct acme_order *order;
    struct acme_call *call;
    struct buffer csr;
    struct exchange client_exchange;
    struct exchange machine_exchange;
    int64_t
        asked_wait_s; /* Retry-After of the last response that was an error; 0: none */
    bool is_relay_told; /* to the agent */
    bool ended;
    int error; /* of the channel */
};

struct task_failure {
    const char *code;
    const char *text;
    const char *detail; /* NULL: none */
    int64_t retry_after_s;
    bool permanent;
    bool keep_order;
};

/* worker_task_end.c: the last message to the agent. Only the first of them is sent. */
/* Sends MESSAGE, and frees it; ERROR is what became of making it. */
void worker_task_end_with(struct task *task, struct worker_message *message, int error);
/* It failed, as FAILURE says. */
void worker_task_end_failed(struct task *task, const struct task_failure *failure);
/* Something of ours failed: memory, the agent's refusal, a text that is no URL. */
void worker_task_end_error(struct task *task, const char *what, int error);
/* A machine of acme/ gave up. */
void worker_task_end_acme(struct task *task, const struct acme_error *error);
/* It went well. */
void worker_task_end_done(struct task *task);

/* worker_task.c */
/* The relay's extension object, or NULL after the task was ended: this is some other ACME
 * server. */
const json_t *worker_task_relay_meta(struct task *task);

/* worker_task_relay.c: the relay's extensions. */
/* Asks the agent whether this is the right relay, once its directory is known; ends the task if
 * it is not. */
void worker_task_tell_relay(struct task *task);
void worker_task_begin_time(struct task *task);
/* The last messages of these tasks. */
void worker_task_report_time(struct task *task);
void worker_task_report_published(struct task *task);

/* worker_task_ask.c: questions to the agent; each waits for the answer. */
/* jws_sign_fn; ARG is the task. */
int worker_task_ask_signature(void *arg, const void *data, size_t size,
                              uint8_t *ret_signature, size_t *ret_size) MUST_CHECK;
/* Either may be NULL. */
int worker_task_ask_save(struct task *task, const char *account_url,
                         const char *order) MUST_CHECK;
/* The order's present state. */
int worker_task_ask_save_order(struct task *task) MUST_CHECK;
/* The agent's request for our name in ZONE, into task->csr. */
int worker_task_ask_csr(struct task *task, const char *zone) MUST_CHECK;

#endif
