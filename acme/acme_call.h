/* One request of an account beside orders: revocation, deactivation, key change, renewalInfo,
 * and signed POSTs to a relay's extensions (`addresses`, `probe`). See acme/acme_step.h for
 * how it is driven. */
#ifndef ACME_ACME_CALL_H
#define ACME_ACME_CALL_H

#include "acme/acme_client.h"
#include "base/crypto/cert.h"

struct acme_call;

/* A signed POST to URL (of the directory's origin; ERROR_DENIED else) with PAYLOAD as
 * JSON (not taken); NULL is POST-as-GET. */
int acme_call_new_post(struct acme_client *client, const char *url, const json_t *payload,
                       struct acme_call **ret_call) MUST_CHECK;
/* Revokes a certificate by the account's key (RFC 8555 7.6). REASON is RFC 5280's code,
 * -1: none. That it is revoked already counts as done. */
int acme_call_new_revoke(struct acme_client *client, struct bytes cert_der, int reason,
                         struct acme_call **ret_call) MUST_CHECK;
/* Deactivates the account (RFC 8555 7.3.6): final. */
int acme_call_new_deactivate(struct acme_client *client,
                             struct acme_call **ret_call) MUST_CHECK;
/* Changes the account's key to NEW_KEY, a pair (kept by reference; RFC 8555 7.3.5). It goes
 * out while the client is held. Failed or not answered, the account may have either key:
 * look for it with the new one before the next try. */
int acme_call_new_key_change(struct acme_client *client, struct key *new_key,
                             struct acme_call **ret_call) MUST_CHECK;
/* Asks for renewalInfo of a certID, unsigned. Needs only the directory. Without the
 * resource there it fails with ACME_ERROR_REJECTED. */
int acme_call_new_renewal_info(struct acme_client *client, const char *cert_id,
                               struct acme_call **ret_call) MUST_CHECK;
void acme_call_free(struct acme_call *call);

/* REQUEST, RESPONSE, SHARED, WAIT, DONE (any 2xx), FAILED. */
void acme_call_next(struct acme_call *call, struct acme_now now,
                    struct acme_step *ret_step);
void acme_call_response(struct acme_call *call, const struct acme_response *response,
                        struct acme_now now);

/* After DONE. Borrowed. */
int acme_call_status(const struct acme_call *call);
struct bytes acme_call_body(const struct acme_call *call);
const char *acme_call_retry_after(const struct acme_call *call); /* the header, or NULL */
/* After DONE of a renewalInfo call: acme_ari_parse over it. */
int acme_call_renewal_info(const struct acme_call *call, int64_t not_before_at,
                           int64_t not_after_at, int64_t now_at,
                           struct acme_ari *ret_ari) MUST_CHECK;

#endif
