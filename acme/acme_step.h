/* What a machine of acme/ wants next. There are three machines: the client (directory,
 * nonces, account), and the orders and calls that share it. None does I/O, reads a clock
 * or sleeps.
 *
 * Drive each with the same loop: call its _next, do what `want` says, tell it the
 * outcome, call _next again. Calling _next too early is harmless: it says the same again.
 */
#ifndef ACME_ACME_STEP_H
#define ACME_ACME_STEP_H

#include "acme/acme_error.h"
#include "base/core/reader.h"

#include <stdint.h>

/* Both clocks, read by the caller. */
struct acme_now {
    int64_t at;      /* wall, seconds */
    int64_t mono_ms; /* monotonic */
};

/* A request to send, without following redirects; the fields of base/net's http_request.
 */
struct acme_request {
    const char *method; /* "GET", "HEAD", "POST" */
    const char *url;
    const char *content_type; /* NULL: none */
    const char *accept;       /* NULL: none */
    struct bytes body;
    size_t max_response_bytes;
};

/* What came of it; borrowed for the call. */
struct acme_response {
    int error;              /* 0 when there is a status; else why there is none */
    const char *error_text; /* for people; may be NULL */
    int status;
    struct bytes body;
    /* The INDEXth header of this name (any case) or NULL; http_response_header behind
     * HEADER_ARG. */
    const char *(*header)(const void *header_arg, const char *name, size_t index);
    const void *header_arg;
};

/* What the machine asks of its driver. */
enum acme_want {
    /* Send step.request, then call _response, also when sending failed. */
    ACME_WANT_REQUEST,
    /* Nothing: the request given before is still under way. */
    ACME_WANT_RESPONSE,
    /* Nothing: it waits for the client. Drive the client, and put this machine at the end
     * of a FIFO; after each response to anything of this client wake as many of its first
     * ones as acme_client_ready_count says. */
    ACME_WANT_SHARED,
    /* Call _next again after step.wait_ms. */
    ACME_WANT_WAIT,
    /* Make the saved form durable, then call _saved. */
    ACME_WANT_SAVE,
    /* Show all step.records as TXT, see that they are seen, then acme_order_published. */
    ACME_WANT_PUBLISH,
    /* Take away exactly step.records, then acme_order_unpublished. */
    ACME_WANT_UNPUBLISH,
    /* The client is ready and nobody waits for it. */
    ACME_WANT_IDLE,
    ACME_WANT_DONE,
    ACME_WANT_FAILED,
};

/* One TXT record. */
struct acme_record {
    char name[256]; /* "_acme-challenge.<name>", no trailing dot */
    char value[64];
};

/* Filled according to `want`; everything is borrowed from the machine until its next
 * call. */
struct acme_step {
    enum acme_want want;
    const struct acme_request *request; /* REQUEST */
    int64_t wait_ms;                    /* WAIT: from NOW */
    const struct acme_record *records;  /* PUBLISH, UNPUBLISH */
    size_t record_count;
    const struct acme_error *error; /* FAILED */
};

#endif
