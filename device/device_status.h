/* A snapshot of the agent for people and programs: the page, status.json and `latchkey
 * status` are made from it alone. */
#ifndef DEVICE_DEVICE_STATUS_H
#define DEVICE_DEVICE_STATUS_H

#include "base/core/json.h"
#include "device/diagnosis.h"
#include "device/life.h"
#include "device/own_addresses.h"

/* Of one certificate. */
struct status_certificate {
    bool is_present;
    char serial[48];
    char issuer[256];
    char fingerprint[65]; /* hex SHA-256 of the leaf */
    char zone[256];       /* of its names, which may no longer be the relay's; or "" */
    int64_t not_before_at;
    int64_t not_after_at;
};

/* What live/ holds for other servers. */
struct status_live {
    const char *holds;       /* "fallback", "trusted", "own"; "" : nothing yet */
    const char *fingerprint; /* hex SHA-256 of the leaf */
    bool is_working;         /* the reload command, or the look after it, is at work */
    const char *failure_code; /* "" : the last reload went well */
    const char *failure_text;
    int64_t failure_at;
};

/* The owner's own certificate, beside the relay's. */
struct status_owner {
    const char *state;        /* "none", "requested", "trial", "active", "expired" */
    const char *host;         /* of the certificate that is served, on trial, or expired; "" */
    const char *request_host; /* of the request that waits for a certificate; "" */
    const struct status_certificate *certificate; /* not present when there is none */
    int64_t trial_s;          /* what is left of the trial */
    int warn_days;            /* it ends within so many: 30, 14, 7, 1; 0: not so soon */
    const char *failure;      /* why the last trial ended without a confirmation; "" */
};

/* Texts are borrowed from the agent for as long as the snapshot is used. */
struct device_status {
    int64_t now_at;
    const char *id;
    const char *pin;   /* base32, 52 characters */
    const char *zone;  /* of the names that lead here; "" : not yet known */
    const char *label; /* "home" */
    const char *local_name;
    const char *directory; /* the relay's */
    const char *account_url;
    const struct own_addresses *addresses;
    uint16_t port;
    enum life_state state;
    bool is_trusted; /* the trusted certificate is served */
    struct status_certificate trusted;
    struct status_certificate fallback;
    int64_t renew_at; /* 0: nothing to renew */
    bool renew_advised;
    int64_t next_try_s; /* seconds until the next order; 0: none waits */
    int64_t published_at;
    const char *failure_code; /* "" : the last order went well */
    const char *failure_text;
    int64_t failure_at;
    int64_t obtained_at;               /* when the trusted certificate came; 0: never */
    bool is_ordering;                  /* an order is at work */
    const char *mdns_name;             /* announced on the local link; NULL or "" : none */
    const char *owner_host;            /* of the owner's own certificate; NULL or "" */
    const char *moved_from;            /* the relay of the configuration, which has moved; or "" */
    bool is_clock_signed;              /* `now_at` is the relay's: the system's clock is wrong */
    bool is_cloned;                    /* the relay sees another device with our key */
    struct status_live live;
    struct status_owner owner;
    const char *storage; /* "good", "full", "read-only", "error" */
    const struct diagnosis *diagnosis; /* NULL: none was made yet */
};

enum { STATUS_NAME_CAPACITY = 300 };

/* "https://192-168-1-51.<id>.<zone>[:port]/" for an address; false when the zone is
 * unknown. */
bool device_status_address_url(const struct device_status *status,
                               const struct lanname_address *address,
                               char ret_url[static STATUS_NAME_CAPACITY]);
/* "https://home.<id>.<zone>[:port]/"; false when the zone is unknown. */
bool device_status_stable_url(const struct device_status *status,
                              char ret_url[static STATUS_NAME_CAPACITY]);
/* "https://192.168.1.51[:port]/", IPv6 in brackets. */
bool device_status_plain_url(const struct device_status *status,
                             const struct lanname_address *address,
                             char ret_url[static STATUS_NAME_CAPACITY]);
/* "https://HOST[:port]/". */
bool device_status_host_url(const struct device_status *status, const char *host,
                            char ret_url[static STATUS_NAME_CAPACITY]);
/* Why this certificate is in use, as a stable word: "trusted", "no-certificate-yet",
 * "expired". */
const char *device_status_reason(const struct device_status *status);
/* Whether the last write to the state folder failed. */
bool device_status_is_disk_failing(const struct device_status *status);
/* Whether the last reload of another server ended with the previous certificate. */
bool device_status_has_reload_failed(const struct device_status *status);
/* The whole as JSON, for the device's own administrator; json_decref() it. No secret is in
 * it. */
int device_status_to_json(const struct device_status *status,
                          json_t **ret_object) MUST_CHECK;
/* What anybody on the LAN may know: the same without the relay's and the device's inner
 * sentences, which may quote paths and addresses. Its members are listed in
 * docs/DEVICE.md and stay stable. */
int device_status_to_public_json(const struct device_status *status,
                                 json_t **ret_object) MUST_CHECK;

#endif
