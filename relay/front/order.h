/* Orders and their authorizations (RFC 8555 7.1.3, 7.1.4, 7.4). front asks, the issuer
 * decides: what is shown is always the issuer's row. */
#ifndef RELAY_FRONT_ORDER_H
#define RELAY_FRONT_ORDER_H

#include "relay/front/request.h"
#include "relay/store/issuer_store.h"

/* A copy of the issuer's row. */
struct order {
    char number[REQUEST_NUMBER_CAPACITY];
    char id[REQUEST_ID_CAPACITY];
    char *names; /* sorted, one blank between */
    char *profile;
    char *replaces;
    char *problem;
    char *certificate;
    enum issuer_store_state state;
    int64_t created_at;
    int64_t expires_at;
    int64_t retry_at;
};

/* Reads the row of NUMBER: ERROR_NOT_FOUND while there is none (or no issuer.db). Free
 * with order_free in any case. */
int order_read(struct service *service, const char *number,
               struct order *ret_order) MUST_CHECK;
void order_free(struct order *order);
/* What a newOrder asks for. */
struct order_wish {
    char names[LIMIT_ORDER_NAMES * 256]; /* sorted, one blank between */
    const char *profile;                 /* "" when absent */
    const char *replaces;
};
/* Reads PAYLOAD and checks it against ID and ZONE. The wishes are borrowed from it. False
 * with PROBLEM. */
bool order_read_wish(const json_t *payload, const char *id, const char *zone,
                     struct order_wish *ret_wish,
                     struct acme_problem *problem) MUST_CHECK;

/* newOrder. */
void order_create(struct request *request);
/* The order, by POST-as-GET. */
void order_respond(struct request *request);
/* Sends ORDER as it stands, with its Location, and Retry-After while it is processing. */
void order_respond_with(struct request *request, int status, const struct order *order);
/* Sends the problem of a refused or failed order, with Retry-After. */
void order_respond_refused(struct request *request, const struct order *order);
/* The order that the path names, if it is this account's: else answered, and false. Free
 * with order_free in any case. */
bool order_find(struct request *request, struct order *ret_order) MUST_CHECK;

#endif
