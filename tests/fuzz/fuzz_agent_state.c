/* A state file after anything that a disk can do to it. What is read is written and read
 * again: it must be the same. */
#include "device/agent_state.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_state state;
    struct agent_state back;
    if (agent_state_parse(data, size, &state) != 0) {
        if (state.order != NULL) {
            abort();
        }
        return 0;
    }
    struct buffer first = buffer_init(LIMIT_STATE_BYTES * 8);
    struct buffer second = buffer_init(LIMIT_STATE_BYTES * 8);
    if (agent_state_dump(&state, &first) == 0 && first.size <= LIMIT_STATE_BYTES) {
        if (agent_state_parse(first.data, first.size, &back) != 0 ||
            agent_state_dump(&back, &second) != 0 || first.size != second.size ||
            memcmp(first.data, second.data, first.size) != 0) {
            abort();
        }
        agent_state_free(&back);
    }
    agent_state_free(&state);
    buffer_free(&first);
    buffer_free(&second);
    return 0;
}
