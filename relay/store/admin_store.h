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
    int64_t serial;               /* see admin_store_put_move */
    int64_t issued_at;
};

/* What the operator wishes of front or of the issuer. kind:
 *   "forget"      front: the account, its requests and addresses go; issuer: its certificates are
 *                 revoked, its places in the queue and at its token go
 *   "reactivate"  front: a deactivated account is valid again
 *   "revoke"      issuer: DETAIL is "<reason> <certID>" (a number of RFC 5280 5.3.1), or
 *                 "<reason>" for all live certificates of ID
 *   "refuse-key"  issuer: DETAIL is the SPKI hash (hex) of a key that is never certified again */
struct admin_store_wish {
    int64_t number;
    const char *kind;
    const char *id; /* of the device; "" : none */
    const char *detail;
    int64_t at;
};

/* What a command found, for `status`. */
struct admin_store_note {
    char content[512];
    int64_t at;
};

/* Texts are borrowed for the call. A negative result ends the query. */
typedef int admin_store_wish_fn(const struct admin_store_wish *wish, void *arg);
typedef int admin_store_token_fn(const struct admin_store_token *token, void *arg);
typedef int admin_store_block_fn(const struct admin_store_block *block, void *arg);

/* Adds a token, and says so in the audit. */
int admin_store_put_token(struct database *database, const char *zone,
                          const struct admin_store_token *token,
                          const char *who) MUST_CHECK;
/* Adds COUNT tokens like TOKEN in one transaction. KIDS: their kids, each with its NUL. */
int admin_store_put_tokens(struct database *database, const char *zone,
                           const struct admin_store_token *token, const char *kids,
                           size_t count, const char *who) MUST_CHECK;
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
/* The block of ID: FN is called once, or ERROR_NOT_FOUND. */
int admin_store_get_block(struct database *database, const char *zone, const char *id,
                          admin_store_block_fn *fn, void *arg) MUST_CHECK;
/* At most LIMIT live blocks of ids above AFTER_ID, in order of id. */
int admin_store_blocks_after(struct database *database, const char *zone,
                             const char *after_id, int64_t limit,
                             admin_store_block_fn *fn, void *arg) MUST_CHECK;
/* Writes WISH (its kind is the audit's action) under the next number, *RET_NUMBER: above all
 * that are there, and above WISH's own. */
int admin_store_put_wish(struct database *database, const char *zone,
                         const struct admin_store_wish *wish, const char *who,
                         int64_t *ret_number) MUST_CHECK;
/* At most LIMIT wishes with number > AFTER, in order. None in a file that is older than
 * wishes. */
int admin_store_wishes_after(struct database *database, const char *zone, int64_t after,
                             int64_t limit, admin_store_wish_fn *fn,
                             void *arg) MUST_CHECK;
/* All that were ever about ID, in order. */
int admin_store_wishes_of(struct database *database, const char *zone, const char *id,
                          admin_store_wish_fn *fn, void *arg) MUST_CHECK;
/* Overwrites the note WHAT; not in the audit. */
int admin_store_put_note(struct database *database, const char *zone, const char *what,
                         const char *content, int64_t at) MUST_CHECK;
int admin_store_get_note(struct database *database, const char *zone, const char *what,
                         struct admin_store_note *ret_note) MUST_CHECK;
/* The note 'backup', with TARGET (a file, or "-"), and its line in the audit. */
int admin_store_note_backup(struct database *database, const char *zone,
                            const char *target, int64_t at, const char *who) MUST_CHECK;
/* The line in the audit of a store that came from the backup SOURCE. */
int admin_store_note_restore(struct database *database, const char *zone,
                             const char *source, const char *who) MUST_CHECK;
/* Writes MOVE with the next serial, above all that are there and above its own, which is returned
 * in it; says so in the audit. */
int admin_store_put_move(struct database *database, const char *zone,
                         struct admin_store_move *move, const char *who) MUST_CHECK;
/* The one with the highest serial; ERROR_NOT_FOUND when there was never any. */
int admin_store_last_move(struct database *database, const char *zone,
                          struct admin_store_move *ret_move) MUST_CHECK;
/* Asks the issuer for a new key of the CA account: *SERIAL becomes the wish's, above all that are
 * there and above what it was; says so in the audit. */
int admin_store_ask_rollover(struct database *database, const char *zone, int64_t at,
                             const char *who, int64_t *serial) MUST_CHECK;
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
