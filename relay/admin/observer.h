/* What the admin role knows of the relay: what it reads in the store, what the roles tell on their
 * status listeners, and what it has seen since its start. It only reads. */
#ifndef RELAY_ADMIN_OBSERVER_H
#define RELAY_ADMIN_OBSERVER_H

#include "base/core/buffer.h"
#include "base/net/loop.h"
#include "relay/relay_config.h"
#include "relay/store/census.h"
#include "relay/store/database.h"

enum observer_role_index {
    OBSERVER_FRONT,
    OBSERVER_ISSUER,
    OBSERVER_DNS,
    OBSERVER_ROLES
};

enum {
    OBSERVER_DAYS = 14,
    OBSERVER_SAMPLES = 180, /* of ten seconds */
    OBSERVER_REASON_CAPACITY = 256,
    OBSERVER_AWAKE_MAX = 500, /* expired certificates that are looked at closely */
};

struct observer_role {
    const char *name;
    bool is_asked;                         /* it has a status listener */
    bool is_known;                         /* it was asked once */
    bool is_up;                            /* it answers */
    bool is_well;                          /* its /healthz is 200 */
    char reason[OBSERVER_REASON_CAPACITY]; /* of one that is not well */
    double memory_bytes;
    int64_t started_at;
    struct buffer metrics; /* its last text; empty while it is down */
};

/* Of one zone, or of all together. */
struct observer_counts {
    int64_t devices;
    int64_t clones;
    int64_t waiting; /* for the CA's budget */
    int64_t lives[CENSUS_LIFE_COUNT];
    int64_t issued[OBSERVER_DAYS]; /* by UTC day, the last is today */
    int64_t last_issued_at;        /* 0: never */
    int64_t orders_day;    /* admitted in the last 24 hours but for the last one */
    int64_t issued_day;    /* in 24 hours */
    int64_t expired_awake; /* devices that published after their certificate ended */
    char expired_id[64];   /* one of them */
    bool has_history;      /* there were certificates two days ago */
    int64_t relay_not_before_at;
    int64_t relay_not_after_at; /* the relay's own certificate that ends first; 0: none */
    char ca_state[16];          /* of one zone: as the issuer notes it; "" : not yet */
    char ca_reason[OBSERVER_REASON_CAPACITY];
};

struct observer_facts {
    int64_t now_at;
    struct observer_role roles[OBSERVER_ROLES];
    /* Of the store; counted once a minute. */
    bool has_store;
    struct observer_counts all;
    struct observer_counts
        zones[RELAY_CONFIG_ZONES_MAX]; /* in the configuration's order */
    size_t zone_count;
    int64_t backup_at;  /* the last one; 0: never */
    bool has_backups;   /* some are made, or were */
    bool hides_backups; /* nobody knows: the nightly ones' folder can't be listed */
    double disk_free;   /* share of the store's file system */
    double disk_free_bytes;
    double dns_rate
        [OBSERVER_SAMPLES]; /* answers a second, the last is the newest; -1: unknown */
};

struct observer;

/* CONFIG (with its further zones) is borrowed. Begins to look at once. */
int observer_new(struct loop *loop, const struct relay_config *config,
                 struct observer **ret_observer) MUST_CHECK;
/* Accepts NULL. */
void observer_free(struct observer *observer);
/* As of the last look, with now_at as of now. Borrowed. */
const struct observer_facts *observer_facts(struct observer *observer);
/* The readers of the store, opened when they are there: NULL while not. */
struct database *observer_front(struct observer *observer);
struct database *observer_issuer(struct observer *observer);
struct database *observer_admin(struct observer *observer);

#endif
