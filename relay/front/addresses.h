/* The extension `addresses`: what a device publishes for its stable names. */
#ifndef RELAY_FRONT_ADDRESSES_H
#define RELAY_FRONT_ADDRESSES_H

#include "base/lanname.h"
#include "relay/front/request.h"
#include "relay/store/front_store.h"

/* Answers the POST of a publication, once it is durable. */
void addresses_publish(struct request *request);

/* A publication: the counter, the addresses in their canonical text with one blank between, and
 * the receipt of the last answer, if the device keeps receipts. */
struct addresses_wish {
    int64_t counter;
    bool has_receipt;
    char receipt[FRONT_STORE_RECEIPT_SIZE + 1];
    char text[LIMIT_PUBLISHED_ADDRESSES * 47];
};
/* PAYLOAD must be exactly {"counter": n, "addresses": [...]} with or without "receipt", each
 * address once and allowed by POLICY. False with PROBLEM. */
bool addresses_read(const json_t *payload, const struct lanname_policy *policy,
                    struct addresses_wish *ret_wish,
                    struct acme_problem *problem) MUST_CHECK;

#endif
