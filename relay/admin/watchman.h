/* Judges what the observer sees: which alerts hold, and tells the operator's command of them. */
#ifndef RELAY_ADMIN_WATCHMAN_H
#define RELAY_ADMIN_WATCHMAN_H

#include "relay/admin/dashboard_page.h"
#include "relay/admin/errand.h"

struct watchman;

/* Which conditions of FACTS hold for the relay as a whole, and for ZONE, whose counts are COUNTS,
 * into ALERTS: true when any began or ended. Pure. */
bool watchman_judge_relay(const struct observer_facts *facts,
                          const struct dashboard_check *ct, struct alert_set *alerts);
bool watchman_judge_zone(const struct observer_facts *facts, const char *zone,
                         const struct observer_counts *counts,
                         const struct dashboard_check *delegation,
                         struct alert_set *alerts);

/* All borrowed for its life; ERRAND is given up to it. Reads and keeps the alerts in the admin
 * role's place of the store; it must be told where the ct check is. */
int watchman_new(struct loop *loop, const struct relay_config *config,
                 struct observer *observer, struct errand *errand,
                 const struct dashboard_check *ct,
                 struct watchman **ret_watchman) MUST_CHECK;
/* Accepts NULL. */
void watchman_free(struct watchman *watchman);
/* As many as there are zones, in the configuration's order. */
size_t watchman_zone_count(const struct watchman *watchman);
const struct alert_zone *watchman_alerts(const struct watchman *watchman);
const struct dashboard_check *watchman_delegation(const struct watchman *watchman,
                                                  const char *zone);

#endif
