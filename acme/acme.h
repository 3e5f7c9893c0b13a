/* The whole of acme/ for its users: JWS and problem documents (both sides), and the
 * client of RFC 8555 as state machines without I/O. The driver's loop is described in
 * acme/step.h. */
#ifndef ACME_ACME_H
#define ACME_ACME_H

#include "acme/ari.h"
#include "acme/call.h"
#include "acme/client.h"
#include "acme/eab.h"
#include "acme/jws.h"
#include "acme/order.h"
#include "acme/problem.h"
#include "acme/retry_after.h"
#include "acme/step.h"

#endif
