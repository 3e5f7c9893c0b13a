/* Accounts (RFC 8555 7.3): a device's identity key and its enrolment. The account's name
 * is the key's id. */
#ifndef RELAY_FRONT_ACCOUNT_H
#define RELAY_FRONT_ACCOUNT_H

#include "relay/front/request.h"

/* newAccount, with external account binding where the relay enrols by token. */
void account_create(struct request *request);
/* The account: POST-as-GET, change of contact, deactivation. */
void account_respond(struct request *request);
/* The account's list of orders. */
void account_respond_orders(struct request *request);

/* Checks `contact` of PAYLOAD: absent, or an array of at most 8 texts; its JSON text in
 * *RET_CONTACT (free it; "[]" when absent). False with PROBLEM. */
bool account_read_contact(const json_t *payload, char **ret_contact,
                          struct acme_problem *problem) MUST_CHECK;

#endif
