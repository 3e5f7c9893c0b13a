/* Keeps latchkey-mdns at work, and knows what became of the announcement. */
#ifndef DEVICE_ANNOUNCER_H
#define DEVICE_ANNOUNCER_H

#include "base/net/loop.h"
#include "device/mdns_message.h"

struct announcer;

/* The report has changed. */
typedef void announcer_fn(const struct mdns_report *report, void *arg);

/* PROGRAM is the path of latchkey-mdns; it is started by the first announcer_tell(), and
 * again, after a wait, whenever it has ended. */
int announcer_new(struct loop *loop, const char *program, announcer_fn *fn, void *arg,
                  struct announcer **ret_announcer) MUST_CHECK;
/* What to announce from now on; the same again does nothing. */
void announcer_tell(struct announcer *announcer, const struct mdns_facts *facts);
void announcer_free(struct announcer *announcer); /* accepts NULL */

#endif
