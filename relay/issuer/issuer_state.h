/* What the parts of the issuer share. One thread, one loop. */
#ifndef RELAY_ISSUER_ISSUER_STATE_H
#define RELAY_ISSUER_ISSUER_STATE_H

#include "relay/issuer/budget.h"
#include "relay/issuer/ca.h"
#include "relay/issuer/commit.h"
#include "relay/issuer/propagation.h"
#include "relay/issuer/verify.h"
#include "relay/store/token.h"

struct issuances;
struct issuer_wishes;
struct requests;
struct revocations;
struct rollover;
struct statements;
struct window_poll;
struct issuer_meter;

/* One zone's. Loop, issuer.db and commit are shared by all zones. */
struct issuer {
    struct issuer *next;
    const struct relay_config *config;
    struct relay_config
        *kept; /* of a zone that is configured no more: its last one, ours */
    struct loop *loop;
    struct database *database; /* issuer.db, ours */
    struct database *front;    /* NULL while it is not there */
    struct database *admin;    /* NULL while it is not there */
    struct commit *commit;
    struct ca *ca;
    struct issuances *issuances;
    struct requests *requests; /* NULL for a zone that is configured no more */
    struct revocations *revocations;
    struct window_poll *windows;
    struct statements *statements;
    struct rollover *rollover;
    struct issuer_meter *meter;
    unsigned meter_zone; /* which zone this is to the meter */
    struct issuer_wishes *wishes;
    struct verify_context verify;
    struct budget_rules rules;
    struct propagation_servers servers;
    int64_t generation;      /* of the issuances that are ours */
    unsigned shown_after_ms; /* how long values take to be shown, lately */
    bool has_secret;
    uint8_t secret[TOKEN_SECRET_SIZE];
};

/* admin.db, opened as soon as it is there (it comes with the first command of the operator); NULL
 * while it can't be read. */
struct database *issuer_state_admin(struct issuer *issuer);

#endif
