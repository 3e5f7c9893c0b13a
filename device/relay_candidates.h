/* The relays that a device may use, in their order: where the first has moved to by a signed
 * statement, then those of the configuration. Pure. */
#ifndef DEVICE_RELAY_CANDIDATES_H
#define DEVICE_RELAY_CANDIDATES_H

#include "device/agent_state.h"
#include "device/device_config.h"

struct relay_candidates {
    struct device_relay at[DEVICE_RELAYS_MAX + 1];
    size_t count; /* >= 1 */
};

/* All of them; once the new relay has issued, without the one that moved. */
void relay_candidates_list(const struct device_config *config,
                           const struct agent_state *state,
                           struct relay_candidates *ret_candidates);
/* Whether the configuration names DIRECTORY. */
bool relay_candidates_is_configured(const struct device_config *config,
                                    const char *directory);
/* The place of DIRECTORY; the count when it is none of them. */
size_t relay_candidates_find(const struct relay_candidates *candidates,
                             const char *directory);
/* The one that STATE is about, or the first. */
const struct device_relay *
relay_candidates_current(const struct relay_candidates *candidates,
                         const struct agent_state *state);

#endif
