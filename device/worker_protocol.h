/* What the agent and its worker say to each other: frames of a 32-bit big-endian length
 * and one JSON object, over a socket pair. Both sides hold every message to one table:
 * known type, known members of known kinds and sizes, nothing else. Pure: no I/O. */
#ifndef DEVICE_WORKER_PROTOCOL_H
#define DEVICE_WORKER_PROTOCOL_H

#include "base/core/json.h"
#include "base/core/limits.h"

enum worker_message_type {
    /* agent to worker */
    WORKER_TASK,      /* what to do, with all it may know: never a private key */
    WORKER_SIGNATURE, /* answers sign_jws */
    WORKER_CSR,       /* answers sign_csr */
    WORKER_SAVED,     /* answers save: it is durable */
    WORKER_INSTALLED, /* answers certificate: it is good, and the agent has it */
    WORKER_REFUSED,   /* answers anything: no, with the reason */
    /* worker to agent */
    WORKER_SIGN_JWS,    /* please sign this JWS signing input */
    WORKER_SIGN_CSR,    /* please make a key and a request for my name in this zone */
    WORKER_SAVE,        /* please make this durable: account URL or order state */
    WORKER_CERTIFICATE, /* the chain */
    WORKER_RELAY,       /* what the relay says of itself: is it the right one? saved or refused */
    WORKER_WINDOW,      /* the renewal window: last message of that task */
    WORKER_TIME,        /* the relay's statement of the time: last message of that task */
    WORKER_PUBLISHED,   /* the relay's receipt: last message of `addresses`, where it gives any */
    WORKER_DIAGNOSIS,   /* the verdicts: last message of that task */
    WORKER_DONE,        /* last message of a task that went well */
    WORKER_FAILED,      /* last message of one that did not */
    WORKER_MESSAGE_COUNT,
};

/* The word of the task that deactivates the account: the session signs that for it alone. */
#define WORKER_TASK_LEAVE "leave"

struct worker_message {
    enum worker_message_type type;
    json_t *body; /* an object that has been held to the table; members by json_get_* */
};

/* An empty message of TYPE to fill with json_set_*. */
int worker_message_new(enum worker_message_type type,
                       struct worker_message *ret_message) MUST_CHECK;
/* Frees the body; the struct may be used again. Accepts an all-zero message. */
void worker_message_free(struct worker_message *message);
/* Appends the message as a frame. ERROR_RANGE when it breaks the table (a bug of ours, or
 * a text that is too long), ERROR_LIMIT when it is larger than
 * LIMIT_WORKER_MESSAGE_BYTES. */
int worker_message_write(const struct worker_message *message,
                         struct buffer *frames) MUST_CHECK;
/* Takes the first whole frame off INPUT. ERROR_BUSY when more bytes are needed;
 * ERROR_SYNTAX, ERROR_RANGE or ERROR_LIMIT for one that breaks the rules: the channel is
 * of no use then. */
int worker_message_take(struct buffer *input,
                        struct worker_message *ret_message) MUST_CHECK;
/* "sign_jws" ... ; never NULL. */
const char *worker_message_type_text(enum worker_message_type type);

#endif
