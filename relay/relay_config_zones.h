/* The zones of one relay side by side: what can't be seen in one file alone. */
#ifndef RELAY_RELAY_CONFIG_ZONES_H
#define RELAY_RELAY_CONFIG_ZONES_H

#include "relay/relay_config.h"

/* Whether NAME is ZONE or below it; both in lower case. Pure. */
bool relay_config_zones_is_below(const char *name, const char *zone);

/* Refuses what two zones can't share: a zone within another, a base URL (aliases too). A
 * fault's line in REPORT names both files. ERROR_SYNTAX. */
int relay_config_zones_compare(const struct relay_config *main_config,
                               struct buffer *report) MUST_CHECK;

/* Appends a line to REPORT for what is allowed but may surprise: zones that share a budget because
 * their registered domain was guessed, or that have other figures for it. */
void relay_config_zones_warn(const struct relay_config *main_config,
                             struct buffer *report);

/* The configuration of ZONE (any case), or NULL with a line in REPORT that names the
 * zones there are. */
const struct relay_config *relay_config_zones_find(const struct relay_config *main_config,
                                                   const char *zone,
                                                   struct buffer *report);

#endif
