/* The agent's announcement on the local link; a part of the agent. */
#ifndef DEVICE_AGENT_MDNS_H
#define DEVICE_AGENT_MDNS_H

#include "device/agent_features.h"
#include "device/announcer.h"

struct agent;

struct agent_mdns {
    struct announcer
        *announcer; /* NULL: `mdns = no`, or latchkey-mdns is not installed */
    char name[MDNS_NAME_CAPACITY]; /* the name announced last, "" : none yet */
    enum mdns_state state;
};

/* Announces what the agent is and where, again after each change of its addresses. */
extern const struct agent_feature agent_mdns_feature;

#endif
