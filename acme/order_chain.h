/* The chain of an order. Private to acme/. */
#ifndef ACME_ORDER_CHAIN_H
#define ACME_ORDER_CHAIN_H

#include "acme/order_machine.h"

/* Reads the body as chain and holds it to the order's CSR. REASON says what is wrong;
 * free *RET_CERT with cert_free. */
int order_chain_check(const struct acme_order *order,
                      const struct acme_response *response, struct acme_now now,
                      struct cert **ret_cert, char *reason,
                      size_t reason_capacity) MUST_CHECK;
/* Keeps the alternate URLs of a certificate's response, as many as wanted. */
void order_chain_keep_alternates(struct acme_order *order,
                                 const struct acme_response *response);

#endif
