/* The agent's pages: which paths there are, who may ask for them by which name, and what
 * they show. No scripts, nothing from elsewhere, no HSTS: with it a browser could not
 * click through when the certificate has run out. */
#ifndef DEVICE_PAGES_H
#define DEVICE_PAGES_H

#include "base/net/http_server.h"
#include "device/device_status.h"

/* Answers EXCHANGE from STATUS: `/`, the style and icon, /status.json and
 * /.well-known/latchkey/status.json. */
void pages_respond(struct http_exchange *exchange, const struct device_status *status);
/* Whether the device goes by this Host header (its port is not looked at): any address
 * (an address can't be rebound), its local name, names under its id, localhost.
 * Everything else is answered 421, so that a foreign name that is made to lead here (DNS
 * rebinding) shows nothing. */
bool pages_is_own_host(const char *host, const struct device_status *status);
/* Appends the HTML of the page at `/`. BY_NAME: the visitor came by a name that the
 * trusted certificate covers. */
int pages_render(const struct device_status *status, bool by_name,
                 struct buffer *html) MUST_CHECK;

#endif
