/* Responses with what RFC 8555 wants on each: Replay-Nonce, Link to the directory, CORS,
 * Cache-Control. Each send function gives the exchange back and frees the request; when
 * the peer has gone it only frees. */
#ifndef RELAY_FRONT_RESPONSE_H
#define RELAY_FRONT_RESPONSE_H

#include "relay/front/request.h"

/* Adds a header to the response to come; nothing when the peer has gone. */
void response_header(struct request *request, const char *name, const char *value);
void response_retry_after(struct request *request, int64_t seconds);

/* BODY is taken; NULL (out of memory) becomes serverInternal. */
void response_json(struct request *request, int status, json_t *body);
/* CONTENT_TYPE may be NULL with an empty body. */
void response_bytes(struct request *request, int status, const char *content_type,
                    const void *body, size_t size);
void response_problem(struct request *request, const struct acme_problem *problem);
/* A problem of TYPE with its usual status and a detail. */
void response_error(struct request *request, enum acme_problem_type type,
                    const char *format, ...) PRINTF_LIKE(3, 4);
/* The same with another status, e.g. 404 or 405. */
void response_status(struct request *request, int status, enum acme_problem_type type,
                     const char *format, ...) PRINTF_LIKE(4, 5);
/* serverInternal for ERROR; WHAT says what we were about, for the log. ERROR_BUSY and
 * ERROR_LIMIT are 503 with Retry-After. */
void response_internal(struct request *request, int error, const char *what);

#endif
