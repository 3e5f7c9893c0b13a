/* What the dns role knew last, in a file of its own: it starts from this when the store
 * is gone, and reads only what is newer when it is not. */
#ifndef RELAY_NAMESERVER_SNAPSHOT_H
#define RELAY_NAMESERVER_SNAPSHOT_H

#include "dns/dns.h"
#include "relay/nameserver/follower.h"

/* Writes VIEW and SEEN to PATH, atomically. Blocks on the disk. */
int snapshot_write(const char *path, const struct dns_view *view,
                   const struct follower_seen *seen) MUST_CHECK;
/* Fills an empty VIEW from what stands in such a file; as snapshot_read. Pure. */
int snapshot_decode(struct bytes content, struct dns_view *view,
                    struct follower_seen *ret_seen) MUST_CHECK;
/* Fills an empty VIEW from PATH. ERROR_NOT_FOUND; ERROR_SYNTAX when the file is damaged,
 * of another zone or version: VIEW may then hold a part of it and must be made anew. */
int snapshot_read(const char *path, struct dns_view *view,
                  struct follower_seen *ret_seen) MUST_CHECK;

#endif
