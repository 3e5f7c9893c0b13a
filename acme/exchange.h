/* One request to the CA, repeated while that can help: it takes a nonce, is signed anew
 * each time, retries badNonce and passing server trouble, and else says how it failed.
 * Private to acme/. */
#ifndef ACME_EXCHANGE_H
#define ACME_EXCHANGE_H

#include "acme/acme_ari.h"
#include "acme/acme_step.h"
#include "acme/jws.h"
#include "acme/nonce_pool.h"
#include "base/core/buffer.h"

/* What the client shares with every exchange. */
struct exchange_session {
    struct nonce_pool nonces;
    struct jws_signer signer;
    acme_random_fn *random;
    char *account_url;           /* NULL: not known */
    uint64_t account_generation; /* rises with each account URL */
    bool account_lost;           /* the CA did not know the present account */
    bool has_directory;
    bool ready;                      /* directory and account are known */
    bool held;                       /* the account's requests wait */
    bool nonce_wanted;               /* somebody found the pool empty */
    const struct acme_error *failed; /* why it will not get ready; NULL: it may */
};

enum exchange_kind {
    EXCHANGE_GET,
    EXCHANGE_HEAD,
    EXCHANGE_POST_JWK,
    EXCHANGE_POST_KID,
};

struct exchange {
    enum exchange_kind kind;
    const char *what; /* a literal for texts: "newOrder" */
    char *url;
    const char *accept; /* a literal, or NULL */
    size_t max_response_bytes;
    bool passes_hold;   /* is sent while others are held */
    bool is_idempotent; /* a lost response may be answered by sending it again */
    bool in_flight;
    uint64_t nonce_number;
    uint64_t account_generation;
    unsigned nonce_tries, server_tries;
    int64_t wait_until_mono_ms;
    struct buffer payload;
    struct buffer body;
    struct acme_request request;
};

/* Why the session will not get ready, or NULL: it is ready, may get so, or its failure is
 * over by now (then the client starts again as soon as it is driven). */
const struct acme_error *exchange_session_failure(const struct exchange_session *session,
                                                  struct acme_now now);

/* Makes EXCHANGE (all-zero, or used before) into a new request; all is copied but WHAT
 * and ACCEPT. A NULL payload is POST-as-GET. */
int exchange_start(struct exchange *exchange, enum exchange_kind kind, const char *what,
                   const char *url, const json_t *payload, const char *accept,
                   size_t max_response_bytes, bool is_idempotent) MUST_CHECK;
void exchange_free(struct exchange *exchange);

/* Fills the step with REQUEST, RESPONSE, WAIT or SHARED; or FAILED, with why in
 * RET_ERROR. */
void exchange_next(struct exchange *exchange, struct exchange_session *session,
                   struct acme_now now, struct acme_step *ret_step,
                   struct acme_error *ret_error);

enum exchange_outcome {
    EXCHANGE_OK,     /* 2xx: the caller reads it */
    EXCHANGE_AGAIN,  /* to be sent again: exchange_next says when */
    EXCHANGE_UNSURE, /* no response to what must not simply be sent again: look first */
    EXCHANGE_FAILED, /* RET_ERROR says how */
};

/* Takes a response, its nonce at any rate. */
enum exchange_outcome exchange_response(struct exchange *exchange,
                                        struct exchange_session *session,
                                        const struct acme_response *response,
                                        struct acme_now now,
                                        struct acme_error *ret_error);
/* The INDEXth header, or NULL. */
const char *exchange_header(const struct acme_response *response, const char *name,
                            size_t index);

#endif
