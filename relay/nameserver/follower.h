/* Follows the store for the dns role: opens the three files when they are there, reads
 * the rows with a revision it has not seen, and hands each to a sink. A file that is
 * missing or can't be read is no error: what was seen stays, and it is tried again later.
 */
#ifndef RELAY_NAMESERVER_FOLLOWER_H
#define RELAY_NAMESERVER_FOLLOWER_H

#include "base/core/error.h"

#include <stdbool.h>
#include <stdint.h>

struct follower;

/* The three files, in the order of their revisions. */
enum follower_source {
    FOLLOWER_FRONT,
    FOLLOWER_ISSUER,
    FOLLOWER_ADMIN,
    FOLLOWER_SOURCE_COUNT
};

/* How far each file was read; 0: from the start. Kept in the snapshot. */
struct follower_seen {
    int64_t revs[FOLLOWER_SOURCE_COUNT];
};

/* What the follower tells. Texts are borrowed for the call. A negative result
 * (ERROR_MEMORY, ERROR_LIMIT) is logged by the follower's owner; following goes on with
 * the next row. */
struct follower_sink {
    /* VALUE is shown at NAME ("_acme-challenge.<id>.<zone>") until EXPIRES_AT, or is not
     * any more. */
    int (*challenge)(void *arg, const char *name, const char *value, int64_t expires_at,
                     bool gone);
    /* The addresses that ID published: text forms with single blanks between; "" for
     * none. */
    int (*addresses)(void *arg, const char *id, const char *addresses);
    /* Whether ID's current certificate holds <id>.<zone> itself, and until when (0: it
     * does not). */
    int (*certificate)(void *arg, const char *id, int64_t holds_id_until_at);
    int (*block)(void *arg, const char *id, bool blocked);
    /* The value of the apex CAA `issue` of one CA ("" : none). */
    int (*caa)(void *arg, const char *ca, const char *value);
    /* The file is another one than before (its revision went back): forget what came from
     * it. */
    void (*forget)(void *arg, enum follower_source source);
    void *arg;
};

/* FOLDER and ZONE are borrowed. SEEN: where to go on, from a snapshot. Opens nothing yet.
 */
int follower_new(const char *folder, const char *zone, const struct follower_seen *seen,
                 const struct follower_sink *sink,
                 struct follower **ret_follower) MUST_CHECK;
/* Looks for news in every file and hands them on; cheap when there are none. Blocks on
 * the disk. *RET_CHANGED (may be NULL): whether any row was handed on. Never fails: what
 * could not be read is tried again at the next call, after a pause. */
void follower_poll(struct follower *follower, int64_t now_mono_ms, bool *ret_changed);
/* The next poll hands on every row of SOURCE again. */
void follower_reread(struct follower *follower, enum follower_source source);
struct follower_seen follower_seen(const struct follower *follower);
/* Whether every file was read at least once since the start. */
bool follower_is_current(const struct follower *follower);
/* The name of a file that can't be read now, or NULL. admin.db need not be there: the operator's
 * first command makes it. */
const char *follower_unreadable(const struct follower *follower);
void follower_free(struct follower *follower);

#endif
