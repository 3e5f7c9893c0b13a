/* The relay's own key and moves, for the operator. */
#ifndef RELAY_ADMIN_ADMIN_MOVE_H
#define RELAY_ADMIN_ADMIN_MOVE_H

#include "relay/relay_config.h"

/* Prints what devices name this relay by: its directory with the pin of its own key. Exit
 * status. */
int admin_move_show_key(const struct relay_config *config, int argc, char **argv);
/* `move --to URL [--relay-key PIN]` or `move --stay`: writes the wish, which the issuer signs and
 * front announces; without arguments it prints the last one. Exit status. */
int admin_move_run(const struct relay_config *config, int argc, char **argv);

#endif
