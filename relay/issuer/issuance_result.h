/* How an issuance ends. Private to issuance*.c. */
#ifndef RELAY_ISSUER_ISSUANCE_RESULT_H
#define RELAY_ISSUER_ISSUANCE_RESULT_H

#include "relay/issuer/issuance_parts.h"

/* Writes it for this one and those that follow it; they leave the list once it is
 * durable. */
void issuance_result_good(struct issuance *issuance);
void issuance_result_bad(struct issuance *issuance, const struct acme_error *failure);

#endif
