/* agent_pages.c of a minimal build: one page, no looks, no login. */
#include "device/agent_pages.h"

#include "device/agent_parts.h"
#include "device/agent_plain.h"
#include "device/essential_page.h"

static void on_plain(struct http_exchange *exchange, void *arg)
{
    struct device_status status;
    agent_fill_status(arg, &status);
    essential_page_respond(exchange, &status);
}

void agent_pages_open(struct agent *agent)
{
    agent_plain_open(agent, on_plain);
}

void agent_pages_respond(struct agent *agent, struct http_exchange *exchange,
                         const struct device_status *status)
{
    (void)agent;
    essential_page_respond(exchange, status);
}

void agent_pages_close(struct agent *agent)
{
    http_server_free(agent->pages.http);
    agent->pages.http = NULL;
}
