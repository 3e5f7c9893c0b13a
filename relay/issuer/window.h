/* When a certificate is to be renewed: the CA's window (RFC 9773), narrowed for devices,
 * or one computed as the CA would. */
#ifndef RELAY_ISSUER_WINDOW_H
#define RELAY_ISSUER_WINDOW_H

#include "relay/issuer/issuer_state.h"
#include "relay/store/issuer_store.h"

struct window {
    int64_t start_at;
    int64_t end_at;
};

/* Around 2/3 of the life (1/2 of one below ten days), 2 % of it wide. */
struct window window_compute(int64_t not_before_at, int64_t not_after_at);
/* The first 60 %, so that a device that is late in its window is still in the CA's: only
 * there is a renewal exempt from rate limits. */
struct window window_narrow(struct window window);
/* Whether the time to renew has come (or the certificate was revoked or has ended). */
bool window_reached(const struct issuer_store_certificate *certificate, int64_t now_at);
/* Whether it is within the CA's window: START <= NOW < END of the one not narrowed. */
bool window_inside(const struct issuer_store_certificate *certificate, int64_t now_at);

/* Asks the CA for the windows of live certificates, a few at a time, each about every
 * eight hours; nothing happens with a CA that has no renewalInfo. */
int window_poll_new(struct issuer *issuer, struct window_poll **ret_poll) MUST_CHECK;
void window_poll_free(struct window_poll *poll);

#endif
