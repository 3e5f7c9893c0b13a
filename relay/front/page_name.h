/* /name/<id>: for people who come with an id. */
#ifndef RELAY_FRONT_PAGE_NAME_H
#define RELAY_FRONT_PAGE_NAME_H

#include "relay/front/page.h"

/* /name?id=<id>, from the first page's form, and /name/<id>; both with &address=<IP>. */
void page_name_respond(struct request *request);

/* The page for what was typed as ID and, "" for nothing, as ADDRESS, both from outside. The
 * status to answer with. */
int page_name_write(const struct service *service, const char *id, const char *address,
                    struct buffer *html);

#endif
