/* The whole of acme/ for its users: JWS and problem documents (both sides), and the
 * client of RFC 8555 as state machines without I/O. The driver's loop is described in
 * acme/acme_step.h. */
#ifndef ACME_ACME_H
#define ACME_ACME_H

#include "acme/acme_ari.h"
#include "acme/acme_call.h"
#include "acme/acme_client.h"
#include "acme/acme_error.h"
#include "acme/eab.h"
#include "acme/jws.h"
#include "acme/acme_order.h"
#include "acme/acme_problem.h"
#include "acme/acme_retry_after.h"
#include "acme/acme_step.h"
#include "acme/statement.h"

#endif
