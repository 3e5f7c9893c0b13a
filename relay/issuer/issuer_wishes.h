/* Follows the operator's wishes in admin.db: forget, revoke, refuse-key. */
#ifndef RELAY_ISSUER_ISSUER_WISHES_H
#define RELAY_ISSUER_ISSUER_WISHES_H

#include "relay/issuer/issuer_state.h"

struct issuer_wishes;

/* Goes on after the last wish that was answered. Free with issuer_wishes_close. */
int issuer_wishes_open(struct issuer *issuer,
                       struct issuer_wishes **ret_wishes) MUST_CHECK;
void issuer_wishes_close(struct issuer_wishes *wishes);

#endif
