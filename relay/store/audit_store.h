/* admin.db's audit: what the operator's commands changed. Each change and its line are one
 * transaction: nothing is done that the audit does not say. The audit is a chain: a row's hash
 * covers the row before it, so that a line taken out or altered later shows. Who can write the
 * file can make a new chain from any row on; a copy of the last hash, kept elsewhere, shows
 * that too. All block on the disk. */
#ifndef RELAY_STORE_AUDIT_STORE_H
#define RELAY_STORE_AUDIT_STORE_H

#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "relay/store/database.h"

enum { AUDIT_STORE_HASH_CAPACITY = TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1 };

/* What is to be written. */
struct audit_store_line {
    const char *who;
    const char *action;
    const char *detail;
};

/* A row; texts are borrowed for the call. */
struct audit_store_row {
    int64_t number; /* from 1, without a gap */
    int64_t at;
    const char *who;
    const char *action;
    const char *detail;
    const char *hash; /* hex */
};

/* The chain's end: number 0 and "" while there is no row. */
struct audit_store_head {
    int64_t number;
    char hash[AUDIT_STORE_HASH_CAPACITY];
};

typedef int audit_store_fn(const struct audit_store_row *row, void *arg);

/* Ends the transaction REV of a change that came to RESULT: with 0 the audit line and the commit,
 * or nothing at all. Returns RESULT, or what failed. */
int audit_store_finish(struct database *database, const char *zone, int64_t rev,
                       int result, const struct audit_store_line *line) MUST_CHECK;
/* At most LIMIT rows with number > AFTER in order. */
int audit_store_rows(struct database *database, const char *zone, int64_t after,
                     int64_t limit, audit_store_fn *fn, void *arg) MUST_CHECK;
int audit_store_head(struct database *database, const char *zone,
                     struct audit_store_head *ret_head) MUST_CHECK;
/* Follows the chain from its first row: *RET_BROKEN is the number of the first row that does
 * not fit to the one before (missing, moved or altered), 0 when all do; *RET_HEAD the last
 * that does. */
int audit_store_verify(struct database *database, const char *zone,
                       struct audit_store_head *ret_head, int64_t *ret_broken) MUST_CHECK;

#endif
