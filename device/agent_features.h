/* What an agent can be built without: -DLATCHKEY_MINIMAL=ON links agent_features_minimal.c
 * in place of agent_features.c, and leaves out the files that only that names. */
#ifndef DEVICE_AGENT_FEATURES_H
#define DEVICE_AGENT_FEATURES_H

struct agent;

/* Any of the three may be NULL. A feature that can't work says so in the log: the agent
 * goes on without it. */
struct agent_feature {
    void (*open)(struct agent *agent);              /* once, when HTTPS is served */
    void (*addresses_changed)(struct agent *agent); /* after each change */
    void (*close)(struct agent *agent);             /* also when it was never opened */
};

/* The features of this build, ended by NULL. */
extern const struct agent_feature *const agent_features[];

#endif
