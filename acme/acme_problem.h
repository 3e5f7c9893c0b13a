/* Problem documents (RFC 9457, RFC 8555 6.7): read from a CA's response, built for a
 * device. */
#ifndef ACME_ACME_PROBLEM_H
#define ACME_ACME_PROBLEM_H

#include "base/core/buffer.h"
#include "base/core/limits.h"

#include <jansson.h>

/* The error types of RFC 8555 6.7, RFC 9773 7.4 and draft-ietf-acme-profiles; `conflict`
 * is Boulder's. */
enum acme_problem_type {
    ACME_PROBLEM_NONE, /* no problem document, or none with an ACME type */
    ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST,
    ACME_PROBLEM_ALREADY_REPLACED,
    ACME_PROBLEM_ALREADY_REVOKED,
    ACME_PROBLEM_BAD_CSR,
    ACME_PROBLEM_BAD_NONCE,
    ACME_PROBLEM_BAD_PUBLIC_KEY,
    ACME_PROBLEM_BAD_REVOCATION_REASON,
    ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM,
    ACME_PROBLEM_CAA,
    ACME_PROBLEM_COMPOUND,
    ACME_PROBLEM_CONFLICT,
    ACME_PROBLEM_CONNECTION,
    ACME_PROBLEM_DNS,
    ACME_PROBLEM_EXTERNAL_ACCOUNT_REQUIRED,
    ACME_PROBLEM_INCORRECT_RESPONSE,
    ACME_PROBLEM_INVALID_CONTACT,
    ACME_PROBLEM_INVALID_PROFILE,
    ACME_PROBLEM_MALFORMED,
    ACME_PROBLEM_ORDER_NOT_READY,
    ACME_PROBLEM_RATE_LIMITED,
    ACME_PROBLEM_REJECTED_IDENTIFIER,
    ACME_PROBLEM_SERVER_INTERNAL,
    ACME_PROBLEM_TLS,
    ACME_PROBLEM_UNAUTHORIZED,
    ACME_PROBLEM_UNSUPPORTED_CONTACT,
    ACME_PROBLEM_UNSUPPORTED_IDENTIFIER,
    ACME_PROBLEM_USER_ACTION_REQUIRED,
    ACME_PROBLEM_COUNT,
};

enum {
    ACME_SUBPROBLEMS_MAX = 4,
    ACME_SUBPROBLEM_DETAIL_MAX = 160,
    ACME_PROBLEM_NAME_MAX = 256,
};

struct acme_subproblem {
    enum acme_problem_type type;
    char identifier[ACME_PROBLEM_NAME_MAX]; /* dns value, or "" */
    char detail[ACME_SUBPROBLEM_DETAIL_MAX];
};

/* Every text is printable ASCII and cut to its field, whoever wrote it: it may go to logs
 * and pages. */
struct acme_problem {
    enum acme_problem_type type;
    int status;                           /* HTTP status; 0: none known */
    char detail[LIMIT_DETAIL_BYTES];      /* one sentence, or "" */
    char instance[ACME_PROBLEM_NAME_MAX]; /* userActionRequired's URL, or "" */
    size_t subproblem_count;
    struct acme_subproblem subproblems[ACME_SUBPROBLEMS_MAX];
};

/* The text after "urn:ietf:params:acme:error:", "" for ACME_PROBLEM_NONE. */
const char *acme_problem_type_text(enum acme_problem_type type);
/* The HTTP status a server answers this type with (400 where RFC 8555 names none). */
int acme_problem_type_status(enum acme_problem_type type);

/* Makes a problem of this type with its usual status and a printf-made detail. */
void acme_problem_set(struct acme_problem *ret_problem, enum acme_problem_type type,
                      const char *format, ...) PRINTF_LIKE(3, 4);
/* Adds a subproblem; what does not fit any more is left out. IDENTIFIER may be NULL. */
void acme_problem_add(struct acme_problem *problem, enum acme_problem_type type,
                      const char *identifier, const char *format, ...) PRINTF_LIKE(4, 5);
/* Reads any JSON value; nothing makes it fail: what is no problem document gives type
 * NONE. STATUS is the HTTP status, 0 for an `error` member inside an order or a
 * challenge. */
void acme_problem_from_json(const json_t *value, int status,
                            struct acme_problem *ret_problem);
/* The same from a response's body, whatever it is (HTML too). */
void acme_problem_parse(int status, const void *body, size_t size,
                        struct acme_problem *ret_problem);
/* The document as JSON value, with `algorithms` for badSignatureAlgorithm; json_decref()
 * it. */
int acme_problem_to_json(const struct acme_problem *problem,
                         json_t **ret_value) MUST_CHECK;
/* The same as text for an application/problem+json body, appended to BODY. */
int acme_problem_dump(const struct acme_problem *problem, struct buffer *body) MUST_CHECK;

#endif
