/* One exchange with a device, from the router to the response: its JWS, verified, and the
 * account behind it.
 *
 * Life: router.c makes it; whoever answers calls one function of response.h, which sends
 * and frees it. Meanwhile it may be held by the journal (until its writes are durable) or
 * by waiting (until the issuer has decided), one at a time. When the peer goes away,
 * `exchange` becomes NULL and the holder's `drop` is called. */
#ifndef RELAY_FRONT_REQUEST_H
#define RELAY_FRONT_REQUEST_H

#include "acme/acme.h"
#include "base/net/http_server.h"
#include "relay/front/service.h"

enum {
    REQUEST_ARGUMENTS = 3,
    REQUEST_ARGUMENT_CAPACITY = 128,
    REQUEST_ID_CAPACITY = KEY_ID_SIZE + 1,
    REQUEST_NUMBER_CAPACITY = 33,
};

/* Which key a resource takes (RFC 8555 6.2). */
enum request_signer {
    REQUEST_BY_ACCOUNT, /* kid */
    REQUEST_BY_NEW_KEY, /* jwk */
    REQUEST_BY_EITHER,
};

enum request_payload {
    REQUEST_EMPTY, /* POST-as-GET */
    REQUEST_OBJECT,
    REQUEST_EMPTY_OR_OBJECT,
};

struct request;
/* Called when the peer of a held request has gone: takes it from its list and frees it.
 */
typedef void request_drop_fn(struct request *request);
/* Called by the journal when the request's writes are durable (0) or lost (an error). */
typedef void request_written_fn(struct request *request, int error);
/* Called by waiting when the issuer may have decided, and at the deadline (LATE). True
 * when it has answered; false: wait on (not when late). */
typedef bool request_ready_fn(struct request *request, bool late);

struct request {
    struct service *service;
    const struct service_base *base; /* that it came by */
    struct http_exchange *exchange;  /* NULL once the peer has gone */
    bool post;
    bool is_directory; /* no Link to itself */
    unsigned resource; /* front_meter_resource's */
    int64_t started_mono_ms;
    char arguments[REQUEST_ARGUMENTS]
                  [REQUEST_ARGUMENT_CAPACITY]; /* the path's variable parts */

    struct jws *jws;
    struct key *key;              /* that the signature verifies with */
    json_t *payload;              /* object; NULL for POST-as-GET */
    char id[REQUEST_ID_CAPACITY]; /* of the account; by a new key: of that key */
    char *jwk;                    /* the key as JWK text */
    char *contact;                /* the account's, JSON text; NULL by a new key */

    /* While held. */
    request_drop_fn *drop;
    request_written_fn *written;
    request_ready_fn *ready;
    int64_t deadline_mono_ms;
    struct request *next;
    struct request *previous;
    char number[REQUEST_NUMBER_CAPACITY]; /* of the order or request it is about */
    bool fresh;                           /* newOrder: 201 */
    bool dirty;                           /* waiting: the order's row has changed */
    void *extra;                          /* the holder's */
};

/* A request for EXCHANGE, whose handler we are. NULL without memory (EXCHANGE is then
 * still the caller's). */
struct request *request_new(struct service_base *base, struct http_exchange *exchange);
void request_free(struct request *request);
/* Frees what it took to judge a request that is held for long: body, JWS and payload. They may be
 * a hundred times the rest. */
void request_release(struct request *request);

/* All that is common to POSTs, RFC 8555 6: media type, JWS, url, nonce, account (known,
 * not deactivated, not blocked), signature, payload. PATH is the path as routed, without
 * base's. False when it was not right: then it has been answered and freed. */
bool request_take(struct request *request, const char *path, enum request_signer signer,
                  enum request_payload payload) MUST_CHECK;

/* Whether the id of REQUEST is free of the operator's blocks; else answered and freed, and false.
 * request_take asks for accounts only: whoever holds a certificate's key may revoke with it. */
bool request_check_block(struct request *request) MUST_CHECK;

/* Writes the signed bytes of REQUEST for the issuer, as KIND under REQUEST->number; the caller
 * then holds it with journal_hold. ERROR_EXISTS when that number has a request of this kind. */
int request_write(struct request *request, const char *kind) MUST_CHECK;

#endif
