/* Tells when the system's addresses, links or default route changed, by rtnetlink. */
#ifndef DEVICE_NETWORK_WATCH_H
#define DEVICE_NETWORK_WATCH_H

#include "base/net/loop.h"

struct network_watch;

/* Something changed a fifth of a second ago: changes come in bursts, and are told once. */
typedef void network_watch_fn(void *arg);

/* ERROR_IO where the system has no rtnetlink: the caller then looks from time to time. */
int network_watch_new(struct loop *loop, network_watch_fn *fn, void *arg,
                      struct network_watch **ret_watch) MUST_CHECK;
void network_watch_free(struct network_watch *watch); /* accepts NULL */

#endif
