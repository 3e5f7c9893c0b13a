/* The first write of a batch opens the transaction and sets a timer; when it fires, one
 * fsync makes the whole batch durable, and everybody who waits for it is told. While a
 * batch commits, nothing else runs (one thread), so a batch has no inside. */
#include "relay/front/journal.h"

#include "base/core/log.h"

#include <stdlib.h>

/* Long enough to gather what arrives together, short beside a round trip. */
enum { GATHER_MS = 3 };

struct journal {
    struct service *service;
    struct loop_timer *timer;
    bool open;
    int64_t rev;
    struct request *first; /* held, in the order of their writes */
    struct request *last;
};

static void flush(void *arg)
{
    struct journal *journal = arg;
    struct request *request = journal->first;
    int error = 0;

    if (!journal->open) {
        return;
    }
    error = database_commit(journal->service->front);
    journal->open = false;
    journal->first = NULL;
    journal->last = NULL;
    if (error != 0) {
        log_error("the store could not be written: %s",
                  database_error(journal->service->front));
    }
    while (request != NULL) {
        struct request *next = request->next;

        request->next = NULL;
        request->written(request, error);
        request = next;
    }
}

int journal_new(struct service *service, struct journal **ret_journal)
{
    struct journal *journal = calloc(1, sizeof(*journal));
    int error = 0;

    if (journal == NULL) {
        return ERROR_MEMORY;
    }
    journal->service = service;
    error = loop_timer_new(service->loop, flush, journal, &journal->timer);
    if (error != 0) {
        free(journal);
        return error;
    }
    *ret_journal = journal;
    return 0;
}

void journal_free(struct journal *journal)
{
    struct request *request = NULL;

    if (journal == NULL) {
        return;
    }
    if (journal->open && database_commit(journal->service->front) != 0) {
        log_error("the store could not be written: %s",
                  database_error(journal->service->front));
    }
    request = journal->first;
    while (request != NULL) {
        struct request *next = request->next;

        request_free(request);
        request = next;
    }
    loop_timer_free(journal->timer);
    free(journal);
}

int journal_begin(struct journal *journal, int64_t *ret_rev)
{
    int error = 0;

    if (!journal->open) {
        error = database_begin(journal->service->front, &journal->rev);
        if (error != 0) {
            log_error("the store could not be written: %s",
                      database_error(journal->service->front));
            return error;
        }
        journal->open = true;
        loop_timer_set(journal->timer, GATHER_MS);
    }
    *ret_rev = journal->rev;
    return 0;
}

void journal_flush(struct journal *journal)
{
    flush(journal);
}

void journal_hold(struct journal *journal, struct request *request,
                  request_written_fn *written)
{
    request->written = written;
    request->drop = NULL; /* it stays until the commit, with or without its peer */
    request->next = NULL;
    if (journal->last != NULL) {
        journal->last->next = request;
    } else {
        journal->first = request;
    }
    journal->last = request;
}

void journal_after(struct journal *journal, struct request *request,
                   request_written_fn *written)
{
    if (journal->open) {
        journal_hold(journal, request, written);
    } else {
        written(request, 0);
    }
}
