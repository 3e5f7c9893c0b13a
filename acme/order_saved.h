/* The durable form of an order. Private to acme/. */
#ifndef ACME_ORDER_SAVED_H
#define ACME_ORDER_SAVED_H

#include "acme/order_machine.h"

/* Appends the JSON text. */
int order_saved_write(const struct acme_order *order, struct buffer *json) MUST_CHECK;
/* Fills in a fresh ORDER, whose CSR is set. ERROR_CONFLICT when the text is of another
 * CSR or directory, ERROR_SYNTAX when it is damaged. */
int order_saved_read(struct acme_order *order, const void *json, size_t size) MUST_CHECK;

#endif
