/* From method and path to the part of front that answers. */
#ifndef RELAY_FRONT_ROUTER_H
#define RELAY_FRONT_ROUTER_H

#include "relay/front/request.h"

/* The http_server_fn of front; ARG points to the list of services (struct service **). */
void router_handle(struct http_exchange *exchange, void *arg);

/* Whether PATH fits PATTERN, in which '*' stands for one part; the parts go to
 * RET_ARGUMENTS. A part is 1 to 127 of the characters that URLs of ours are made of. */
bool router_match(const char *pattern, const char *path,
                  char ret_arguments[REQUEST_ARGUMENTS][REQUEST_ARGUMENT_CAPACITY]);

#endif
