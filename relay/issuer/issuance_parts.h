/* Private to issuance*.c: one issuance in memory, and what the files do for each other.
 */
#ifndef RELAY_ISSUER_ISSUANCE_PARTS_H
#define RELAY_ISSUER_ISSUANCE_PARTS_H

#include "relay/issuer/issuance.h"
#include "relay/issuer/meter.h"

enum issuance_state {
    ISSUANCE_QUEUED,
    ISSUANCE_RUNNING,
    ISSUANCE_SAVING,
    ISSUANCE_SHOWING,
    ISSUANCE_HELD,
    ISSUANCE_FOLLOWING,
    ISSUANCE_STORING,
};

struct issuance {
    struct issuances *set;
    struct issuance *next; /* in order of arrival */
    struct issuance *previous;
    struct issuance *bucket_next; /* the same hash of the id */
    struct issuance *queued_next; /* of its lane, in order of arrival */
    struct issuance *queued_previous;
    bool queued; /* in its lane's queue: QUEUED and durable */
    enum issuance_state state;
    bool durable;            /* its row is */
    bool placed;             /* its budget knows that the CA has the order */
    bool opening;            /* from newOrder until its authorizations are read */
    struct issuance *leader; /* FOLLOWING */

    char *number;
    char *id;
    char *names;
    char *profile;
    char *csr_text;
    bool for_relay; /* lane "relay" of the store */
    enum budget_lane lane;
    struct verify_csr csr;
    char replaces[CERT_ID_MAX];

    struct acme_order *order;
    struct buffer saved; /* from the row, until the order is loaded */
    struct ca_exchange exchange;
    struct ca_waiter shared;
    struct commit_waiter committed;
    struct propagation *propagation;
    struct loop_timer *timer;
    struct issuer_meter_span span;
    int64_t started_mono_ms;
    int64_t ready_mono_ms; /* HELD and QUEUED: not before */
    unsigned restarts;
    unsigned dns_failures;
    unsigned failures; /* in a row */
    int64_t attempts;
};

enum { ISSUANCE_BUCKETS = 4096 };

struct issuance_queue {
    struct issuance *first;
    struct issuance *last;
};

struct issuances {
    struct issuer *issuer;
    struct issuance *first;
    struct issuance *last;
    struct issuance *buckets[ISSUANCE_BUCKETS];
    struct issuance_queue queues[BUDGET_LANE_COUNT]; /* who may start, first lanes first */
    size_t count;
    size_t running_count; /* those that hold a slot */
    size_t opening_count;
    struct loop_timer *timer;
};

/* issuance.c: callbacks of each issuance's waiters and timer; the argument is it. */
void issuance_parts_on_committed(void *arg);
void issuance_parts_on_shared(void *arg);
void issuance_parts_on_timer(void *arg);

#endif
