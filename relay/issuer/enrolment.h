/* What becomes of devices that enrolled and never got a certificate: 30 days later they are as
 * if they had never come, and their place at their token is free again. (front then drops the
 * account's row.) */
#ifndef RELAY_ISSUER_ENROLMENT_H
#define RELAY_ISSUER_ENROLMENT_H

#include "relay/issuer/issuer_state.h"

/* Looks at those whose 30 days have passed, some of them at a time. Within a transaction of
 * the caller's. */
int enrolment_sweep(struct issuer *issuer, int64_t rev, int64_t now_at) MUST_CHECK;

#endif
