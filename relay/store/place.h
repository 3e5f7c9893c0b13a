/* Where a role keeps its files. Where the roles have users of their own, each has a folder in
 * the store that it alone writes (front/, issuer/, dns/, admin/): who may write a folder can
 * put another file in the place of anything in it, and a journal beside a database. A store
 * without these folders is one user's, and everything lies in it directly. */
#ifndef RELAY_STORE_PLACE_H
#define RELAY_STORE_PLACE_H

#include "base/core/error.h"

#include <stdbool.h>
#include <stddef.h>

/* <STORE>/<ROLE>/<NAME> where the folder <STORE>/<ROLE> is there, else <STORE>/<NAME>.
 * ERROR_LIMIT when it does not fit into CAPACITY. */
int place_path(const char *store, const char *role, const char *name, char *ret_path,
               size_t capacity) MUST_CHECK;

/* Root's commands become the user whose folder <STORE>/<ROLE> is, for good: what they make
 * stays that role's, and what other roles wrote is not read as root. Nothing happens
 * without root, without that folder, or when it is root's. ERROR_DENIED when the kernel
 * refuses. */
int place_become(const char *store, const char *role) MUST_CHECK;

/* That ROLE runs on STORE, for `status`: holds <ROLE>.lock in its place until the process ends, and
 * leaves the descriptor to it. ERROR_BUSY: another one does; ERROR_IO with errno; ERROR_NOT_FOUND
 * without a store. front and issuer need none: they hold their databases. */
int place_hold(const char *store, const char *role) MUST_CHECK;
/* Whether ROLE runs on STORE, any of the four; false, too, when that can't be seen. */
bool place_is_held(const char *store, const char *role);

#endif
