/* What programs look for at a web server: robots.txt, security.txt (RFC 9116), favicon.ico. */
#ifndef RELAY_FRONT_PAGE_ROBOTS_H
#define RELAY_FRONT_PAGE_ROBOTS_H

#include "relay/front/request.h"

/* Crawlers may read the pages, and nothing about ids. */
void page_robots_respond(struct request *request);
void page_robots_respond_security(struct request *request);
/* 204: the pages name their icon. */
void page_robots_respond_favicon(struct request *request);

#endif
