/* The first page: what this zone is, how people reach a device, whom to tell about abuse, what
 * ACME clients need. */
#ifndef RELAY_FRONT_PAGE_HOME_H
#define RELAY_FRONT_PAGE_HOME_H

#include "relay/front/request.h"

/* It tells each source whether it needs a token. */
void page_home_respond(struct request *request);

#endif
