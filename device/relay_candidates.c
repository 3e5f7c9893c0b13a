#include "device/relay_candidates.h"

#include "base/core/text.h"

#include <string.h>

bool relay_candidates_is_configured(const struct device_config *config,
                                    const char *directory)
{
    for (size_t i = 0; i < config->relay.count; i++) {
        if (strcmp(config->relays[i].directory, directory) == 0) {
            return true;
        }
    }
    return false;
}

void relay_candidates_list(const struct device_config *config,
                           const struct agent_state *state,
                           struct relay_candidates *ret_candidates)
{
    bool is_moved = state->moved_to[0] != '\0' &&
                    relay_candidates_is_configured(config, state->moved_from);
    struct relay_candidates candidates = {.count = 0};
    if (is_moved) {
        struct device_relay *moved = &candidates.at[candidates.count++];
        text_copy(moved->directory, sizeof(moved->directory), state->moved_to);
        text_copy(moved->pin, sizeof(moved->pin), state->moved_pin);
    }
    for (size_t i = 0; i < config->relay.count; i++) {
        const struct device_relay *relay = &config->relays[i];
        /* Moved back: of a relay in the configuration, its word counts and no other relay's. */
        if (is_moved && strcmp(relay->directory, state->moved_to) == 0) {
            candidates.at[0] = *relay;
        }
        bool is_left = is_moved && state->moved_issued_at != 0 &&
                       strcmp(relay->directory, state->moved_from) == 0;
        if (!is_left && (!is_moved || strcmp(relay->directory, state->moved_to) != 0)) {
            candidates.at[candidates.count++] = *relay;
        }
    }
    *ret_candidates = candidates;
}

size_t relay_candidates_find(const struct relay_candidates *candidates,
                             const char *directory)
{
    size_t i = 0;
    while (i < candidates->count && strcmp(candidates->at[i].directory, directory) != 0) {
        i++;
    }
    return i;
}

const struct device_relay *
relay_candidates_current(const struct relay_candidates *candidates,
                         const struct agent_state *state)
{
    size_t index = relay_candidates_find(candidates, state->directory);
    return &candidates->at[index < candidates->count ? index : 0];
}
