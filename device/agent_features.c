#include "device/agent_features.h"

#include "device/agent_mdns.h"

#include <stddef.h>

const struct agent_feature *const agent_features[] = {
    &agent_mdns_feature,
    NULL,
};
