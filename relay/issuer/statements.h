/* What the relay signs with its own long-lived key, see acme/statement.h. The key is the
 * issuer's because front talks to the internet: front asks for the time by a request in its
 * store, and passes on what comes of it. */
#ifndef RELAY_ISSUER_STATEMENTS_H
#define RELAY_ISSUER_STATEMENTS_H

#include "relay/issuer/issuer_state.h"
#include "relay/store/front_store.h"

/* Reads the key, or makes it if none was ever announced, and announces it. Without a key that
 * was announced before (its file is gone) nothing is signed, which is logged: another one would
 * be refused by every device that has its pin. Free with statements_close. */
int statements_open(struct issuer *issuer, struct statements **ret_statements) MUST_CHECK;
/* The zone's base URLs may be others now: a move is announced for each of them. */
void statements_reload(struct statements *statements);
void statements_close(struct statements *statements);
/* Answers a request 'time', whose `jws` is a JSON array of the devices' nonces. What is no such
 * array is passed over with a warning. An error is the own store's. */
int statements_time(struct issuer *issuer, int64_t rev,
                    const struct front_store_request *request) MUST_CHECK;
/* Forgets answers that nobody can still wait for. */
int statements_sweep(struct issuer *issuer, int64_t now_at) MUST_CHECK;

#endif
