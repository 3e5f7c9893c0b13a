/* Order objects as a CA sends them (RFC 8555 7.1.3). Private to acme/. */
#ifndef ACME_ORDER_MESSAGE_H
#define ACME_ORDER_MESSAGE_H

#include "acme/acme_problem.h"

enum order_status {
    ORDER_STATUS_PENDING,
    ORDER_STATUS_READY,
    ORDER_STATUS_PROCESSING,
    ORDER_STATUS_VALID,
    ORDER_STATUS_INVALID,
};

struct order_message {
    json_t *object; /* owns the texts */
    enum order_status status;
    int64_t expires_at; /* 0: not said */
    size_t authorization_count;
    const char *authorizations[LIMIT_ORDER_NAMES];
    const char *finalize;
    const char *certificate;     /* NULL: none yet */
    struct acme_problem problem; /* type NONE and no detail when there is none */
};

/* Reads an order for exactly NAMES whose URLs are all of ORIGIN's origin. Unknown members
 * are ignored. On failure REASON says in a sentence what is wrong, and there is nothing
 * to free. */
int order_message_parse(const void *body, size_t size, char *const *names,
                        size_t name_count, const char *origin,
                        struct order_message *ret_message, char *reason,
                        size_t reason_capacity) MUST_CHECK;
void order_message_free(struct order_message *message);

#endif
