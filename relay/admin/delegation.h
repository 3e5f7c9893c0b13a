/* What one name server says about the zone, as facts, and how they compare with the
 * configuration. Pure. */
#ifndef RELAY_ADMIN_DELEGATION_H
#define RELAY_ADMIN_DELEGATION_H

#include "base/net/address.h"
#include "base/net/dns_record.h"
#include "relay/relay_config.h"

enum {
    DELEGATION_SERVERS_MAX = 16,
    DELEGATION_ADDRESSES_MAX = 8, /* of one server */
};

/* A name server: of the configuration, or as somebody names it. */
struct delegation_server {
    char name[DNS_RECORD_NAME_CAPACITY];
    size_t address_count;
    struct address addresses[DELEGATION_ADDRESSES_MAX]; /* port 53 */
};

struct delegation_servers {
    size_t count;
    struct delegation_server at[DELEGATION_SERVERS_MAX];
};

/* One reply. */
struct delegation_reply {
    unsigned rcode;
    bool is_authoritative;
    bool is_truncated;
    bool has_edns;
    bool keeps_case; /* the question came back octet for octet */
    struct delegation_servers
        servers;  /* NS of the zone in any section, with their glue */
    bool has_soa; /* of the zone, in ANSWER */
    char soa_name[DNS_RECORD_NAME_CAPACITY]; /* MNAME */
    uint32_t soa_serial;
    size_t caa_count;
    bool caa_is_closed; /* issue ";": nobody may issue */
    size_t text_count;
};

/* The name servers of the configuration; those outside the zone have no addresses yet. */
void delegation_configured(const struct relay_config *config,
                           struct delegation_servers *ret_servers);
/* Reads the reply to QUERY (as it was sent) about ZONE. ERROR_SYNTAX for none. */
int delegation_read(const char *zone, struct bytes query, struct bytes message,
                    struct delegation_reply *ret_reply) MUST_CHECK;
/* Whether both name the same servers, in any order. */
bool delegation_names_equal(const struct delegation_servers *a,
                            const struct delegation_servers *b);
/* The server of this name, or NULL. */
const struct delegation_server *delegation_find(const struct delegation_servers *servers,
                                                const char *name);
/* Whether NAME is ZONE or below it. */
bool delegation_is_inside(const char *name, const char *zone);
/* The records to put into the parent zone, a line each: "lan.example.com. NS ns.…" and the
 * glue of servers inside the zone. */
int delegation_records(const char *zone, const struct delegation_servers *servers,
                       struct buffer *lines) MUST_CHECK;

#endif
