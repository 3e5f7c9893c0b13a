/* Handing out certificates (RFC 8555 7.4.2). */
#ifndef RELAY_FRONT_CERTIFICATE_H
#define RELAY_FRONT_CERTIFICATE_H

#include "relay/front/request.h"

/* The chain that the path names, by POST-as-GET, with Links to the alternates. */
void certificate_respond(struct request *request);
/* The alternate that the path's last part counts from 1. */
void certificate_respond_alternate(struct request *request);

#endif
