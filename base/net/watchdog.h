/* The service manager's watchdog on a loop: as long as the loop turns, and whatever else must turn,
 * the manager hears of it; a stuck one is ended and started again by it (WatchdogSec= in
 * systemd.service(5)). */
#ifndef BASE_NET_WATCHDOG_H
#define BASE_NET_WATCHDOG_H

#include "base/net/loop.h"

#include <stdbool.h>

struct watchdog;

/* Whether all is well; must not block. */
typedef bool watchdog_fn(void *arg);

/* Says so at half of the time that notify_open() found, each time IS_ALIVE(ARG) (NULL: the loop
 * alone) agrees. Does nothing where no manager watches. ERROR_MEMORY. */
int watchdog_new(struct loop *loop, watchdog_fn *is_alive, void *arg,
                 struct watchdog **ret_watchdog) MUST_CHECK;
/* Accepts NULL. */
void watchdog_free(struct watchdog *watchdog);

#endif
