/* The requests of an order. Private to acme/. */
#ifndef ACME_ORDER_REQUEST_H
#define ACME_ORDER_REQUEST_H

#include "acme/order_machine.h"

/* Makes the exchange of the present state; ERROR_STATE where the state has none. */
int order_request_start(struct acme_order *order) MUST_CHECK;

#endif
