/* Group commit: everything that one turn of the loop wants to write becomes one
 * transaction, and whoever must wait until it is durable is called afterwards. One commit
 * costs an fsync; with hundreds of issuances in flight each would cost its own otherwise.
 */
#ifndef RELAY_ISSUER_COMMIT_H
#define RELAY_ISSUER_COMMIT_H

#include "base/net/loop.h"
#include "relay/store/database.h"

struct commit;

/* Told after the commit. Part of the waiter's own struct; it may wait again from FN. */
struct commit_waiter {
    void (*fn)(void *arg);
    void *arg;
    struct commit_waiter *next;
    bool waiting;
};

/* Both are borrowed. A failed write or commit can't be undone in memory: it is logged
 * once, nothing is written any more, and LOOP stops; the next process goes on from the
 * store. */
int commit_new(struct loop *loop, struct database *database,
               struct commit **ret_commit) MUST_CHECK;
void commit_free(struct commit *commit); /* rolls back what was not committed */
/* The revision to write with; opens the transaction when there is none. */
int commit_begin(struct commit *commit, int64_t *ret_rev) MUST_CHECK;
/* Commits now what was written so far and tells those who wait for it, and what they write then:
 * no transaction is open afterwards. */
int commit_flush(struct commit *commit) MUST_CHECK;
/* Calls WAITER once all that was written so far is durable. */
void commit_wait(struct commit *commit, struct commit_waiter *waiter);
void commit_cancel(struct commit *commit, struct commit_waiter *waiter);
/* Says that writing WHAT failed; returns ERROR. */
int commit_fail(struct commit *commit, int error, const char *what);
struct database *commit_database(const struct commit *commit);
/* 0, or the error that stopped it. */
int commit_error(const struct commit *commit);
/* How many things are in flight: with many, a transaction stays open for some
 * milliseconds to take in the writes of the next turns. */
void commit_set_load(struct commit *commit, size_t in_flight_count);
uint64_t commit_count(const struct commit *commit);

#endif
