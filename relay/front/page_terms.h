/* /terms and /terms/<version>, see terms.h. */
#ifndef RELAY_FRONT_PAGE_TERMS_H
#define RELAY_FRONT_PAGE_TERMS_H

#include "relay/front/request.h"

/* The terms in force. */
void page_terms_respond(struct request *request);
/* Those of one version; 404 for one that never was in force. */
void page_terms_respond_version(struct request *request);

#endif
