/* Where HTTPS ends: the listeners, the two certificates, the server of the agent's pages, and
 * the tunnel to a backend where one is configured. */
#ifndef DEVICE_TERMINATOR_H
#define DEVICE_TERMINATOR_H

#include "base/net/http_server.h"
#include "device/bundle.h"
#include "device/device_config.h"

struct terminator;

/* Makes the servers of CONFIG (borrowed); nothing listens yet. FN is called with ARG for each
 * request for a page. */
int terminator_new(struct loop *loop, const struct device_config *config,
                   http_server_fn *fn, void *arg,
                   struct terminator **ret_terminator) MUST_CHECK;
/* Listens on each of `serve` (for the backend, else for the pages) and of `pages`. On failure
 * REASON names the key, the address and what stands in the way: who has the port, if that can
 * be found out. */
int terminator_listen(struct terminator *terminator, char *reason,
                      size_t reason_capacity) MUST_CHECK;
/* New handshakes get BUNDLE; connections that live keep what they have. */
int terminator_set(struct terminator *terminator, enum tls_slot slot,
                   const struct bundle *bundle) MUST_CHECK;
void terminator_clear(struct terminator *terminator, enum tls_slot slot);
/* The port of the first listener of `serve`, or else of `pages`, for addresses shown to
 * people; 0 when there is none. */
uint16_t terminator_port(const struct terminator *terminator);
/* "127.0.0.1:443": where the device reaches its own first listener; "local" when there is
 * none. */
void terminator_self_text(const struct terminator *terminator,
                          char ret_text[static ADDRESS_TEXT_CAPACITY]);
void terminator_free(struct terminator *terminator); /* accepts NULL */

#endif
