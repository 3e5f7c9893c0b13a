/* The issuances in memory. Private to issuance*.c. */
#ifndef RELAY_ISSUER_ISSUANCE_LIST_H
#define RELAY_ISSUER_ISSUANCE_LIST_H

#include "relay/issuer/issuance_parts.h"

/* Makes an issuance for WISH (copied) and puts it on the list. */
int issuance_list_add(struct issuances *set, const struct issuance_wish *wish,
                      struct issuance **ret_issuance) MUST_CHECK;
/* The first of those whose id hashes as ID's does (bucket_next: the others); NULL: none. */
struct issuance *issuance_list_of_id(const struct issuances *set, const char *id);
/* Takes it off the list and frees it. */
void issuance_list_remove(struct issuance *issuance);
void issuance_list_free_one(struct issuance *issuance);
/* The one setter of the state: keeps count of the slots, and the lanes' queues. */
void issuance_list_set_state(struct issuance *issuance, enum issuance_state state);
/* Its order at the CA and what that asks for are known, or it has given up: another may
 * place its own. */
void issuance_list_opened(struct issuance *issuance);
/* The row as it should stand; borrowed from ISSUANCE. */
struct issuer_store_issuance issuance_list_row(const struct issuance *issuance);
/* Who starts next: the first of the first lane that has one; NULL: nobody. */
struct issuance *issuance_list_next(const struct issuances *set);
/* Its row is durable: it may start. */
void issuance_list_set_durable(struct issuance *issuance);

#endif
