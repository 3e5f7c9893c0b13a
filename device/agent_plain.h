/* The agent's plain HTTP; a part of the agent. */
#ifndef DEVICE_AGENT_PLAIN_H
#define DEVICE_AGENT_PLAIN_H

#include "base/net/http_server.h"

struct agent;

/* Listens where `http` says, and calls FN with AGENT for each request. A port that can't be
 * had is logged with who has it: HTTPS goes on without. */
void agent_plain_open(struct agent *agent, http_server_fn *fn);

#endif
