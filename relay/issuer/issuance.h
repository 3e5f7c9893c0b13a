/* Certificates on their way: for each accepted finalize one ACME order at the CA,
 * hundreds at once, each resumed after a crash where it was. */
#ifndef RELAY_ISSUER_ISSUANCE_H
#define RELAY_ISSUER_ISSUANCE_H

#include "relay/issuer/issuer_state.h"
#include "relay/store/issuer_store.h"

struct issuance_wish {
    const char *number;
    const char *id;
    const char *names;
    const char *lane;     /* "device" or "relay" */
    enum budget_lane budget_lane; /* who goes first */
    const char *profile;  /* "" : as configured */
    const char *csr_text; /* base64url DER */
    const struct verify_csr *csr;
};

/* Takes over what the store says is open. */
int issuance_open_all(struct issuer *issuer, struct issuances **ret_issuances) MUST_CHECK;
void issuance_close_all(struct issuances *issuances);

/* Begins one inside the transaction REV: its row is written, and nothing is sent before
 * that is durable. The order's row must exist as PROCESSING. With the same CSR of the
 * same id already on its way, both get that one's certificate. */
int issuance_begin(struct issuer *issuer, int64_t rev,
                   const struct issuance_wish *wish) MUST_CHECK;
/* How many of this id are under way with other keys than this one. */
size_t issuance_other_keys(const struct issuances *issuances, const char *id,
                           const char *spki_hash);
size_t issuance_count(const struct issuances *issuances);
/* How many are at the CA now; others wait for a slot or for a retry. */
size_t issuance_running_count(const struct issuances *issuances);
struct issuance_counts {
    size_t queued; /* wait for a slot */
    size_t held;   /* wait for another try at the CA */
};
/* How many of them wait. */
struct issuance_counts issuance_counts(const struct issuances *issuances);
/* More than can be worked off soon: nothing new of this lane should be admitted. */
bool issuance_crowded(const struct issuances *issuances, enum budget_lane lane);
/* Lets waiting ones start, after the breaker closed or a slot became free. */
void issuance_wake(struct issuances *issuances);

/* Appends a problem's document for the order's row. */
int issuance_problem_text(const struct acme_problem *problem,
                          struct buffer *text) MUST_CHECK;

#endif
