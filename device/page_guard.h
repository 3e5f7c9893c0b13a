/* What every response of the agent's servers has in common: which Host headers are the
 * device's own, and the headers that keep a browser from doing more than it should. */
#ifndef DEVICE_PAGE_GUARD_H
#define DEVICE_PAGE_GUARD_H

#include "base/net/http_server.h"
#include "device/device_status.h"

enum { PAGE_GUARD_HOST_CAPACITY = 256 };

/* How the visitor called this device. */
enum page_guard_host {
    PAGE_GUARD_FOREIGN, /* by no name of ours: 421, so that a name made to lead here (DNS
                           rebinding) shows nothing */
    PAGE_GUARD_ADDRESS, /* any address literal: it can't be rebound */
    PAGE_GUARD_LOCAL,   /* its names on the local link, or localhost */
    PAGE_GUARD_NAMED,   /* <id>.<zone> or one label more */
    PAGE_GUARD_OWNER,   /* the host name of the owner's own certificate */
};

/* HEADER is the Host header or NULL. RET_HOST is the host in lower case without port,
 * brackets and final dot, or "" for PAGE_GUARD_FOREIGN. */
enum page_guard_host page_guard_host(const char *header,
                                     const struct device_status *status,
                                     char ret_host[static PAGE_GUARD_HOST_CAPACITY]);
/* Adds POLICY as the Content-Security-Policy, nosniff, no referrer for others, no
 * storing; never HSTS: with it a browser could not click through when the certificate has
 * run out. */
void page_guard_headers(struct http_exchange *exchange, const char *policy);
/* A response of one sentence in plain text. */
void page_guard_refuse(struct http_exchange *exchange, int status, const char *sentence);
/* Whether it is GET or HEAD. */
bool page_guard_is_read(const struct http_exchange *exchange);
/* Answers 405. */
void page_guard_refuse_write(struct http_exchange *exchange);

#endif
