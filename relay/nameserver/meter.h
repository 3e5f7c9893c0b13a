/* What the dns role tells those who watch it: its counters on [dns] status_listen. */
#ifndef RELAY_NAMESERVER_METER_H
#define RELAY_NAMESERVER_METER_H

#include "base/net/loop.h"
#include "dns/dns.h"

struct nameserver_meter;

/* Whether a file of the store can't be read now: *RET_NAME says which. */
typedef bool nameserver_meter_unreadable_fn(void *arg, const char **ret_name);

/* LISTEN_AT: loopback address and port; "": nothing is told, and *RET_METER is NULL. Where that
 * can't be had the role goes on without, and says so: answers count more. ANSWERS is borrowed for
 * the meter's life; UNREADABLE is asked with ARG. */
int nameserver_meter_new(struct loop *loop, const char *listen_at,
                         const struct dns_listen *answers,
                         nameserver_meter_unreadable_fn *unreadable, void *arg,
                         struct nameserver_meter **ret_meter) MUST_CHECK;
/* Accepts NULL. */
void nameserver_meter_free(struct nameserver_meter *meter);

#endif
