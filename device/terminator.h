/* Where HTTPS ends: the listeners, the two certificates, and the server of the agent's
 * pages. */
#ifndef DEVICE_TERMINATOR_H
#define DEVICE_TERMINATOR_H

#include "base/core/conf.h"
#include "base/net/http_server.h"
#include "device/bundle.h"

struct terminator;

/* Makes the server; nothing listens yet. */
int terminator_new(struct loop *loop, http_server_fn *fn, void *arg,
                   struct terminator **ret_terminator) MUST_CHECK;
/* Listens on each of LISTEN ("address:port"). On failure REASON names the address and
 * what stands in the way. */
int terminator_listen(struct terminator *terminator, const struct conf_texts *listen,
                      char *reason, size_t reason_capacity) MUST_CHECK;
/* New handshakes get BUNDLE; connections that live keep what they have. */
int terminator_set(struct terminator *terminator, enum tls_slot slot,
                   const struct bundle *bundle) MUST_CHECK;
void terminator_clear(struct terminator *terminator, enum tls_slot slot);
/* The port of the first listener, for addresses shown to people. */
uint16_t terminator_port(const struct terminator *terminator);
/* "127.0.0.1:443": where the device reaches its own first listener. */
void terminator_self_text(const struct terminator *terminator,
                          char ret_text[static ADDRESS_TEXT_CAPACITY]);
void terminator_free(struct terminator *terminator); /* accepts NULL */

#endif
