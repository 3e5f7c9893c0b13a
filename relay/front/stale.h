/* Accounts whose devices never got a certificate go after 30 days. */
#ifndef RELAY_FRONT_STALE_H
#define RELAY_FRONT_STALE_H

#include "relay/front/service.h"

struct stale;

/* Looks through the accounts once a day, some of them at a time. Free with stale_free. */
int stale_new(struct service *service, struct stale **ret_stale) MUST_CHECK;
void stale_free(struct stale *stale);

#endif
