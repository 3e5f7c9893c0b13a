/* What a machine of acme/ wants next. There are three machines: the client (directory,
 * nonces, account), shared by many orders and calls. None does I/O, reads a clock or
 * sleeps.
 *
 * Drive each with the same loop: call *_next, do what `want` says, tell the outcome, call
 * *_next again. REQUEST  send it, then *_response with the http_response (also when
 * sending failed: error set) RESPONSE nothing: the request given before is still under
 * way SHARED   nothing: it waits for the client. Call acme_client_next, and put the
 * machine at the end of a FIFO; after every response to anything of this client wake
 * acme_client_ready_count() of them WAIT     call *_next again after wait_ms SAVE make
 * *_save's JSON durable, then *_saved PUBLISH  show all records (TXT), check that they
 * are seen, then acme_order_published UNPUBLISH take away exactly these values, then
 * acme_order_unpublished DONE, FAILED, IDLE  the end; an idle client is ready, and stays
 * so until somebody waits for it Calling *_next too early is harmless: it says the same
 * again. */
#ifndef ACME_STEP_H
#define ACME_STEP_H

#include "acme/problem.h"
#include "base/core/limits.h"
#include "base/net/http_client.h"

#include <stdint.h>

/* Both clocks, read by the caller. */
struct acme_now {
    int64_t at;      /* wall, seconds */
    int64_t mono_ms; /* monotonic */
};

enum acme_want {
    ACME_WANT_REQUEST,
    ACME_WANT_RESPONSE,
    ACME_WANT_SHARED,
    ACME_WANT_WAIT,
    ACME_WANT_SAVE,
    ACME_WANT_PUBLISH,
    ACME_WANT_UNPUBLISH,
    ACME_WANT_IDLE,
    ACME_WANT_DONE,
    ACME_WANT_FAILED,
};

enum acme_error_type {
    ACME_ERROR_NONE,
    ACME_ERROR_NET,        /* no response: name, TCP, TLS, timeout, too large */
    ACME_ERROR_SERVER,     /* 5xx, or badNonce again and again */
    ACME_ERROR_PROTOCOL,   /* a response that makes no sense */
    ACME_ERROR_RATE_LIMIT, /* 429 or rateLimited */
    ACME_ERROR_PAUSED,  /* rateLimited with an unpause link: only the operator can help */
    ACME_ERROR_ACCOUNT, /* no such account, deactivated, or not allowed to make one */
    ACME_ERROR_EAB,     /* a binding (enrolment token) is required, or was refused */
    ACME_ERROR_USER_ACTION, /* userActionRequired: see problem.instance */
    ACME_ERROR_REJECTED, /* rejectedIdentifier, unsupportedIdentifier, or another final no
                          */
    ACME_ERROR_CSR,      /* badCSR, badPublicKey */
    ACME_ERROR_DNS, /* the CA's look at the TXT failed: dns, unauthorized, connection ...
                     */
    ACME_ERROR_CAA,
    ACME_ERROR_ORDER,   /* the order went invalid, expired, got lost, or took too long */
    ACME_ERROR_CHAIN,   /* the chain is not what was asked for */
    ACME_ERROR_PUBLISH, /* the caller could not show the records */
    ACME_ERROR_MEMORY,  /* ours: memory, or the signer failed */
};

/* What has to slow down. */
enum acme_scope {
    ACME_SCOPE_NAME,     /* this order's names only */
    ACME_SCOPE_ACCOUNT,  /* every order of this account */
    ACME_SCOPE_CA,       /* everything towards this CA */
    ACME_SCOPE_OPERATOR, /* nothing helps but a human */
};

struct acme_error {
    enum acme_error_type type;
    enum acme_scope scope;
    int64_t retry_at; /* not before this wall time; 0: never by itself */
    bool resumable; /* the order is still good: acme_order_retry, or its saved state, goes
                       on with it */
    char text[LIMIT_DETAIL_BYTES]; /* one sentence for a log: what was asked for, what
                                      came */
    struct acme_problem problem;   /* type NONE when the CA gave none */
};

/* A short word ("rate-limit"), never NULL. */
const char *acme_error_type_text(enum acme_error_type type);
const char *acme_scope_text(enum acme_scope scope);

/* One TXT record. */
struct acme_record {
    char name[256]; /* "_acme-challenge.<name>", no trailing dot */
    char value[64];
};

/* Filled according to `want`; everything is borrowed from the machine until its next
 * call. */
struct acme_step {
    enum acme_want want;
    const struct http_request *request; /* REQUEST */
    int64_t wait_ms;                    /* WAIT: from NOW */
    const struct acme_record *records;  /* PUBLISH, UNPUBLISH */
    size_t record_count;
    const struct acme_error *error; /* FAILED */
};

#endif
