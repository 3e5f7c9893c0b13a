/* Group commit: the writes of a few milliseconds share one transaction of front.db, and
 * no response is given before its writes are durable. */
#ifndef RELAY_FRONT_JOURNAL_H
#define RELAY_FRONT_JOURNAL_H

#include "relay/front/request.h"

/* Free with journal_free. ERROR_MEMORY. */
int journal_new(struct service *service, struct journal **ret_journal) MUST_CHECK;
/* Commits what is open; requests still held are freed without a response. */
void journal_free(struct journal *journal);

/* The revision to write under now; opens the transaction if none is. It will be committed
 * soon, whatever the caller does. */
int journal_begin(struct journal *journal, int64_t *ret_rev) MUST_CHECK;
/* Ends the batch now, for whoever has a transaction of its own. */
void journal_flush(struct journal *journal);
/* Takes REQUEST, whose writes are made, and calls WRITTEN once they are durable or lost.
 */
void journal_hold(struct journal *journal, struct request *request,
                  request_written_fn *written);

/* For a request that wrote nothing but read what may not be durable yet: as journal_hold while a
 * transaction is open, else WRITTEN is called at once. */
void journal_after(struct journal *journal, struct request *request,
                   request_written_fn *written);

#endif
