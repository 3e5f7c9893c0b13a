/* What the agent shows to visitors: the pages by HTTPS and the way in by plain HTTP. */
#ifndef DEVICE_AGENT_PAGES_H
#define DEVICE_AGENT_PAGES_H

#include "device/brand.h"
#include "device/pages.h"

struct agent;

struct agent_pages {
    struct brand brand;
    struct pages pages;
    struct http_server *http; /* NULL: no plain HTTP */
};

/* Reads the maker's looks and listens on plain HTTP. What can't be used is logged: a taken
 * port or a wrong logo must not keep HTTPS from being served. */
void agent_pages_open(struct agent *agent);
/* Answers what came by HTTPS for the pages, from STATUS. */
void agent_pages_respond(struct agent *agent, struct http_exchange *exchange,
                         const struct device_status *status);
void agent_pages_close(struct agent *agent);

#endif
