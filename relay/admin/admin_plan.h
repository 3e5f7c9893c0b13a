/* `latchkey-relay plan`: what a number of new devices a day means for the CA's limits. */
#ifndef RELAY_ADMIN_ADMIN_PLAN_H
#define RELAY_ADMIN_ADMIN_PLAN_H

#include "relay/relay_config.h"

#include <stdbool.h>

/* What is asked: */
struct admin_plan_wish {
    uint64_t devices_per_day; /* new ones */
    uint64_t fleet;           /* that are there already */
    uint64_t days;            /* life of a certificate */
    uint64_t
        certificates_week; /* the CA's limit of new certificates for the registered domain */
    uint64_t orders_3h;    /* its limit of new orders for an account */
};

/* What follows. */
struct admin_plan {
    uint64_t week;          /* new certificates that a week needs */
    uint64_t per_day;       /* new devices a day that the limit lets in */
    bool fits;              /* both limits hold */
    uint64_t override_week; /* the limit to ask for, a quarter above the need; 0: none */
    uint64_t cas;           /* CAs that would do with the limit as it is */
    uint64_t orders_3h;     /* new orders in the busiest three hours */
    bool orders_fit;
    uint64_t accounts; /* accounts that would do for the orders */
    uint64_t fleet_in_a_year;
    uint64_t renewals_per_day; /* then; they count against no limit (ARI) */
    uint64_t
        waiting_days; /* until the last of a year's new devices has a certificate, without
                              any change; 0: none waits */
};

/* Pure. No field of WISH but `fleet` and `devices_per_day` may be 0. */
void admin_plan_make(const struct admin_plan_wish *wish, struct admin_plan *ret_plan);
/* The command: `plan --devices-per-day N [--fleet N] [--days N] [--json]`. Exit status: 0 when
 * it fits, 1 when not, 2 for wrong arguments. */
int admin_plan_run(const struct relay_config *config, int argc, char **argv);

#endif
