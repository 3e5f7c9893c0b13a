/* What the answer path reads: the zone and what the store says of its names now. One writer, in the thread that
 * answers, between two answers. Every table has a maximum. */
#ifndef DNS_VIEW_H
#define DNS_VIEW_H

#include "base/core/limits.h"
#include "base/lanname.h"
#include "dns/table.h"
#include "dns/template.h"

enum {
    DNS_VIEW_ID_OCTETS = 20,
    DNS_VIEW_CHALLENGE_MAX = 63, /* octets of one TXT value; dns-01 has 43 */
    DNS_VIEW_CHALLENGE_KEY =
        64, /* the label behind _acme-challenge, lower case, padded with 0 */
    DNS_VIEW_CAA_MAX = 8,
};

/* What a device has beside its address names. */
struct dns_view_device {
    uint8_t id[DNS_VIEW_ID_OCTETS];
    uint8_t address_count;
    int64_t bare_until_at; /* its certificate holds <id>.Z until then; 0: it does not */
    struct lanname_address *addresses; /* only allowed ones */
};

struct dns_view_value {
    int64_t expires_at;
    uint8_t size;
    char text[DNS_VIEW_CHALLENGE_MAX];
};

/* The TXT values at _acme-challenge.<label>.Z; label: an id, a host, or "" for the zone. */
struct dns_view_challenge {
    char key[DNS_VIEW_CHALLENGE_KEY];
    size_t count;
    struct dns_view_value values[LIMIT_CHALLENGE_VALUES];
};

/* Read-only for all but the functions below. */
struct dns_view {
    const struct dns_zone *zone;
    struct lanname_policy policy;
    struct dns_table devices;
    struct dns_table blocks; /* entries are ids alone */
    struct dns_table challenges;
    size_t caa_count;
    struct {
        uint16_t size;
        uint8_t wire[512];
    } caa[DNS_VIEW_CAA_MAX]; /* RRs, owner QNAME */
};

struct dns_view_maxima {
    size_t devices;
    size_t blocks;
    size_t challenges;
};

/* ZONE is borrowed and must outlive the view. Without an account's line yet, CAA is `issue ";"`. */
int dns_view_new(const struct dns_zone *zone, const struct lanname_policy *policy,
                 const struct dns_view_maxima *maxima,
                 struct dns_view **ret_view) MUST_CHECK;
void dns_view_free(struct dns_view *view);

/* The values of the apex CAA `issue` properties; 0 of them: `;`. ERROR_LIMIT, ERROR_RANGE (a value above 400
 * octets or not printable): the old ones stay. */
int dns_view_set_caa(struct dns_view *view, const char *const *values,
                     size_t count) MUST_CHECK;
/* Shows VALUE at NAME ("_acme-challenge.<id>.<zone>", any case) while now < EXPIRES_AT; again: moves the expiry.
 * ERROR_RANGE for a name that is no challenge name of the zone, or a value that does not fit; ERROR_LIMIT when a
 * table or the name is full (expired values give way to NOW_AT). */
int dns_view_put_challenge(struct dns_view *view, const char *name, const char *value,
                           int64_t expires_at, int64_t now_at) MUST_CHECK;
/* Fine when it was not there. */
void dns_view_remove_challenge(struct dns_view *view, const char *name,
                               const char *value);
/* Forgets challenges with no value left at NOW_AT. */
void dns_view_sweep(struct dns_view *view, int64_t now_at);
/* Replaces what ID (text, any case) has published; addresses that the policy does not allow are left out. At most
 * LIMIT_PUBLISHED_ADDRESSES. ERROR_RANGE for something else than an id. */
int dns_view_publish(struct dns_view *view, const char *id,
                     const struct lanname_address *addresses, size_t count) MUST_CHECK;
/* Whether <id>.Z itself may be answered: until UNTIL_AT (0: no). */
int dns_view_set_bare(struct dns_view *view, const char *id, int64_t until_at) MUST_CHECK;
/* A blocked id has no published names. */
int dns_view_block(struct dns_view *view, const char *id, bool blocked) MUST_CHECK;

/* For the answer path: the device or challenge of a label in wire case; NULL when there is none, or it is
 * blocked. */
const struct dns_view_device *dns_view_device(const struct dns_view *view,
                                              const uint8_t *id_label);
const struct dns_view_challenge *dns_view_challenge(const struct dns_view *view,
                                                    const uint8_t *label, size_t size);

#endif
