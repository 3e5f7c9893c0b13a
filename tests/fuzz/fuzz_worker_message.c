/* What a captured worker may send to the agent: any bytes. What is taken is written back
 * and taken again: it must be the same message. */
#include "device/worker_protocol.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct worker_message *message)
{
    struct buffer wire = buffer_init(2 * LIMIT_WORKER_MESSAGE_BYTES);
    struct worker_message back = {.body = NULL};
    int error = worker_message_write(message, &wire);
    if (error == 0) {
        error = worker_message_take(&wire, &back);
        if (error != 0 || back.type != message->type ||
            !json_equal(back.body, message->body)) {
            abort();
        }
    } else if (error != ERROR_LIMIT && error != ERROR_MEMORY) {
        abort();
    }
    worker_message_free(&back);
    buffer_free(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer input = buffer_init(2 * LIMIT_WORKER_MESSAGE_BYTES);
    if (buffer_append(&input, data, size) == 0) {
        for (;;) {
            struct worker_message message = {.body = NULL};
            if (worker_message_take(&input, &message) != 0) {
                break;
            }
            round_trip(&message);
            worker_message_free(&message);
        }
    }
    buffer_free(&input);
    return 0;
}
