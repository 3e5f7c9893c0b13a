/* Exchanges held until the issuer has decided. It looks into issuer.db only while
 * something waits, and only when that file has changed. */
#ifndef RELAY_FRONT_WAITING_H
#define RELAY_FRONT_WAITING_H

#include "relay/front/request.h"

/* Free with waiting_free. ERROR_MEMORY. */
int waiting_new(struct service *service, struct waiting **ret_waiting) MUST_CHECK;
/* Requests still held are freed without a response. */
void waiting_free(struct waiting *waiting);

/* How many are held. */
unsigned waiting_count(const struct waiting *waiting);

/* Takes REQUEST, which waits for its `number`, and calls READY: at once, then when the
 * row of that order changes (with ANY: at each change of the file), and last at the
 * deadline. */
void waiting_hold(struct waiting *waiting, struct request *request, int64_t timeout_ms,
                  bool any, request_ready_fn *ready);

#endif
