#include "device/worker_channel.h"

#include "base/core/clock.h"
#include "base/core/text.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { ANSWER_MS = 30 * 1000, READ_BYTES = 16 << 10 };

void worker_channel_open(struct worker_channel *channel, int fd)
{
    *channel = (struct worker_channel){.fd = fd};
    channel->input = buffer_init_secret(LIMIT_WORKER_MESSAGE_BYTES + READ_BYTES + 4);
}

void worker_channel_close(struct worker_channel *channel)
{
    buffer_free(&channel->input);
}

static int wait_for(int fd, short events, int64_t until_mono_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    for (;;) {
        int64_t left_ms = until_mono_ms - clock_mono_ms();
        int count = poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0);
        if (count > 0) {
            return 0;
        }
        if (count == 0) {
            return ERROR_TIMEOUT;
        }
        if (errno != EINTR) {
            return ERROR_IO;
        }
    }
}

int worker_channel_send(struct worker_channel *channel,
                        const struct worker_message *message)
{
    struct buffer frame = buffer_init_secret(LIMIT_WORKER_MESSAGE_BYTES + 4);
    int64_t until_mono_ms = clock_mono_ms() + ANSWER_MS;
    int error = worker_message_write(message, &frame);
    while (error == 0 && frame.size > 0) {
        ssize_t size =
            send(channel->fd, frame.data, frame.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size > 0) {
            buffer_consume(&frame, (size_t)size);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            error = wait_for(channel->fd, POLLOUT, until_mono_ms);
        } else if (errno != EINTR) {
            error = ERROR_IO;
        }
    }
    buffer_free(&frame);
    return error;
}

static int read_more(struct worker_channel *channel, int64_t until_mono_ms)
{
    char chunk[READ_BYTES];
    int error = wait_for(channel->fd, POLLIN, until_mono_ms);
    if (error < 0) {
        return error;
    }
    ssize_t size = recv(channel->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (size > 0) {
        return buffer_append(&channel->input, chunk, (size_t)size);
    }
    return size < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : ERROR_IO;
}

int worker_channel_receive(struct worker_channel *channel, enum worker_message_type type,
                           struct worker_message *ret_message)
{
    struct worker_message message = {.body = NULL};
    int64_t until_mono_ms = clock_mono_ms() + ANSWER_MS;
    int error = worker_message_take(&channel->input, &message);
    while (error == ERROR_BUSY) {
        error = read_more(channel, until_mono_ms);
        if (error == 0) {
            error = worker_message_take(&channel->input, &message);
        }
    }
    if (error < 0) {
        return error;
    }
    if (message.type == type) {
        *ret_message = message;
        return 0;
    }
    error = ERROR_STATE;
    if (message.type == WORKER_REFUSED) {
        text_copy(channel->refusal, sizeof(channel->refusal),
                  json_get_text(message.body, "reason"));
        error = ERROR_DENIED;
    }
    worker_message_free(&message);
    return error;
}

int worker_channel_call(struct worker_channel *channel,
                        const struct worker_message *message,
                        enum worker_message_type type, struct worker_message *ret_answer)
{
    int error = worker_channel_send(channel, message);
    return error < 0 ? error : worker_channel_receive(channel, type, ret_answer);
}
