/* issuer.db: orders, issuances at the CA, certificates, challenges, ledger, revocations,
 * CA accounts, budgets. Written by the issuer alone; front, dns and admin read it. All
 * block on the disk.
 *
 * Writers (issuer_store_put_*, _end_*, _set_*) run inside the caller's transaction: REV
 * is what database_begin gave, so that one turn of the issuer's loop is one commit.
 * Readers follow with *_since: rows with rev > AFTER_REV in order of rev, tombstones too.
 * All texts in the structs are borrowed for the call, never NULL; a negative result of a
 * callback ends the query and is its result. Single look-ups call FN once, or return
 * ERROR_NOT_FOUND. */
#ifndef RELAY_STORE_ISSUER_STORE_H
#define RELAY_STORE_ISSUER_STORE_H

#include "relay/store/database.h"

/* A device's order. REFUSED: admission said no (problem, retry_at). READY: admitted, may
 * be finalized until expires_at. PROCESSING: finalize taken. VALID: certificate is the
 * certID. INVALID: problem. */
enum issuer_store_state {
    ISSUER_STORE_REFUSED,
    ISSUER_STORE_READY,
    ISSUER_STORE_PROCESSING,
    ISSUER_STORE_VALID,
    ISSUER_STORE_INVALID,
};

struct issuer_store_order {
    const char *number;   /* 32 hex characters */
    const char *id;       /* the device's; the host name for the relay's own */
    const char *names;    /* identifiers, sorted, one blank between */
    const char *profile;  /* "" : none asked */
    const char *replaces; /* certID, only when it is one of this id's; else "" */
    enum issuer_store_state state;
    int64_t created_at;
    int64_t expires_at;
    int64_t retry_at; /* REFUSED: when to ask again, 0: never; else 0 */
    const char
        *problem; /* JSON problem document (RFC 7807: type, detail, status); "" : none */
    const char *certificate; /* certID of the chain; "" until VALID */
    int64_t rev;
};

/* "refused", "ready", "processing", "valid", "invalid". */
const char *issuer_store_state_text(enum issuer_store_state state);

/* What the ACME client needs to go on with an order at the CA. */
struct issuer_store_issuance {
    const char *number;
    const char *ca;     /* directory URL */
    const char *lane;   /* "device" or "relay" */
    int64_t generation; /* each start of the issuer takes the next; a write with another
                           one is ERROR_CONFLICT */
    const char *saved;  /* the client's state; "" before the first request */
    const char *csr;    /* base64url DER */
    int64_t attempts;
    int64_t next_at;
    bool done;
    int64_t rev;
};

struct issuer_store_certificate {
    const char *cert_id; /* RFC 9773 certID */
    const char *id;
    const char *number; /* of the order that made it */
    const char *lane;
    const char *ca;
    const char *serial;     /* lower-case hex */
    const char *names;      /* sorted, one blank between */
    const char *spki_hash;  /* hex SHA-256 */
    const char *csr_hash;   /* hex SHA-256 of the CSR's DER */
    const char *chain;      /* PEM, leaf first */
    const char *alternates; /* JSON array of PEM chains, "[]" for none */
    int64_t not_before_at, not_after_at;
    int64_t ari_start_at,
        ari_end_at; /* the window for the device, already narrowed; 0: unknown yet */
    int64_t ari_checked_at;
    bool replaced;
    int64_t revoked_at; /* 0: not revoked */
    int64_t revoke_reason;
    int64_t rev;
};

/* One TXT value to show at NAME ("_acme-challenge.<id>.<zone>", no dot at the end). Not
 * shown when gone or expires_at has passed. */
struct issuer_store_challenge {
    const char *name;
    const char *value;
    int64_t expires_at;
    bool gone;
    int64_t rev;
};

struct issuer_store_ca_account {
    const char *ca;  /* directory URL */
    const char *url; /* the account's; "" while there is none: CAA is then issue ";" */
    const char *caa; /* value of the apex CAA issue property: `letsencrypt.org;
                        validationmethods=dns-01; accounturi=...` */
    int64_t created_at;
    int64_t rev;
};

/* The answer to a 'revoke' request. state: "done" or "refused" (problem as above). */
struct issuer_store_revocation {
    const char *number;
    const char *cert_id;
    bool done;
    const char *problem;
    int64_t answered_at;
    int64_t rev;
};

struct issuer_store_entry {
    const char *kind;
    const char *what;
    const char *id;
    int64_t at;
};

typedef int issuer_store_order_fn(const struct issuer_store_order *order, void *arg);
typedef int issuer_store_issuance_fn(const struct issuer_store_issuance *issuance,
                                     void *arg);
typedef int
issuer_store_certificate_fn(const struct issuer_store_certificate *certificate,
                            void *arg);
typedef int issuer_store_challenge_fn(const struct issuer_store_challenge *challenge,
                                      void *arg);
typedef int issuer_store_ca_account_fn(const struct issuer_store_ca_account *account,
                                       void *arg);
typedef int issuer_store_revocation_fn(const struct issuer_store_revocation *revocation,
                                       void *arg);
/* A certificate without its chain. */
struct issuer_store_life {
    const char *id;
    const char *cert_id;
    const char *serial;
    int64_t not_before_at, not_after_at;
};

/* A page of the certificates that end by UNTIL_AT: at most LIMIT, behind the last of the page
 * before (after_at INT64_MIN: the first page). */
struct issuer_store_ending_page {
    int64_t until_at;
    int64_t after_at;
    const char *after_id;
    int64_t limit;
};

typedef int issuer_store_life_fn(const struct issuer_store_life *life, void *arg);
typedef int issuer_store_entry_fn(const struct issuer_store_entry *entry, void *arg);

/* ---- orders ---- */
/* Adds or overwrites. */
int issuer_store_put_order(struct database *database, const char *zone, int64_t rev,
                           const struct issuer_store_order *order) MUST_CHECK;
/* Moves an order on: state, problem, certificate. ERROR_NOT_FOUND without a row. */
int issuer_store_set_order_state(struct database *database, const char *zone, int64_t rev,
                                 const char *number, enum issuer_store_state state,
                                 const char *problem, const char *certificate) MUST_CHECK;
int issuer_store_order(struct database *database, const char *zone, const char *number,
                       issuer_store_order_fn *fn, void *arg) MUST_CHECK;
int issuer_store_orders_since(struct database *database, const char *zone,
                              int64_t after_rev, issuer_store_order_fn *fn,
                              void *arg) MUST_CHECK;
/* Orders of one id, newest first, at most LIMIT. */
int issuer_store_orders_of(struct database *database, const char *zone, const char *id,
                           int64_t limit, issuer_store_order_fn *fn,
                           void *arg) MUST_CHECK;
/* How many orders of ID are READY or PROCESSING. */
int issuer_store_count_open_orders(struct database *database, const char *zone,
                                   const char *id, int64_t *ret_count) MUST_CHECK;
/* Orders READY whose expires_at has passed become INVALID ("unused" in the ledger), and what
 * they had reserved is given back; *RET_COUNT of them. */
int issuer_store_expire_orders(struct database *database, const char *zone, int64_t rev,
                               int64_t now_at, const char *problem,
                               int *ret_count) MUST_CHECK;

/* ---- issuances (the issuer's own) ---- */
int issuer_store_put_issuance(struct database *database, const char *zone, int64_t rev,
                              const struct issuer_store_issuance *issuance) MUST_CHECK;
/* Writes saved, attempts, next_at and done where the generation is still the same; else
 * ERROR_CONFLICT. */
int issuer_store_save_issuance(struct database *database, const char *zone, int64_t rev,
                               const struct issuer_store_issuance *issuance) MUST_CHECK;
/* Takes every open issuance under GENERATION. */
int issuer_store_take_issuances(struct database *database, const char *zone, int64_t rev,
                                int64_t generation) MUST_CHECK;
int issuer_store_issuance(struct database *database, const char *zone, const char *number,
                          issuer_store_issuance_fn *fn, void *arg) MUST_CHECK;
int issuer_store_open_issuances(struct database *database, const char *zone,
                                issuer_store_issuance_fn *fn, void *arg) MUST_CHECK;

/* ---- certificates ---- */
int issuer_store_put_certificate(struct database *database, const char *zone, int64_t rev,
                                 const struct issuer_store_certificate *certificate)
    MUST_CHECK;
int issuer_store_set_revoked(struct database *database, const char *zone, int64_t rev,
                             const char *cert_id, int64_t revoked_at,
                             int64_t reason) MUST_CHECK;
int issuer_store_set_replaced(struct database *database, const char *zone, int64_t rev,
                              const char *cert_id) MUST_CHECK;
int issuer_store_set_ari(struct database *database, const char *zone, int64_t rev,
                         const char *cert_id, int64_t start_at, int64_t end_at,
                         int64_t checked_at) MUST_CHECK;
int issuer_store_certificate(struct database *database, const char *zone,
                             const char *cert_id, issuer_store_certificate_fn *fn,
                             void *arg) MUST_CHECK;
int issuer_store_certificate_of_order(struct database *database, const char *zone,
                                      const char *number, issuer_store_certificate_fn *fn,
                                      void *arg) MUST_CHECK;
/* The unrevoked one of this id that ends last (lane "device"); it may have expired. */
int issuer_store_current_certificate(struct database *database, const char *zone,
                                     const char *id, issuer_store_certificate_fn *fn,
                                     void *arg) MUST_CHECK;
/* The newest unrevoked one of lane "relay" made for the key with this SPKI hash (hex); ""
 * : any key. */
int issuer_store_relay_certificate(struct database *database, const char *zone,
                                   const char *spki_hash, issuer_store_certificate_fn *fn,
                                   void *arg) MUST_CHECK;
/* The newest one of lane "device" made from this CSR (hex hash) for this id, revoked or
 * not. */
int issuer_store_certificate_of_csr(struct database *database, const char *zone,
                                    const char *id, const char *csr_hash,
                                    issuer_store_certificate_fn *fn,
                                    void *arg) MUST_CHECK;
/* Unrevoked, unreplaced, not after NOW, with ari_checked_at < CHECKED_BEFORE; at most
 * LIMIT, oldest check first. */
int issuer_store_certificates_to_check(struct database *database, const char *zone,
                                       int64_t now_at, int64_t checked_before,
                                       int64_t limit, issuer_store_certificate_fn *fn,
                                       void *arg) MUST_CHECK;
int issuer_store_certificates_since(struct database *database, const char *zone,
                                    int64_t after_rev, issuer_store_certificate_fn *fn,
                                    void *arg) MUST_CHECK;
/* All of one id, newest first. */
int issuer_store_certificates_of(struct database *database, const char *zone,
                                 const char *id, int64_t limit,
                                 issuer_store_certificate_fn *fn, void *arg) MUST_CHECK;

/* ---- challenges ---- */
/* Shows VALUE at NAME until EXPIRES_AT; lifts a tombstone of the same value. */
int issuer_store_put_challenge(struct database *database, const char *zone, int64_t rev,
                               const struct issuer_store_challenge *challenge) MUST_CHECK;
/* Takes exactly this value away (a tombstone stays); fine when it was not there. */
int issuer_store_end_challenge(struct database *database, const char *zone, int64_t rev,
                               const char *name, const char *value) MUST_CHECK;
/* Tombstones every value whose expires_at has passed, and deletes tombstones that expired
 * before FORGET_AT. */
int issuer_store_sweep_challenges(struct database *database, const char *zone,
                                  int64_t rev, int64_t now_at,
                                  int64_t forget_at) MUST_CHECK;
int issuer_store_challenges_since(struct database *database, const char *zone,
                                  int64_t after_rev, issuer_store_challenge_fn *fn,
                                  void *arg) MUST_CHECK;

/* ---- ledger: facts that must hold for ever ----
 * kinds: "finalize" (what: order number taken), "order" (what: hash of a newOrder JWS
 * admitted), "account" (what: id enrolled), "token" (what: kid/id), "open" (what: id enrolled
 * without a token), "fresh" (what: id, enrolled and not yet looked at again), "key" and
 * "renewal-key" (what: id/SPKI hash, a TLS key taken), "failure" and "unused" (what: order number),
 * "revoking" (what: request number, id: certID, at: reason), "revoked-key" (what: SPKI
 * hash), "relay-order" (what: number), "rollover" (at: the serial of the last wish followed),
 * "alive" (at: the last sweep), "last" (what: "issued", id: whom), "cursor", "generation". */
int issuer_store_put_entry(struct database *database, const char *zone, int64_t rev,
                           const struct issuer_store_entry *entry)
    MUST_CHECK; /* overwrites */
int issuer_store_remove_entry(struct database *database, const char *zone,
                              const char *kind,
                              const char *what) MUST_CHECK; /* fine when not there */
int issuer_store_entry(struct database *database, const char *zone, const char *kind,
                       const char *what, issuer_store_entry_fn *fn, void *arg) MUST_CHECK;
/* Whether there is one: *RET_AT is its time, -1 when not. */
int issuer_store_entry_at(struct database *database, const char *zone, const char *kind,
                          const char *what, int64_t *ret_at) MUST_CHECK;
/* Entries of a kind and id with at > AFTER, oldest first. */
int issuer_store_entries_of(struct database *database, const char *zone, const char *kind,
                            const char *id, int64_t after_at, issuer_store_entry_fn *fn,
                            void *arg) MUST_CHECK;
/* All entries of a kind whose `what` starts with PREFIX, in order of what. */
int issuer_store_entries(struct database *database, const char *zone, const char *kind,
                         const char *prefix, issuer_store_entry_fn *fn,
                         void *arg) MUST_CHECK;

/* How many entries of a kind have a `what` that starts with PREFIX. */
int issuer_store_count_entries(struct database *database, const char *zone,
                               const char *kind, const char *prefix,
                               int64_t *ret_count) MUST_CHECK;

/* ---- enrolments in the ledger (issuer_store_enrolments.c) ---- */
/* When the Kth newest entry of a kind (1: the newest) was made: *RET_AT, -1 when there are
 * fewer. */
int issuer_store_kth_entry_at(struct database *database, const char *zone,
                              const char *kind, int64_t k, int64_t *ret_at) MUST_CHECK;
/* At most LIMIT entries of a kind with at < BEFORE_AT, oldest first. */
int issuer_store_old_entries(struct database *database, const char *zone,
                             const char *kind, int64_t before_at, int64_t limit,
                             issuer_store_entry_fn *fn, void *arg) MUST_CHECK;
/* Whether ID has an order under way or a place in the queue: *RET_WAITING. */
int issuer_store_is_waiting(struct database *database, const char *zone, const char *id,
                            bool *ret_waiting) MUST_CHECK;
/* That ID enrolled, and its place at its token. */
int issuer_store_forget_enrolment(struct database *database, const char *zone,
                                  const char *id) MUST_CHECK;

/* ---- revocations ---- */
int issuer_store_put_revocation(struct database *database, const char *zone, int64_t rev,
                                const struct issuer_store_revocation *revocation)
    MUST_CHECK;
int issuer_store_revocation(struct database *database, const char *zone,
                            const char *number, issuer_store_revocation_fn *fn,
                            void *arg) MUST_CHECK;

/* ---- CA accounts ---- */
int issuer_store_put_ca_account(struct database *database, const char *zone, int64_t rev,
                                const struct issuer_store_ca_account *account) MUST_CHECK;
/* All of them, in order of creation (few). */
int issuer_store_ca_accounts(struct database *database, const char *zone,
                             issuer_store_ca_account_fn *fn, void *arg) MUST_CHECK;

/* ---- what the relay says of itself ---- */
/* Adds or overwrites. WHAT: "key" (its public JWK) or "move" (a signed statement). */
int issuer_store_put_announcement(struct database *database, const char *zone,
                                  int64_t rev, const char *what, const char *content,
                                  int64_t at) MUST_CHECK;
/* Appends it to CONTENT; ERROR_NOT_FOUND while there is none. */
int issuer_store_announcement(struct database *database, const char *zone,
                              const char *what, struct buffer *content) MUST_CHECK;
/* The answer to a 'time' request. */
int issuer_store_put_time(struct database *database, const char *zone, int64_t rev,
                          const char *number, const char *content, int64_t at) MUST_CHECK;
int issuer_store_time(struct database *database, const char *zone, const char *number,
                      struct buffer *content) MUST_CHECK;
int issuer_store_forget_times(struct database *database, const char *zone,
                              int64_t before_at) MUST_CHECK;

/* ---- what is forgotten (issuer_store_prune.c) ---- */
/* Orders in STATE with expires_at < EXPIRED_BEFORE_AT. */
int issuer_store_forget_orders(struct database *database, const char *zone,
                               enum issuer_store_state state,
                               int64_t expired_before_at) MUST_CHECK;
/* Issuances that are done. */
int issuer_store_forget_issuances(struct database *database, const char *zone) MUST_CHECK;
/* Certificates with not_after_at < ENDED_BEFORE_AT. */
int issuer_store_forget_certificates(struct database *database, const char *zone,
                                     int64_t ended_before_at) MUST_CHECK;
/* Takes certificates that have ended out of the order in which the CA is asked. */
int issuer_store_end_checks(struct database *database, const char *zone,
                            int64_t now_at) MUST_CHECK;
/* Answers to revocations given before BEFORE_AT. */
int issuer_store_forget_revocations(struct database *database, const char *zone,
                                    int64_t before_at) MUST_CHECK;
/* Ledger entries of a kind with at < BEFORE_AT. */
int issuer_store_forget_entries(struct database *database, const char *zone,
                                const char *kind, int64_t before_at) MUST_CHECK;

/* ---- what the operator looks for (issuer_store_lists.c) ---- */
/* As issuer_store_current_certificate. */
int issuer_store_current_life(struct database *database, const char *zone, const char *id,
                              issuer_store_life_fn *fn, void *arg) MUST_CHECK;
/* Devices' current certificates of a page, the first to end first. */
int issuer_store_ending(struct database *database, const char *zone,
                        const struct issuer_store_ending_page *page,
                        issuer_store_life_fn *fn, void *arg) MUST_CHECK;
/* Certificates whose serial begins so (lower-case hex), of any lane. */
int issuer_store_lives_of_serial(struct database *database, const char *zone,
                                 const char *serial, int64_t limit,
                                 issuer_store_life_fn *fn, void *arg) MUST_CHECK;
/* All of a device that are neither revoked nor ended. */
int issuer_store_lives_of_id(struct database *database, const char *zone, const char *id,
                             int64_t now_at, issuer_store_life_fn *fn,
                             void *arg) MUST_CHECK;
/* ---- forgetting a device (issuer_store_lists.c) ---- */
/* Its orders that are READY become INVALID with PROBLEM, and give back what they hold. Its
 * enrolment goes with issuer_store_forget_enrolment. */
int issuer_store_end_ready_orders(struct database *database, const char *zone,
                                  int64_t rev, const char *id,
                                  const char *problem) MUST_CHECK;
/* How many of its orders are PROCESSING. */
int issuer_store_count_processing(struct database *database, const char *zone,
                                  const char *id, int64_t *ret_count) MUST_CHECK;

#endif
