/* Where a request comes from, as far as enrolment and quotas care: the network of its peer,
 * /24 of IPv4 and /48 of IPv6. */
#ifndef RELAY_FRONT_SOURCE_H
#define RELAY_FRONT_SOURCE_H

#include "base/net/prefix.h"
#include "relay/front/quota.h"
#include "relay/front/request.h"

/* Whether this request's source needs no token to enrol: open enrolment, or a network among
 * [front] open_prefixes. */
bool source_is_open(const struct request *request);

/* Takes one unit of KIND, PER_HOUR of them, from the network of REQUEST: true, or false when
 * it has answered 429; WHAT ("new accounts") is what there were too many of. This machine
 * itself (loopback, a unix socket) is not counted: who stands behind a proxy on it can't be
 * told apart. */
bool source_take(struct request *request, enum quota_kind kind, uint64_t per_hour,
                 const char *what) MUST_CHECK;

#endif
