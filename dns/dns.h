/* The authoritative DNS engine, for those who use it: a zone compiled at start
 * (template), what the store knows of its names (view), the pure answer function
 * (answer), and the sockets (listen).
 *
 *     zone  = dns_template_new(options)             once, at start
 *     view  = dns_view_new(zone, ...)               then dns_view_put_... whenever the
 * store changed dns_listen_new(loop, view, ...)               serves; the view changes
 * under dns_listen_lock */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include "dns/answer.h"
#include "dns/listen.h"
#include "dns/probe.h"
#include "dns/tally.h"
#include "dns/template.h"
#include "dns/view.h"

#endif
