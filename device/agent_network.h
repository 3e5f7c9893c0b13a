/* How the agent follows the machine's network; a part of the agent. */
#ifndef DEVICE_AGENT_NETWORK_H
#define DEVICE_AGENT_NETWORK_H

#include "device/network_watch.h"
#include "device/own_addresses.h"

struct agent;

struct agent_network {
    struct network_watch *watch;
    struct loop_timer *patience; /* with cables that are out */
    bool is_held;                /* addresses are kept although their cable is out */
    bool is_over;                /* the patience */
    bool is_unreadable;          /* and that was logged */
    unsigned default_index;      /* the interface of the default route; 0: none */
};

/* Reads the addresses for the first time: nothing waits for the network, so that none are
 * known is no error, and neither is that they can't be read. */
void agent_network_open(struct agent *agent);
/* Begins to watch; addresses that changed are published at once. */
int agent_network_watch(struct agent *agent) MUST_CHECK;
/* Looks by itself, where changes can't be watched. */
void agent_network_tick(struct agent *agent);
void agent_network_close(struct agent *agent);

#endif
