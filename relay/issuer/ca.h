/* The relay's account at the CA: its key, the HTTP client, the queue of those who wait
 * for the account or a nonce, and the breaker that stops everybody when the CA is in
 * trouble. */
#ifndef RELAY_ISSUER_CA_H
#define RELAY_ISSUER_CA_H

#include "acme/acme.h"
#include "base/net/http_client.h"
#include "relay/issuer/commit.h"
#include "relay/relay_config.h"

struct ca;

/* LOOP, CONFIG, DATABASE (to read the account) and COMMIT are borrowed. Reads the account's
 * key from the store's folder, or makes it for the first account. When the key of an account
 * is gone and the operator allows no new account, or, with several zones, a file can't be used,
 * the CA is shut: nothing is asked of it, orders are refused with the reason, and it is tried
 * again by itself and at each reload. Faults of files are logged. */
int ca_new(struct loop *loop, const struct relay_config *config,
           struct database *database, struct commit *commit,
           struct ca **ret_ca) MUST_CHECK;
void ca_free(struct ca *ca);
/* CONFIG (borrowed) takes the former one's place; it has the same directory, account and, unless
 * the CA is shut, files. */
void ca_reload(struct ca *ca, const struct relay_config *config);
/* Begins to look for the account. */
void ca_start(struct ca *ca);

/* Whether it waits for the operator to mend a file. */
bool ca_is_shut(const struct ca *ca);
/* Whether the account can be used now. */
bool ca_is_ready(const struct ca *ca);
/* What is under way at the CA at this moment. */
size_t ca_in_flight(const struct ca *ca);
/* DRAINING: no order may be begun. HELD: and nothing is signed by the account's key but a key
 * change. */
enum ca_hold { CA_FREE, CA_DRAINING, CA_HELD };
void ca_hold(struct ca *ca, enum ca_hold hold);
/* Not free. */
bool ca_is_held(const struct ca *ca);
/* KEY (kept by reference) is the account's from now on; its file is written. */
void ca_take_key(struct ca *ca, struct key *key);
/* Writes how the CA is, for people to read, when that has changed. */
void ca_note_state(struct ca *ca);

/* For acme_order_new and acme_call_new_*. */
struct acme_client *ca_client(struct ca *ca);
/* When the account was made here; certificates from before are another account's. */
int64_t ca_account_created_at(const struct ca *ca);

/* One request under way; part of the owner's struct. */
typedef void ca_response_fn(const struct acme_response *response, void *arg);
struct ca_exchange {
    struct ca *ca;
    struct http_transfer *transfer; /* NULL: none under way */
    ca_response_fn *fn;
    void *arg;
};

/* Sends; FN is called once and never from here. A failure to send is the owner's to
 * report. */
int ca_send(struct ca *ca, struct ca_exchange *exchange,
            const struct acme_request *request, ca_response_fn *fn, void *arg) MUST_CHECK;
void ca_cancel(struct ca_exchange *exchange);

/* ACME_WANT_SHARED: FN is called, never from here, when the machine should be asked
 * again. */
struct ca_waiter {
    void (*fn)(void *arg);
    void *arg;
    struct ca_waiter *next;
    bool waiting;
};
/* Both may be called again and again; ca_forget is needed before WAITER is freed. */
void ca_wait(struct ca *ca, struct ca_waiter *waiter);
void ca_forget(struct ca *ca, struct ca_waiter *waiter);

/* What a machine of this CA came to: opens or closes the breaker. */
void ca_report(struct ca *ca, const struct acme_error *error);
void ca_report_good(struct ca *ca);
/* Not before this time may anything new begin; 0: now. */
int64_t ca_paused_until(const struct ca *ca);
/* Not before this time does the CA take orders for new names; 0: it does. Renewals are exempt
 * from most limits of the account. */
int64_t ca_limited_until(const struct ca *ca);
/* Whether an order must be refused for now: the problem to tell, and when to ask again. */
bool ca_refuses(const struct ca *ca, int64_t now_at, struct acme_problem *ret_problem,
                int64_t *ret_retry_at);

#endif
