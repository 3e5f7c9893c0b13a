/* Renewal information (RFC 9773): when a certificate should be renewed. A plain GET:
 * certIDs are public. */
#ifndef RELAY_FRONT_RENEWAL_H
#define RELAY_FRONT_RENEWAL_H

#include "relay/front/request.h"
#include "relay/store/issuer_store.h"

/* Answers GET renewal-info/<certID>. */
void renewal_respond(struct request *request);

/* The window of a certificate: the issuer's, or one made from its life; in the past when
 * it is revoked. */
void renewal_window(const struct issuer_store_certificate *certificate, int64_t now_at,
                    int64_t *ret_start_at, int64_t *ret_end_at);
/* How long a client may keep this, in seconds: 6 hours, or less for a short certificate.
 */
int64_t renewal_retry_s(const struct issuer_store_certificate *certificate);

#endif
