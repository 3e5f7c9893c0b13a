/* What the operator wishes of front and of the issuer goes as a row into admin.db; the roles
 * follow it, and answer in their own files, so that a command needs none of their keys and
 * rights. */
#ifndef RELAY_ADMIN_ADMIN_WISH_H
#define RELAY_ADMIN_ADMIN_WISH_H

#include "relay/admin/admin_stores.h"
#include "relay/store/admin_store.h"

/* Writes WISH for the zone of STORES and waits up to half a minute until the roles it concerns
 * have answered (of front and the issuer, those asked for). Says what became of it. Exit
 * status: ADMIN_PENDING when a role does not run, or has not ended it: it will. */
int admin_wish_run(const struct admin_stores *stores, const struct admin_store_wish *wish,
                   bool of_front, bool of_issuer);

#endif
