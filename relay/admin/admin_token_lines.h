/* Lines to paste on a device that is no agent, or into an agent's configuration: they register
 * with a token, learn the name and order. docs/CLIENTS.md has the same, tried, for more
 * clients. */
#ifndef RELAY_ADMIN_ADMIN_TOKEN_LINES_H
#define RELAY_ADMIN_ADMIN_TOKEN_LINES_H

#include "relay/relay_config.h"

#include <stdbool.h>

/* Whether lines for this client are known. */
bool admin_token_lines_knows(const char *client);
/* "agent, certbot, uacme, lego" */
extern const char admin_token_lines_clients[];
/* Prints those for CLIENT, or for all of them (NULL). KEY is secret. */
void admin_token_lines_print(const struct relay_config *config, const char *client,
                             const char *kid, const char *key);

#endif
