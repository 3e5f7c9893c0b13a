/* The issuances in memory. Private to issuance*.c. */
#ifndef RELAY_ISSUER_ISSUANCE_LIST_H
#define RELAY_ISSUER_ISSUANCE_LIST_H

#include "relay/issuer/issuance_parts.h"

/* Makes an issuance for WISH (copied) and puts it on the list. */
int issuance_list_add(struct issuances *set, const struct issuance_wish *wish,
                      struct issuance **ret_issuance) MUST_CHECK;
/* Takes it off the list and frees it. */
void issuance_list_remove(struct issuance *issuance);
void issuance_list_free_one(struct issuance *issuance);
/* The one setter of the state: keeps count of the slots. */
void issuance_list_set_state(struct issuance *issuance, enum issuance_state state);
/* The row as it should stand; borrowed from ISSUANCE. */
struct issuer_store_issuance issuance_list_row(const struct issuance *issuance);

#endif
