#include "relay/issuer/commit.h"

#include "base/core/log.h"

#include <stdlib.h>

enum {
    BUSY_COUNT = 8, /* from here on latency is not what matters */
    BUSY_DELAY_MS = 3,
};

struct commit {
    struct loop *loop;
    struct database *database;
    struct loop_timer *timer;
    struct commit_waiter *first;
    struct commit_waiter **end;
    struct commit_waiter *durable; /* being told */
    int64_t rev;
    bool open;
    int error;
    size_t in_flight_count;
    uint64_t count;
};

int commit_fail(struct commit *commit, int error, const char *what)
{
    if (commit->error == 0) {
        commit->error = error;
        log_error("the store can't be written (%s): %s: %s; ending", what,
                  error_text(error), database_error(commit->database));
        database_rollback(commit->database);
        commit->open = false;
        loop_stop(commit->loop);
    }
    return error;
}

static void finish(void *arg)
{
    struct commit *commit = arg;

    if (commit->error != 0) {
        return;
    }
    if (commit->open) {
        int error = database_commit(commit->database);

        if (error != 0) {
            (void)commit_fail(commit, error, "commit");
            return;
        }
        commit->open = false;
        commit->count++;
    }
    /* The list is taken off first: a waiter that writes again waits for the next commit.
     * One at a time, as a waiter may cancel those after it. */
    commit->durable = commit->first;
    commit->first = NULL;
    commit->end = &commit->first;
    while (commit->durable != NULL) {
        struct commit_waiter *waiter = commit->durable;

        commit->durable = waiter->next;
        waiter->waiting = false;
        waiter->next = NULL;
        waiter->fn(waiter->arg);
    }
}

int commit_new(struct loop *loop, struct database *database, struct commit **ret_commit)
{
    struct commit *commit = calloc(1, sizeof(*commit));
    int error = 0;

    if (commit == NULL) {
        return ERROR_MEMORY;
    }
    commit->loop = loop;
    commit->database = database;
    commit->end = &commit->first;
    error = loop_timer_new(loop, finish, commit, &commit->timer);
    if (error != 0) {
        free(commit);
        return error;
    }
    *ret_commit = commit;
    return 0;
}

void commit_free(struct commit *commit)
{
    if (commit == NULL) {
        return;
    }
    if (commit->open) {
        database_rollback(commit->database);
    }
    loop_timer_free(commit->timer);
    free(commit);
}

int commit_begin(struct commit *commit, int64_t *ret_rev)
{
    int error = commit->error;

    if (error != 0) {
        return error;
    }
    if (!commit->open) {
        error = database_begin(commit->database, &commit->rev);
        if (error != 0) {
            return commit_fail(commit, error, "begin");
        }
        commit->open = true;
        loop_timer_set(commit->timer,
                       commit->in_flight_count >= BUSY_COUNT ? BUSY_DELAY_MS : 0);
    }
    *ret_rev = commit->rev;
    return 0;
}

int commit_flush(struct commit *commit)
{
    /* Who is told may write at once. */
    while (commit->open && commit->error == 0) {
        finish(commit);
    }
    return commit->error;
}

void commit_wait(struct commit *commit, struct commit_waiter *waiter)
{
    if (waiter->waiting) {
        return;
    }
    if (!commit->open && commit->first == NULL) {
        loop_timer_set(commit->timer, 0); /* nothing to write: told in the next turn */
    }
    waiter->waiting = true;
    waiter->next = NULL;
    *commit->end = waiter;
    commit->end = &waiter->next;
}

void commit_cancel(struct commit *commit, struct commit_waiter *waiter)
{
    struct commit_waiter **lists[] = {&commit->first, &commit->durable};

    if (!waiter->waiting) {
        return;
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct commit_waiter **link = lists[i];

        while (*link != NULL && *link != waiter) {
            link = &(*link)->next;
        }
        if (*link == waiter) {
            *link = waiter->next;
            if (commit->end == &waiter->next) {
                commit->end = link;
            }
            break;
        }
    }
    waiter->waiting = false;
    waiter->next = NULL;
}

struct database *commit_database(const struct commit *commit)
{
    return commit->database;
}

int commit_error(const struct commit *commit)
{
    return commit->error;
}

void commit_set_load(struct commit *commit, size_t in_flight_count)
{
    commit->in_flight_count = in_flight_count;
}

uint64_t commit_count(const struct commit *commit)
{
    return commit->count;
}
