/* The order at the CA. Private to issuance*.c. */
#ifndef RELAY_ISSUER_ISSUANCE_ORDER_H
#define RELAY_ISSUER_ISSUANCE_ORDER_H

#include "relay/issuer/issuance_parts.h"

/* A new one, or the one saved. */
int issuance_order_make(struct issuance *issuance) MUST_CHECK;
void issuance_order_drop(struct issuance *issuance);
/* Writes the machine's state (DONE: that nothing is left to do). A failure ends the
 * issuer. */
int issuance_order_save(struct issuance *issuance, bool done) MUST_CHECK;

#endif
