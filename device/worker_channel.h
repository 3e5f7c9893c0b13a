/* The worker's end of the socket pair. The worker asks, the agent answers: each call
 * sends one message and waits for the one that answers it. The wait blocks the worker,
 * and nothing else, for as long as the agent takes to sign or to write a file. */
#ifndef DEVICE_WORKER_CHANNEL_H
#define DEVICE_WORKER_CHANNEL_H

#include "device/worker_protocol.h"

struct worker_channel {
    int fd;
    struct buffer input;
    char refusal[LIMIT_DETAIL_BYTES]; /* the agent's reason after ERROR_DENIED */
};

/* FD stays the caller's. */
void worker_channel_open(struct worker_channel *channel, int fd);
void worker_channel_close(struct worker_channel *channel);
/* Sends MESSAGE. ERROR_IO when the agent is gone. */
int worker_channel_send(struct worker_channel *channel,
                        const struct worker_message *message) MUST_CHECK;
/* Waits for a message of this type. ERROR_DENIED when the agent refuses, ERROR_TIMEOUT
 * after half a minute, ERROR_IO when it is gone, ERROR_STATE for another type. */
int worker_channel_receive(struct worker_channel *channel, enum worker_message_type type,
                           struct worker_message *ret_message) MUST_CHECK;
/* Both. */
int worker_channel_call(struct worker_channel *channel,
                        const struct worker_message *message,
                        enum worker_message_type type,
                        struct worker_message *ret_answer) MUST_CHECK;

#endif
