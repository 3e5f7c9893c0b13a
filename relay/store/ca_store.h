/* issuer.db: what the issuer thinks of its CA, for people to read. Written by the issuer alone,
 * inside the caller's transaction. Texts are borrowed for the call. */
#ifndef RELAY_STORE_CA_STORE_H
#define RELAY_STORE_CA_STORE_H

#include "relay/store/database.h"

struct ca_store_state {
    const char *state;  /* a word: "ready", "starting", "paused", "limited", "failing",
                               "refused", "no-key", "unusable", "changing" */
    const char *reason; /* "" while ready */
    int64_t until_at;   /* 0: unknown, or until the operator acts */
    const char *terms;  /* URL of the CA's terms of service; "" : none */
    const char *thumbprint; /* of the account's key (RFC 7638) */
    int64_t rollover_at;    /* when that key became the account's; 0: with the account */
    int64_t changed_at;
};

typedef int ca_store_state_fn(const struct ca_store_state *state, void *arg);

/* Whether nothing is issued in STATE until the operator acts. Pure. */
bool ca_store_is_refused(const char *state);
/* Adds or overwrites. */
int ca_store_put_state(struct database *database, const char *zone, int64_t rev,
                       const char *ca, const struct ca_store_state *state) MUST_CHECK;
/* ERROR_NOT_FOUND while there is none, also in a store of an earlier version. */
int ca_store_state(struct database *database, const char *zone, const char *ca,
                   ca_store_state_fn *fn, void *arg) MUST_CHECK;

#endif
