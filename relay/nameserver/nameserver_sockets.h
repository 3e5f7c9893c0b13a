/* The dns role's sockets from the service manager. */
#ifndef RELAY_NAMESERVER_NAMESERVER_SOCKETS_H
#define RELAY_NAMESERVER_NAMESERVER_SOCKETS_H

#include "base/net/activation.h"

/* Takes them (none is fine) and checks that each address has one of UDP and one of TCP. Has
 * logged what is wrong on failure. */
int nameserver_sockets_take(struct activation *ret_activation) MUST_CHECK;

#endif
