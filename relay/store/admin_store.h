/* admin.db: enrolment tokens, blocks, audit. Written by the operator's commands; front,
 * issuer and dns read it. All block on the disk. The writers open their own transaction.
 */
#ifndef RELAY_STORE_ADMIN_STORE_H
#define RELAY_STORE_ADMIN_STORE_H

#include "base/core/limits.h"
#include "relay/store/database.h"

struct admin_store_token {
    const char *kid;
    const char *label;
    int64_t created_at;
    int64_t expires_at;  /* 0: never */
    int64_t max_devices; /* 0: no maximum */
    bool gone;
    int64_t rev;
};

struct admin_store_block {
    const char *id;
    const char *reason;
    int64_t blocked_at;
    bool gone; /* lifted */
    int64_t rev;
};

/* Where the relay's devices shall go. */
struct admin_store_move {
    char target[LIMIT_URL_BYTES]; /* the new relay's directory */
    char pin[64];                 /* of its key; "" : not given */
    int64_t serial;               /* set by admin_store_put_move */
    int64_t issued_at;
};

/* Texts are borrowed for the call. A negative result ends the query. */
typedef int admin_store_token_fn(const struct admin_store_token *token, void *arg);
typedef int admin_store_block_fn(const struct admin_store_block *block, void *arg);

/* Adds a token, and says so in the audit. */
int admin_store_put_token(struct database *database, const char *zone,
                          const struct admin_store_token *token,
                          const char *who) MUST_CHECK;
/* ERROR_NOT_FOUND when there is no such live token. */
int admin_store_end_token(struct database *database, const char *zone, const char *kid,
                          const char *who) MUST_CHECK;
/* One token, ended or not: FN is called once, or ERROR_NOT_FOUND. */
int admin_store_get_token(struct database *database, const char *zone, const char *kid,
                          admin_store_token_fn *fn, void *arg) MUST_CHECK;
int admin_store_tokens(struct database *database, const char *zone,
                       admin_store_token_fn *fn, void *arg) MUST_CHECK;
int admin_store_block(struct database *database, const char *zone, const char *id,
                      const char *reason, const char *who) MUST_CHECK;
/* ERROR_NOT_FOUND when ID is not blocked. */
int admin_store_unblock(struct database *database, const char *zone, const char *id,
                        const char *who) MUST_CHECK;
/* Whether ID is blocked now: *RET_BLOCKED. */
int admin_store_is_blocked(struct database *database, const char *zone, const char *id,
                           bool *ret_blocked) MUST_CHECK;
/* Writes MOVE with the next serial, which is returned in it, and says so in the audit. */
int admin_store_put_move(struct database *database, const char *zone,
                         struct admin_store_move *move, const char *who) MUST_CHECK;
/* The one with the highest serial; ERROR_NOT_FOUND when there was never any. */
int admin_store_last_move(struct database *database, const char *zone,
                          struct admin_store_move *ret_move) MUST_CHECK;
/* Asks the issuer for a new key of the CA account: *RET_SERIAL; says so in the audit. */
int admin_store_ask_rollover(struct database *database, const char *zone, int64_t at,
                             const char *who, int64_t *ret_serial) MUST_CHECK;
/* The serial of the last such wish; 0: none. */
int admin_store_last_rollover(struct database *database, const char *zone,
                              int64_t *ret_serial) MUST_CHECK;

/* What was seen of copies of ID until AT is settled; says so in the audit. */
int admin_store_settle_clone(struct database *database, const char *zone, const char *id,
                             int64_t at, const char *who) MUST_CHECK;
/* *RET_AT: 0 when nothing was ever settled. */
int admin_store_clone_settled_at(struct database *database, const char *zone,
                                 const char *id, int64_t *ret_at) MUST_CHECK;
/* Blocks with rev > AFTER_REV, tombstones too, in order of rev. */
int admin_store_blocks_since(struct database *database, const char *zone,
                             int64_t after_rev, admin_store_block_fn *fn,
                             void *arg) MUST_CHECK;

#endif
