/* The life of the device's certificate: when to order, when to renew, when to fall back,
 * when to try again. Pure: no I/O, no clock, no allocation; time and randomness are
 * passed in, so that a year can be tested in a millisecond. */
#ifndef DEVICE_LIFE_H
#define DEVICE_LIFE_H

#include "device/backoff.h"

#include <stdbool.h>
#include <stdint.h>

enum life_state {
    LIFE_FIRST,          /* no trusted certificate was ever there; waits to order */
    LIFE_FIRST_ORDERING, /* the first order is in work */
    LIFE_TRUSTED,    /* a trusted certificate is served; waits for its renewal moment */
    LIFE_RENEWING,   /* the same, and the next one is being ordered */
    LIFE_EXPIRED,    /* it ran out; the fallback is served; waits to order */
    LIFE_RECOVERING, /* the same, and an order is in work */
};

struct life_now {
    int64_t wall_at; /* for what certificates say */
    int64_t mono_ms; /* for waits: a clock that is set does not touch them */
};

struct life_certificate {
    int64_t not_before_at;
    int64_t not_after_at;
    int64_t obtained_at; /* by our clock; 0: unknown */
};

enum life_event_kind {
    LIFE_TICK,    /* time passed */
    LIFE_STARTED, /* the worker began an order */
    LIFE_ISSUED,  /* `certificate` is installed and served */
    LIFE_FAILED,  /* the order failed */
    LIFE_WINDOW,  /* the relay answered a renewalInfo request (RFC 9773) */
    LIFE_NETWORK, /* an address or link changed: what failed may work now */
    LIFE_ASKED,   /* the owner asked for a renewal */
};

struct life_event {
    enum life_event_kind kind;
    struct life_certificate certificate; /* LIFE_ISSUED */
    int64_t retry_after_s; /* LIFE_FAILED, LIFE_WINDOW: what the relay asked for; 0:
                              nothing */
    bool permanent;        /* LIFE_FAILED: trying again soon is of no use */
    bool has_window;       /* LIFE_WINDOW: false when the relay had no advice */
    int64_t window_start_at;
    int64_t window_end_at;
};

struct life {
    enum life_state state; /* changed by life.c's one setter only */
    backoff_random_fn *random;
    struct life_certificate certificate;
    int64_t renew_at;        /* wall: the renewal moment; in LIFE_TRUSTED */
    bool renew_advised;      /* renew_at comes from the relay's window */
    int64_t window_start_at; /* the window it was drawn from */
    int64_t window_end_at;
    int64_t retry_mono_ms;     /* no order before; 0: at once */
    bool retry_imposed;        /* the relay asked for this wait: no change of the network
                                  shortens it */
    int64_t window_mono_ms;    /* when to ask for the renewal window next */
    unsigned failures;         /* orders that failed in a row */
    int64_t shortened_mono_ms; /* when a network change last shortened a wait */
};

struct life_plan {
    bool serve_trusted; /* else the fallback */
    bool order;         /* start an order now */
    bool ask_window;    /* ask for the renewal window now */
    int64_t wake_ms;    /* look again after this at the latest */
};

/* Starts with the CERTIFICATE found on disk, or NULL. */
void life_init(struct life *life, backoff_random_fn *random,
               const struct life_certificate *certificate, const struct life_now *now);
/* No order before WAIT_S from now, as the relay asked for before a restart. */
void life_hold(struct life *life, int64_t wait_s, const struct life_now *now);
/* Takes an event; then ask life_plan what to do. */
void life_step(struct life *life, const struct life_event *event,
               const struct life_now *now);
/* What is to be done now. Changes nothing. */
struct life_plan life_plan(const struct life *life, const struct life_now *now);
/* A word for people and logs: "first-order", "trusted", ... Never NULL. */
const char *life_state_text(enum life_state state);

#endif
