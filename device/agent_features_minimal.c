#include "device/agent_features.h"

#include <stddef.h>

const struct agent_feature *const agent_features[] = {NULL};
