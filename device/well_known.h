/* What is served under /.well-known/latchkey/ by HTTPS and by plain HTTP alike, so that a
 * maker's own web server may pass the whole path on to either: the state as JSON, what a
 * page of the maker's embeds, and the pages' style and logo. All of it is public. */
#ifndef DEVICE_WELL_KNOWN_H
#define DEVICE_WELL_KNOWN_H

#include "base/net/http_server.h"
#include "device/brand.h"
#include "device/device_status.h"

#define WELL_KNOWN_FOLDER "/.well-known/latchkey/"

/* Answers EXCHANGE when its path is one of these (GET and HEAD only), and says whether it
 * did. The Host header was checked before. */
bool well_known_respond(struct http_exchange *exchange, const struct brand *brand,
                        const struct device_status *status);

#endif
