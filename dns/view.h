/* What the answer path reads of a zone: its fixed records and what the store says of its
 * names. The zones of one server are a list. One thread: changed between two answers, never
 * during one. */
#ifndef DNS_VIEW_H
#define DNS_VIEW_H

#include "base/core/limits.h"
#include "base/lanname.h"
#include "dns/table.h"
#include "dns/template.h"

enum {
    DNS_VIEW_VALUE_MAX = 64,  /* octets of a challenge value (RFC 8555 8.4: 43) */
    DNS_VIEW_CAA_MAX = 4,     /* CAs */
    DNS_VIEW_CAA_BYTES = 700, /* of one CA's property */
};

/* The live challenge values of one name. The key is the SHA-less name itself: an id, or a
 * host's label sequence padded with zeros. */
struct dns_challenge {
    uint8_t key[64];
    size_t count;
    struct {
        int64_t expires_at;
        uint8_t size;
        uint8_t text[DNS_VIEW_VALUE_MAX];
    } values[LIMIT_CHALLENGE_VALUES];
};

struct dns_device {
    uint8_t id[LANNAME_ID_SIZE]; /* lower case */
    int64_t holds_id_until_at;   /* the current certificate holds <id>.Z until then; 0: it
                                    does not */
    bool blocked;
    uint8_t address_count;
    struct lanname_address addresses[LIMIT_PUBLISHED_ADDRESSES];
};

struct dns_view {
    struct dns_view
        *next; /* another zone's, neither within ours nor around it; or NULL */
    const struct dns_template *template;
    struct lanname_policy policy;
    struct dns_table challenges; /* struct dns_challenge by key */
    struct dns_table devices;    /* struct dns_device by id */
    struct {
        char ca[LIMIT_URL_BYTES];
        char value[DNS_VIEW_CAA_BYTES];
    } cas[DNS_VIEW_CAA_MAX];
    size_t ca_count;
    struct buffer caa; /* the apex CAA RRset as it is answered */
    uint16_t caa_record_count;
};

/* An empty view of TEMPLATE (borrowed) with room for so many devices and names with
 * challenges. CAA is issue ";". */
int dns_view_init(struct dns_view *view, const struct dns_template *template,
                  const struct lanname_policy *policy, size_t max_devices,
                  size_t max_challenges) MUST_CHECK;
void dns_view_free(struct dns_view *view);

/* Shows VALUE at NAME ("_acme-challenge.<id or host>.<zone>") until EXPIRES_AT, or takes
 * it away. ERROR_RANGE for a name that is not of this zone; ERROR_LIMIT when
 * LIMIT_CHALLENGE_VALUES live values stand there. */
int dns_view_put_challenge(struct dns_view *view, const char *name, const char *value,
                           int64_t expires_at, int64_t now_at) MUST_CHECK;
int dns_view_end_challenge(struct dns_view *view, const char *name,
                           const char *value) MUST_CHECK;
/* ADDRESSES: text forms with single blanks between; what the policy does not allow is
 * left out. */
int dns_view_put_addresses(struct dns_view *view, const char *id,
                           const char *addresses) MUST_CHECK;
int dns_view_put_certificate(struct dns_view *view, const char *id,
                             int64_t holds_id_until_at) MUST_CHECK;
int dns_view_put_block(struct dns_view *view, const char *id, bool blocked) MUST_CHECK;
/* The CAA issue value of one CA; "" takes it away. */
int dns_view_put_caa(struct dns_view *view, const char *ca, const char *value) MUST_CHECK;
/* What came from whom, while it is being forgotten. */
struct dns_view_forget {
    bool front;       /* published addresses */
    bool issuer;      /* challenges, certificates and CAs */
    bool admin;       /* blocks */
    size_t device_at; /* where to go on; 0 at first, like the next */
    size_t challenge_at;
};

/* Forgets some of it, as much as readers may wait for however many names there are; false when
 * there is no more. In between, nothing but answers may be made. */
bool dns_view_forget(struct dns_view *view, struct dns_view_forget *forget) MUST_CHECK;

/* Look-ups of the answer path. KEY: the owner's labels behind _acme-challenge and before
 * the zone, lower-case wire octets; ID: 32 lower-case characters. NULL when there is
 * nothing. */
const struct dns_challenge *dns_view_challenge(const struct dns_view *view,
                                               const uint8_t *key, size_t key_size);
const struct dns_device *dns_view_device(const struct dns_view *view, const uint8_t *id);

#endif
