/* Finalizing an order (RFC 8555 7.4): the CSR is checked, stored signed as it came, and
 * the exchange held until the issuer has the chain, so that a client sees `valid` at
 * once. */
#ifndef RELAY_FRONT_FINALIZE_H
#define RELAY_FRONT_FINALIZE_H

#include "relay/front/order.h"

/* Answers finalize: the order, `valid` if the issuer is done in time, else `processing`.
 */
void finalize_order(struct request *request);

/* Reads `csr` of PAYLOAD and holds it to NAMES (as an order has them). The id that its
 * key would have goes to RET_KEY_ID. False with badCSR or malformed in PROBLEM. */
bool finalize_read_csr(const json_t *payload, const char *names,
                       char ret_key_id[static KEY_ID_SIZE + 1],
                       struct acme_problem *problem) MUST_CHECK;

#endif
