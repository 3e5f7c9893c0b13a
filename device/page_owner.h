/* The owner's own certificate, on pages behind the login: name, request, upload, trial and
 * confirmation. What it does is device/agent_owner.h's. */
#ifndef DEVICE_PAGE_OWNER_H
#define DEVICE_PAGE_OWNER_H

#include "device/page_guard.h"
#include "device/page_login.h"

struct agent;

struct page_owner {
    char ticket[ADMIN_SESSIONS_TOKEN_SIZE + 1]; /* of the trial at work; "" : none */
};

/* Answers /certificate and what is below it; says whether the path was one of them. */
bool page_owner_respond(struct page_owner *owner, struct agent *agent,
                        struct page_login *login, const struct brand *brand,
                        struct http_exchange *exchange);

#endif
