/* The way in: the plain-HTTP page that people meet who type an address. It brings them to
 * the name that browsers trust, if that works from where they are, and else says why not
 * and offers the device's own certificate. */
#ifndef DEVICE_WAY_IN_H
#define DEVICE_WAY_IN_H

#include "base/net/http_server.h"
#include "device/brand.h"
#include "device/device_status.h"

/* Answers EXCHANGE, which came by plain HTTP. */
void way_in_respond(struct http_exchange *exchange, const struct brand *brand,
                    const struct device_status *status);
/* The host name that HOST_HEADER's visitor is best brought to: the address or name by which
 * it came if it is one of ours, else the stable name. False when there is none yet. */
bool way_in_target(const char *host_header, const struct device_status *status,
                   char ret_name[static 256]);

#endif
