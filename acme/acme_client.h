/* The client's shared half: one CA, one account. It learns the directory, makes or finds
 * the account and keeps the nonces for its orders and calls. See acme/acme_step.h for how
 * it is driven. */
#ifndef ACME_ACME_CLIENT_H
#define ACME_ACME_CLIENT_H

#include "acme/acme_ari.h"
#include "acme/eab.h"
#include "acme/jws.h"
#include "acme/acme_step.h"

struct acme_client;

struct acme_client_options {
    const char *directory_url; /* https, without fragment; all else is of its origin */
    struct jws_signer
        signer; /* its key is kept by reference; callback and arg must outlive */
    const char *const *contacts;       /* "mailto:..." ; may be NULL */
    size_t contact_count;              /* at most 4 */
    const struct eab_credentials *eab; /* NULL: none; copied */
    const char *account_url;           /* from an earlier run; NULL: ask */
    bool may_create_account; /* else onlyReturnExisting, also when the CA forgot us */
    bool
        without_account; /* none is made or asked for; calls are signed with the key (jwk) */
    acme_random_fn *random; /* NULL: random_below */
};

/* Copies what it needs. ERROR_SYNTAX for a directory or account URL that is not https or
 * not of one origin. Free after its orders and calls. */
int acme_client_new(const struct acme_client_options *options,
                    struct acme_client **ret_client) MUST_CHECK;
void acme_client_free(struct acme_client *client);

/* REQUEST, RESPONSE, WAIT, SAVE (the account URL is new), FAILED, IDLE (ready: nothing to
 * do). After FAILED it starts again by itself once error.retry_at has passed. */
void acme_client_next(struct acme_client *client, struct acme_now now,
                      struct acme_step *ret_step);
void acme_client_response(struct acme_client *client,
                          const struct acme_response *response, struct acme_now now);
/* The account URL is durable. */
void acme_client_saved(struct acme_client *client);
/* From now on no account is made, only one that exists is found; for a caller whose leave to
 * make one was for the first only. */
void acme_client_forbid_new_account(struct acme_client *client);
/* While HELD, requests of the account are not begun (their machines are SHARED): a key change
 * wants that nothing is on its way. Ask the SHARED machines again when it ends. */
void acme_client_hold(struct acme_client *client, bool is_held);
/* The account's key is now KEY (kept by reference): after a key change. */
void acme_client_take_key(struct acme_client *client, struct key *key);
/* CLIENT, which has asked for nothing yet, becomes one of OPTIONS for all who hold it. On failure
 * (as of acme_client_new) it stays as it is. */
int acme_client_renew(struct acme_client *client,
                      const struct acme_client_options *options) MUST_CHECK;
/* Forgets a failure at once (the operator changed something). */
void acme_client_retry(struct acme_client *client);
/* How many SHARED machines should be asked again now; SIZE_MAX when all must be told that
 * the client failed. */
size_t acme_client_ready_count(const struct acme_client *client);

/* NULL until known; borrowed until the next call. */
const char *acme_client_account_url(const struct acme_client *client);
/* The directory as received, NULL until then; `meta` and extensions are the caller's to
 * read. Borrowed. */
const json_t *acme_client_directory(const struct acme_client *client);
/* From the directory; false until it is known. */
bool acme_client_has_renewal_info(const struct acme_client *client);
bool acme_client_has_profile(const struct acme_client *client, const char *profile);
/* Whether URL is https and of the directory's origin (scheme, host, port). */
bool acme_client_same_origin(const struct acme_client *client, const char *url);

#endif
