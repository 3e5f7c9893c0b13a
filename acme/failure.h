/* Making of struct acme_error: which problem is whose fault, and when to try again.
 * Private to acme/. */
#ifndef ACME_FAILURE_H
#define ACME_FAILURE_H

#include "acme/acme_error.h"

#include <stdbool.h>

/* Waits when the CA names none. */
enum {
    FAILURE_BUSY_S = 60,
    FAILURE_NAME_S = 600,
    FAILURE_CAA_S = 3600,
    FAILURE_WAIT_MAX_S =
        2 * 86400, /* no wait is longer: a Retry-After is a day at most */
};

/* An error of our own making, without a problem document. RETRY_AT 0: never by itself. */
void failure_set(struct acme_error *ret_error, enum acme_error_type type,
                 enum acme_error_scope scope, int64_t retry_at, bool resumable,
                 const char *format, ...) PRINTF_LIKE(6, 7);
/* An error from a problem (of a response with PROBLEM->status, or of an order or a
 * challenge, then 0). WHAT is what was asked for, for the text. RETRY_AFTER is the header
 * or NULL. */
void failure_from_problem(struct acme_error *ret_error,
                          const struct acme_problem *problem, const char *what,
                          const char *retry_after, int64_t now_at);
/* Whether it may be tried again at NOW_AT. A time that is further off than any wait was set by
 * a clock that was ahead, and counts as passed. */
bool failure_is_over(const struct acme_error *error, int64_t now_at);

#endif
