/* The agent's part in enrolling apps: what they may ask for over HTTPS, and what the owner
 * does with them over the control socket. */
#ifndef DEVICE_AGENT_APPS_H
#define DEVICE_AGENT_APPS_H

#include "base/net/http_server.h"

#include <stdbool.h>

struct agent;

/* Reads apps.json. A damaged list is logged and starts empty: apps enrol again. */
void agent_apps_open(struct agent *agent);
/* Answers an app's request (ENROLMENT_PATH, ENROLMENT_SELF_PATH); false when it is none,
 * and EXCHANGE still the caller's. */
bool agent_apps_on_page(struct agent *agent, struct http_exchange *exchange);
/* The same of the control socket: POST /invite, GET /apps.json, POST /apps/remove?ID. */
bool agent_apps_on_control(struct agent *agent, struct http_exchange *exchange);

#endif
