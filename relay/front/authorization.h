/* Authorizations of an order and their challenge (RFC 8555 7.1.4, 8): always valid, since
 * the name is made from the key that signs. */
#ifndef RELAY_FRONT_AUTHORIZATION_H
#define RELAY_FRONT_AUTHORIZATION_H

#include "relay/front/request.h"

/* The authorization, by POST-as-GET. */
void authorization_respond(struct request *request);
/* Its one challenge, by POST-as-GET or by the empty object that would start it. */
void authorization_respond_challenge(struct request *request);

#endif
