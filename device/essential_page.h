/* The one page of a minimal build: which names lead here, what is served, what is wrong, as
 * plain HTML; and the same as JSON. */
#ifndef DEVICE_ESSENTIAL_PAGE_H
#define DEVICE_ESSENTIAL_PAGE_H

#include "base/net/http_server.h"
#include "device/device_status.h"

/* Answers EXCHANGE from STATUS, by HTTPS or plain HTTP. */
void essential_page_respond(struct http_exchange *exchange,
                            const struct device_status *status);

#endif
