/* The zone's fixed records, compiled at start: what the operator configured goes through
 * ldns once, and is kept as wire form that an answer copies. */
#ifndef DNS_TEMPLATE_H
#define DNS_TEMPLATE_H

#include "base/core/buffer.h"
#include "base/core/error.h"
#include "dns/query.h"

struct dns_template;

enum {
    DNS_TTL_ADDRESS_S = 86400,
    DNS_TTL_PUBLISHED_S = 60,
    DNS_TTL_CHALLENGE_S = 10,
    DNS_TTL_SOA_S = 3600,
    DNS_TTL_NS_S = 86400,
    DNS_TTL_CAA_S = 300,
    DNS_TTL_HOST_S = 3600,
    DNS_TTL_NEGATIVE_S = 3600,
    DNS_TTL_NEGATIVE_SHORT_S = 60,
    DNS_RRSETS_MAX = 12, /* at one name */
    DNS_SOA_POINTERS_MAX = 2,
};

/* A name and its addresses, all texts. */
struct dns_template_host {
    const char *name; /* relative to the zone for hosts; absolute for name servers */
    const char *const *addresses;
    size_t address_count;
};

struct dns_template_options {
    const char *zone;    /* "lan.example.com" */
    const char *contact; /* mail address for the SOA's RNAME */
    const struct dns_template_host
        *name_servers; /* at least one; in-zone ones have addresses */
    size_t name_server_count;
    const struct dns_template_host *hosts;
    size_t host_count;
    const char *const *apex_addresses;
    size_t apex_address_count;
    const char *records;      /* further records in zone-file text, or NULL */
    const char *records_name; /* the file's name, for the report */
    uint32_t serial;
};

/* Records of one name and type, ready to copy: each starts with a pointer to the
 * question's name. */
struct dns_rrset {
    uint16_t type;
    uint16_t count;
    const uint8_t *wire;
    size_t size;
};

/* The SOA without its owner, from TYPE on. At each of POINTERS in WIRE are two octets to
 * be replaced by a compression pointer to the zone's name. */
struct dns_soa {
    struct bytes wire;
    const uint16_t *pointers;
    unsigned pointer_count;
};

/* A configured name. One without records is an empty non-terminal. */
struct dns_node {
    const uint8_t *name; /* wire, lower case */
    size_t name_size;
    bool is_host; /* has an _acme-challenge name of its own */
    size_t rrset_count;
    struct dns_rrset rrsets[DNS_RRSETS_MAX];
};

/* Compiles OPTIONS (borrowed for the call). On a wrong record REPORT says which, and what
 * is wrong. ERROR_SYNTAX, ERROR_RANGE, ERROR_LIMIT, ERROR_MEMORY. */
int dns_template_new(const struct dns_template_options *options, struct buffer *report,
                     struct dns_template **ret_template) MUST_CHECK;
void dns_template_free(struct dns_template *template);

/* The zone's name as lower-case wire octets, with the root label. */
struct bytes dns_template_zone(const struct dns_template *template);
/* Labels of the zone's name, without the root. */
unsigned dns_template_zone_labels(const struct dns_template *template);
const struct dns_node *dns_template_apex(const struct dns_template *template);
/* The node of a lower-case wire name, or NULL. */
const struct dns_node *dns_template_find(const struct dns_template *template,
                                         const uint8_t *name, size_t name_size);
/* The SOA for AUTHORITY. SHORT_TTL: the one for negative answers that must not last. */
struct dns_soa dns_template_soa(const struct dns_template *template, bool short_ttl);
/* Addresses of in-zone name servers, for ADDITIONAL behind the question for the zone's
 * name; *RET_COUNT records. */
struct bytes dns_template_glue(const struct dns_template *template, unsigned *ret_count);

#endif
