/* Who listens where we want to: for the sentence that tells an owner why HTTPS is not up. */
#ifndef DEVICE_PORT_OWNER_H
#define DEVICE_PORT_OWNER_H

#include "base/net/address.h"

#include <stdbool.h>

enum { PORT_OWNER_CAPACITY = 64 };

/* "nginx (pid 812)" for the TCP port of ADDRESS. Best effort: false when nobody is found, or
 * is not ours to see (that needs root). Reads /proc; does not block. */
bool port_owner_find(const struct address *address,
                     char ret_text[static PORT_OWNER_CAPACITY]);

#endif
