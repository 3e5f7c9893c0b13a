/* The agent's pages by HTTPS: which paths there are and who may ask for them by which name.
 * Nothing from elsewhere, no scripts, no HSTS: with it a browser could not click through
 * when the certificate has run out. */
#ifndef DEVICE_PAGES_H
#define DEVICE_PAGES_H

#include "base/net/http_server.h"
#include "device/brand.h"
#include "device/device_status.h"
#include "device/page_login.h"
#include "device/page_owner.h"

struct pages {
    const struct brand *brand;
    struct agent *agent; /* what the owner does there is its work */
    struct page_login login;
    struct page_owner owner;
};

/* Answers EXCHANGE, which came by HTTPS, from STATUS. */
void pages_respond(struct pages *pages, struct http_exchange *exchange,
                   const struct device_status *status);

#endif
