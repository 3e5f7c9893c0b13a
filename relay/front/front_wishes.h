/* Follows the operator's wishes in admin.db: forget, reactivate. */
#ifndef RELAY_FRONT_FRONT_WISHES_H
#define RELAY_FRONT_FRONT_WISHES_H

#include "relay/front/service.h"

struct front_wishes;

/* Goes on after the last wish that was answered. Free with front_wishes_free. */
int front_wishes_new(struct service *service,
                     struct front_wishes **ret_wishes) MUST_CHECK;
void front_wishes_free(struct front_wishes *wishes);

#endif
