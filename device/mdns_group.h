/* The announcement itself: the only door to Avahi. */
#ifndef DEVICE_MDNS_GROUP_H
#define DEVICE_MDNS_GROUP_H

#include "device/mdns_message.h"

#include <avahi-common/watch.h>

struct mdns_group;

/* What became of the announcement; called from the poll loop, and from the calls below. */
typedef void mdns_group_fn(const struct mdns_report *report, void *arg);

/* Nothing is announced before mdns_group_announce(). ERROR_UNSUPPORTED where there is no
 * D-Bus; Avahi itself may come later. */
int mdns_group_new(const AvahiPoll *poll, mdns_group_fn *fn, void *arg,
                   struct mdns_group **ret_group) MUST_CHECK;
/* Announces FACTS (copied) in place of what was; says so when Avahi has proved the name. */
void mdns_group_announce(struct mdns_group *group, const struct mdns_facts *facts);
/* Whether there is nothing more to hope for: D-Bus went away, or names ran out. */
bool mdns_group_is_over(const struct mdns_group *group);
void mdns_group_free(struct mdns_group *group); /* accepts NULL */

#endif
