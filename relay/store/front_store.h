/* front.db: what front knows of devices and asks of the issuer. Written by front, read by
 * issuer and dns. Every function blocks on the disk.
 *
 * The writers take REV from database_begin: the caller opens one transaction for many
 * writes and commits them together (group commit). They return 0, ERROR_EXISTS, or the
 * database's error. Texts that a callback gets are borrowed for the call; a negative
 * result of a callback ends the query and is its result. */
#ifndef RELAY_STORE_FRONT_STORE_H
#define RELAY_STORE_FRONT_STORE_H

#include "relay/store/database.h"

enum { FRONT_STORE_RECEIPT_SIZE = 22 }; /* 16 random octets in base64url */

/* A device's account. status: "valid", "deactivated". */
struct front_store_account {
    const char *id;
    const char *jwk;          /* the identity key's public JWK, JSON text */
    const char *registration; /* the newAccount JWS as it came, JSON text: holds the
                                 externalAccountBinding */
    const char *token;        /* kid of the enrolment token; "" with open enrolment */
    const char *contact;      /* JSON array of URLs, kept as given */
    const char *status;
    int64_t created_at;
    int64_t rev;
};

/* What front asks of the issuer. */
struct front_store_request {
    const char
        *number; /* 32 hex characters: the order's, or its own for 'revoke' and 'relay' */
    const char *kind; /* "order", "finalize", "revoke", "leave", "relay", "time" */
    const char
        *id; /* the account's id; "" for 'relay' and for 'revoke' by certificate key */
    const char
        *jws; /* the signed bytes as they came (JSON text); 'relay': the CSR, base64url */
    const char *jwk; /* the key that signed, JSON text; "" for 'relay' */
    int64_t received_at;
    int64_t rev;
};

/* What a device published for its stable names. */
struct front_store_addresses {
    const char *id;
    int64_t counter;       /* of the device's last publication; only rises */
    const char *addresses; /* text forms with single blanks between; "" when none */
    const char *jws;       /* the publication as it came */
    int64_t published_at;
    bool gone; /* cleared: silent for too long */
    int64_t rev;
};

/* What tells a device from its copies, see relay/front/receipt.h. */
struct front_store_receipt {
    char receipt[FRONT_STORE_RECEIPT_SIZE +
                 1]; /* that the last publication was answered with */
    char former[FRONT_STORE_RECEIPT_SIZE +
                1];      /* the one before; "" : none may come again */
    int64_t mismatch_at; /* the last that did not fit; 0: none */
    int64_t cloned_at;   /* two stepped on each other; 0: no */
};

/* A version of the terms that devices agree to. */
struct front_store_terms {
    const char *version;
    const char *text; /* plain text, see relay/front/terms.h */
    int64_t since_at;
};

typedef int front_store_account_fn(const struct front_store_account *account, void *arg);
typedef int front_store_request_fn(const struct front_store_request *request, void *arg);
typedef int front_store_addresses_fn(const struct front_store_addresses *addresses,
                                     void *arg);
typedef int front_store_terms_fn(const struct front_store_terms *terms, void *arg);
typedef int front_store_id_fn(const char *id, void *arg);

/* Writers (front only). */

/* ERROR_EXISTS when the id has an account. */
int front_store_add_account(struct database *database, const char *zone, int64_t rev,
                            const struct front_store_account *account) MUST_CHECK;
/* Changes contact and status; ERROR_NOT_FOUND without an account. */
int front_store_update_account(struct database *database, const char *zone, int64_t rev,
                               const char *id, const char *contact,
                               const char *status) MUST_CHECK;
/* ERROR_EXISTS when this number has a request of this kind. */
int front_store_add_request(struct database *database, const char *zone, int64_t rev,
                            const struct front_store_request *request) MUST_CHECK;
/* Removes requests of KIND older than RECEIVED_BEFORE_AT, at most MAX of them; *RET_COUNT
 * says how many went. */
int front_store_remove_requests(struct database *database, const char *zone,
                                const char *kind, int64_t received_before_at, int64_t max,
                                int64_t *ret_count) MUST_CHECK;
/* ERROR_CONFLICT when the stored counter is not lower than ADDRESSES->counter. */
int front_store_put_addresses(struct database *database, const char *zone, int64_t rev,
                              const struct front_store_addresses *addresses) MUST_CHECK;
/* Empties what ID published (a tombstone that keeps its counter); fine when nothing. */
int front_store_withdraw_addresses(struct database *database, const char *zone,
                                   int64_t rev, const char *id) MUST_CHECK;
/* Whether there are copies of the device, as far as is known: until the operator settles it, or
 * until 30 days went by without another receipt that did not fit. */
bool front_store_is_cloned(const struct front_store_receipt *receipt, int64_t settled_at,
                           int64_t now_at);
int front_store_put_receipt(struct database *database, const char *zone, int64_t rev,
                            const char *id,
                            const struct front_store_receipt *receipt) MUST_CHECK;
/* Empties publications older than PUBLISHED_BEFORE_AT (tombstones that keep their
 * counter). */
int front_store_clear_addresses(struct database *database, const char *zone, int64_t rev,
                                int64_t published_before_at,
                                int64_t *ret_count) MUST_CHECK;

/* Takes the device's account, receipts and publication away (front_store_lists.c); its
 * requests go with time. The counter of the publication stays, so that no old one can be
 * brought back. ERROR_NOT_FOUND when it had no account; the rest is gone then too. */
int front_store_forget_device(struct database *database, const char *zone, int64_t rev,
                              const char *id) MUST_CHECK;

/* A deactivated account is valid again; ERROR_NOT_FOUND when there is no such one. */
int front_store_reactivate(struct database *database, const char *zone, int64_t rev,
                           const char *id) MUST_CHECK;

/* Readers. */

/* Each calls FN once, or returns ERROR_NOT_FOUND. */
int front_store_get_account(struct database *database, const char *zone, const char *id,
                            front_store_account_fn *fn, void *arg) MUST_CHECK;
int front_store_get_request(struct database *database, const char *zone,
                            const char *number, const char *kind,
                            front_store_request_fn *fn, void *arg) MUST_CHECK;
int front_store_get_addresses(struct database *database, const char *zone, const char *id,
                              front_store_addresses_fn *fn, void *arg) MUST_CHECK;
/* ERROR_NOT_FOUND when ID never published with a receipt. */
int front_store_get_receipt(struct database *database, const char *zone, const char *id,
                            struct front_store_receipt *ret_receipt) MUST_CHECK;
/* At most MAX accounts with an id behind AFTER_ID ("" : from the first), in order of id. */
int front_store_accounts_after(struct database *database, const char *zone,
                               const char *after_id, int64_t max,
                               front_store_account_fn *fn, void *arg) MUST_CHECK;
/* All with rev > AFTER_REV in order of rev, tombstones too. About MAX rows: rows of one
 * revision are never split, so that the rev of the last row seen is the right AFTER_REV
 * of the next call. */
int front_store_accounts_since(struct database *database, const char *zone,
                               int64_t after_rev, int64_t max, front_store_account_fn *fn,
                               void *arg) MUST_CHECK;
int front_store_requests_since(struct database *database, const char *zone,
                               int64_t after_rev, int64_t max, front_store_request_fn *fn,
                               void *arg) MUST_CHECK;
int front_store_addresses_since(struct database *database, const char *zone,
                                int64_t after_rev, int64_t max,
                                front_store_addresses_fn *fn, void *arg) MUST_CHECK;
/* Accounts that enrolled with this token. */
int front_store_count_token(struct database *database, const char *zone,
                            const char *token, int64_t *ret_count) MUST_CHECK;

/* The terms (front_store_terms.c). A version is never changed: ERROR_EXISTS. */
int front_store_add_terms(struct database *database, const char *zone, int64_t rev,
                          const struct front_store_terms *terms) MUST_CHECK;
/* FN is called once, or ERROR_NOT_FOUND. */
int front_store_get_terms(struct database *database, const char *zone,
                          const char *version, front_store_terms_fn *fn,
                          void *arg) MUST_CHECK;
/* At most MAX of them, the newest first. */
int front_store_all_terms(struct database *database, const char *zone, int64_t max,
                          front_store_terms_fn *fn, void *arg) MUST_CHECK;
/* The operator's (front_store_lists.c): ids of accounts, at most LIMIT, above AFTER_ID in
 * order of id ("" : from the first). */

/* Those that begin with PREFIX. */
int front_store_ids(struct database *database, const char *zone, const char *prefix,
                    const char *after_id, int64_t limit, front_store_id_fn *fn,
                    void *arg) MUST_CHECK;
int front_store_ids_of_token(struct database *database, const char *zone,
                             const char *token, const char *after_id, int64_t limit,
                             front_store_id_fn *fn, void *arg) MUST_CHECK;
/* Those of which two were ever seen; front_store_is_cloned is the judge. */
int front_store_ids_cloned(struct database *database, const char *zone,
                           const char *after_id, int64_t limit, front_store_id_fn *fn,
                           void *arg) MUST_CHECK;
/* Those with TEXT somewhere in their contact, whatever the case, in no order. */
int front_store_ids_of_contact(struct database *database, const char *zone,
                               const char *text, int64_t limit, front_store_id_fn *fn,
                               void *arg) MUST_CHECK;
/* Those that publish this very address, in no order. */
int front_store_ids_of_address(struct database *database, const char *zone,
                               const char *text, int64_t limit, front_store_id_fn *fn,
                               void *arg) MUST_CHECK;
/* The revision of the last request; 0: none. */
int front_store_last_request(struct database *database, const char *zone,
                             int64_t *ret_rev) MUST_CHECK;
int front_store_count_accounts(struct database *database, const char *zone,
                               int64_t *ret_count) MUST_CHECK;

#endif
