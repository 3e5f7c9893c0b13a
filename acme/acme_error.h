/* How a machine of acme/ fails: what happened, what has to slow down, and until when. */
#ifndef ACME_ACME_ERROR_H
#define ACME_ACME_ERROR_H

#include "acme/acme_problem.h"
#include "base/core/limits.h"

#include <stdint.h>

enum acme_error_type {
    ACME_ERROR_NONE,
    ACME_ERROR_NET,         /* no response: name, TCP, TLS, timeout, too large */
    ACME_ERROR_SERVER,      /* 5xx, or badNonce again and again */
    ACME_ERROR_PROTOCOL,    /* a response that makes no sense */
    ACME_ERROR_RATE_LIMIT,  /* 429 or rateLimited */
    ACME_ERROR_PAUSED,      /* rateLimited with an unpause link: needs the operator */
    ACME_ERROR_ACCOUNT,     /* none, deactivated, or not allowed to make one */
    ACME_ERROR_EAB,         /* a binding (enrolment token) is required, or was refused */
    ACME_ERROR_USER_ACTION, /* userActionRequired: see problem.instance */
    ACME_ERROR_REJECTED,    /* rejectedIdentifier, or another final no */
    ACME_ERROR_CSR,         /* badCSR, badPublicKey */
    ACME_ERROR_DNS,         /* the CA did not see the TXT: dns, unauthorized, ... */
    ACME_ERROR_CAA,
    ACME_ERROR_ORDER,   /* the order went invalid, expired, got lost, or took too long */
    ACME_ERROR_CHAIN,   /* the chain is not what was asked for */
    ACME_ERROR_PUBLISH, /* the caller could not show the records */
    ACME_ERROR_MEMORY,  /* ours: memory, or the signer failed */
};

/* What has to slow down. */
enum acme_error_scope {
    ACME_SCOPE_NAME,     /* this order's names only */
    ACME_SCOPE_ACCOUNT,  /* every order of this account */
    ACME_SCOPE_CA,       /* everything towards this CA */
    ACME_SCOPE_OPERATOR, /* nothing helps but a human */
};

struct acme_error {
    enum acme_error_type type;
    enum acme_error_scope scope;
    int64_t retry_at; /* not before this wall time; 0: never by itself */
    bool resumable;   /* the order is still good: acme_order_retry goes on with it */
    char text[LIMIT_DETAIL_BYTES]; /* a sentence for a log: what was asked, what came */
    struct acme_problem problem;   /* type NONE when the CA gave none */
};

/* A short word ("rate-limit"), never NULL. */
const char *acme_error_type_text(enum acme_error_type type);
const char *acme_error_scope_text(enum acme_error_scope scope);

#endif
