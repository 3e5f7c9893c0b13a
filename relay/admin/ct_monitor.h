/* A daily look whether what the CA logged for the zones is what the issuer's ledger holds: a
 * certificate that nobody here asked for means that somebody else could prove the zone's names. */
#ifndef RELAY_ADMIN_CT_MONITOR_H
#define RELAY_ADMIN_CT_MONITOR_H

#include "relay/admin/observer.h"

struct ct_monitor;

/* What came of a look: KNOWN and UNKNOWN certificates that still hold; TEXT is a sentence. GOOD is
 * false when there are unknown ones; a look that could not be made has IS_DONE false, and says
 * why. */
struct ct_monitor_result {
    bool is_done;
    bool is_good;
    int64_t known, unknown;
    char text[512];
};

typedef void ct_monitor_fn(const struct ct_monitor_result *result, void *arg);

/* CONFIG (its ct_url with %s for the zone, ct_ca_file) and OBSERVER are borrowed. The first look is
 * soon, the next a day after each; one that failed is made again in an hour. FN is called with
 * ARG. */
int ct_monitor_new(struct loop *loop, const struct relay_config *config,
                   struct observer *observer, ct_monitor_fn *fn, void *arg,
                   struct ct_monitor **ret_monitor) MUST_CHECK;
/* Accepts NULL. */
void ct_monitor_free(struct ct_monitor *monitor);

#endif
