/* One zone of the dns role: its fixed records, what the store says of its names, and the
 * snapshot of both sides of a restart. */
#ifndef RELAY_NAMESERVER_NAMESERVER_ZONE_H
#define RELAY_NAMESERVER_NAMESERVER_ZONE_H

#include "dns/dns.h"
#include "relay/nameserver/follower.h"
#include "relay/relay_config.h"

enum { NAMESERVER_ZONE_NAME_MAX = 256, NAMESERVER_ZONE_PATH_MAX = 512 };

struct nameserver_zone {
    struct nameserver_zone *next;
    char name[NAMESERVER_ZONE_NAME_MAX];
    char store[NAMESERVER_ZONE_PATH_MAX];
    char snapshot_path[NAMESERVER_ZONE_PATH_MAX];
    struct dns_template *template;
    struct dns_view view;
    struct follower *follower;
    /* Whose lock guards the view; NULL while nothing is served. Set by the owner. */
    struct dns_listen *listen;
    int64_t snapshot_mono_ms; /* not before this */
    bool snapshot_due;
    bool snapshot_failed;
};

/* Makes CONFIG's zone, from its snapshot and from what the store has by now. SNAPSHOT_NAME
 * is the file's in the role's place of the store. Nothing of CONFIG is kept. Blocks on the
 * disk; says in the log what is wrong. */
int nameserver_zone_new(const struct relay_config *config, const char *snapshot_name,
                        struct nameserver_zone **ret_zone) MUST_CHECK;
/* Takes over what CONFIG says of the zone now, between two answers. On failure everything
 * stays as it was, and the log says why. */
int nameserver_zone_reload(struct nameserver_zone *zone,
                           const struct relay_config *config) MUST_CHECK;
/* Looks for news in the store, and writes the snapshot when it is time. */
void nameserver_zone_poll(struct nameserver_zone *zone);
/* Writes a snapshot that is due. Accepts NULL. Nothing may serve the view any more. */
void nameserver_zone_free(struct nameserver_zone *zone);

#endif
