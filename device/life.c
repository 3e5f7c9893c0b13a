/* The certificate's life as a state machine.
 *
 *   state            issued     failed     expiry      started
 *   FIRST            -          -          -           FIRST_ORDERING
 *   FIRST_ORDERING   TRUSTED    FIRST      -           -
 *   TRUSTED          -          -          EXPIRED     RENEWING
 *   RENEWING         TRUSTED    TRUSTED    RECOVERING  -
 *   EXPIRED          -          -          -           RECOVERING
 *   RECOVERING       TRUSTED    EXPIRED    -           -
 *
 * and EXPIRED goes back to TRUSTED when the clock is set back before the expiry.
 *
 * The renewal moment is the relay's window (RFC 9773 4.2: a uniformly random moment in
 * it) where there is one, else 2/3 of the life, 1/2 for lives under ten days, with
 * jitter. Both count from when the certificate was obtained, not from notBefore, which
 * CAs put an hour back: with short lives that hour is most of the life. A window is held
 * between a third of the life (at most an hour) after obtaining, so that a window which
 * lies in the past for every new certificate does not become a loop, and 5/6 of the life
 * (2/3 of a short one), so that no advice makes us miss the expiry.
 *
 * A certificate whose notBefore lies ahead is served: a device without a clock believes
 * in 1970, its visitors do not. */
#include "device/life.h"

#include <stddef.h>

enum {
    MINUTE_S = 60,
    HOUR_S = 3600,
    DAY_S = 86400,
    SHORT_LIFE_S = 10 * DAY_S,
    FIRST_RETRY_S = 5,
    LONGEST_RETRY_S = 6 * HOUR_S,
    LONGEST_FIRST_RETRY_S = HOUR_S, /* without any certificate, people wait */
    LONGEST_IMPOSED_S = DAY_S,      /* if a relay asks for more, we ask again sooner */
    EARLY_S = 2,
    SHORTEN_GAP_MS = 10 * 1000,
    LONGEST_SLEEP_MS = MINUTE_S * 1000, /* the wall clock may be set meanwhile */
};

/* When the certificate is taken away: a moment early, so that nobody who connects in its last
 * second sees it expire during the handshake. */
static int64_t ends_at(const struct life_certificate *certificate)
{
    return certificate->not_after_at - EARLY_S;
}

static void set_state(struct life *life, enum life_state state)
{
    life->state = state;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    if (value < low) {
        return low;
    }
    return value > high ? high : value;
}

/* What is left of the certificate's span when it was obtained; at least a second. */
static int64_t life_s(const struct life_certificate *certificate)
{
    int64_t span_s = certificate->not_after_at - certificate->obtained_at;
    return span_s > 0 ? span_s : 1;
}

static int64_t fraction_at(const struct life_certificate *certificate, int64_t part,
                           int64_t whole)
{
    return certificate->obtained_at + life_s(certificate) * part / whole;
}

/* Without advice: 2/3 (1/2) of the life, up to a twentieth of it earlier. */
static int64_t default_renewal_at(const struct life *life)
{
    const struct life_certificate *certificate = &life->certificate;
    int64_t span_s = life_s(certificate);
    int64_t due_at = span_s < SHORT_LIFE_S ? fraction_at(certificate, 1, 2)
                                           : fraction_at(certificate, 2, 3);
    return due_at - (int64_t)life->random((uint64_t)(span_s / 20) + 1);
}

static int64_t advised_renewal_at(const struct life *life, const struct life_event *event)
{
    const struct life_certificate *certificate = &life->certificate;
    int64_t span_s = life_s(certificate);
    int64_t earliest_at =
        certificate->obtained_at + (span_s / 3 < HOUR_S ? span_s / 3 : HOUR_S);
    int64_t latest_at = span_s < SHORT_LIFE_S ? fraction_at(certificate, 2, 3)
                                              : fraction_at(certificate, 5, 6);
    /* Clamp the ends before choosing: the width of the relay's window must not overflow,
     * and a choice from the whole of a too wide window would pile up at the limits. */
    int64_t start_at = clamp(event->window_start_at, earliest_at, latest_at);
    int64_t end_at = clamp(event->window_end_at, earliest_at, latest_at);
    if (end_at <= start_at) {
        return start_at;
    }
    return start_at + (int64_t)life->random((uint64_t)(end_at - start_at) + 1);
}

/* A moment is drawn once for each window (RFC 9773 4.2): drawing at each poll would
 * drift. */
static void take_window(struct life *life, const struct life_event *event)
{
    if (life->renew_advised && life->window_start_at == event->window_start_at &&
        life->window_end_at == event->window_end_at) {
        return;
    }
    life->renew_at = advised_renewal_at(life, event);
    life->renew_advised = true;
    life->window_start_at = event->window_start_at;
    life->window_end_at = event->window_end_at;
}

/* When to ask for the window again: what the relay asked for within an hour and a day,
 * but four times in a life. */
static int64_t window_interval_ms(const struct life *life, int64_t retry_after_s)
{
    int64_t wait_s = clamp(retry_after_s > 0 ? retry_after_s : 6 * HOUR_S, HOUR_S, DAY_S);
    int64_t quarter_s = clamp(life_s(&life->certificate) / 4, 10, DAY_S);
    return (wait_s < quarter_s ? wait_s : quarter_s) * 1000;
}

static void take_certificate(struct life *life,
                             const struct life_certificate *certificate,
                             const struct life_now *now)
{
    life->certificate = *certificate;
    if (certificate->obtained_at < certificate->not_before_at ||
        certificate->obtained_at >= certificate->not_after_at) {
        /* Unknown, or the clock was wrong then. */
        life->certificate.obtained_at = certificate->not_before_at;
    }
    life->renew_at = default_renewal_at(life);
    life->renew_advised = false;
    life->failures = 0;
    life->retry_mono_ms = 0;
    life->retry_imposed = false;
    life->window_mono_ms = now->mono_ms;
}

static void plan_retry(struct life *life, const struct life_event *event,
                       const struct life_now *now)
{
    bool first = life->state == LIFE_FIRST || life->state == LIFE_FIRST_ORDERING;
    struct backoff_range range = {
        .first_s = FIRST_RETRY_S,
        .longest_s = first ? LONGEST_FIRST_RETRY_S : LONGEST_RETRY_S,
    };
    if (!first && life_s(&life->certificate) / 12 < range.longest_s) {
        /* A short certificate needs several tries between its renewal moment and its end.
         */
        range.longest_s =
            clamp(life_s(&life->certificate) / 12, FIRST_RETRY_S, LONGEST_RETRY_S);
    }
    life->failures++;
    if (event->permanent) {
        range.first_s = range.longest_s;
    }
    int64_t wait_ms = backoff_wait_ms(&range, life->failures, life->random);
    life->retry_imposed = event->permanent;
    int64_t imposed_ms = clamp(event->retry_after_s, 0, LONGEST_IMPOSED_S) * 1000;
    if (imposed_ms > 0) {
        /* Never before the relay's moment; a tenth later at most, so that waiters spread.
         */
        int64_t asked_ms =
            imposed_ms + (int64_t)life->random((uint64_t)imposed_ms / 10 + 1);
        life->retry_imposed = true;
        wait_ms = asked_ms;
    }
    life->retry_mono_ms = now->mono_ms + wait_ms;
}

/* A cable was plugged in: a wait that we chose ourselves becomes a short one. */
static void shorten_wait(struct life *life, const struct life_now *now)
{
    if (life->retry_imposed || life->failures == 0 ||
        (life->shortened_mono_ms != 0 &&
         now->mono_ms - life->shortened_mono_ms < SHORTEN_GAP_MS)) {
        return;
    }
    int64_t soon_mono_ms = now->mono_ms + 1000 + (int64_t)life->random(2000);
    if (soon_mono_ms < life->retry_mono_ms) {
        life->retry_mono_ms = soon_mono_ms;
        life->shortened_mono_ms = now->mono_ms;
    }
}

static void order_now(struct life *life, const struct life_now *now)
{
    life->retry_mono_ms = 0;
    life->retry_imposed = false;
    if (life->renew_at > now->wall_at) {
        life->renew_at = now->wall_at;
    }
}

/* FIRST and EXPIRED: nothing to serve but the fallback, no order in work. */
static void step_waiting(struct life *life, const struct life_event *event,
                         const struct life_now *now)
{
    switch (event->kind) {
    case LIFE_STARTED:
        set_state(life,
                  life->state == LIFE_FIRST ? LIFE_FIRST_ORDERING : LIFE_RECOVERING);
        break;
    case LIFE_NETWORK:
        shorten_wait(life, now);
        break;
    case LIFE_ASKED:
        order_now(life, now);
        break;
    case LIFE_TICK:
        if (now->wall_at < ends_at(&life->certificate)) {
            /* It had not expired: the clock had been wrong, and was set back. */
            set_state(life, LIFE_TRUSTED);
        }
        break;
    case LIFE_ISSUED:
    case LIFE_FAILED:
    case LIFE_WINDOW:
        break;
    }
}

/* FIRST_ORDERING, RENEWING, RECOVERING: FAILED_STATE is where a failure leads. */
static void step_ordering(struct life *life, enum life_state failed_state,
                          const struct life_event *event, const struct life_now *now)
{
    switch (event->kind) {
    case LIFE_ISSUED:
        take_certificate(life, &event->certificate, now);
        set_state(life, LIFE_TRUSTED);
        break;
    case LIFE_FAILED:
        plan_retry(life, event, now);
        set_state(life, failed_state);
        break;
    case LIFE_TICK:
    case LIFE_STARTED:
    case LIFE_WINDOW:
    case LIFE_NETWORK:
    case LIFE_ASKED:
        break;
    }
}

static void step_trusted(struct life *life, const struct life_event *event,
                         const struct life_now *now)
{
    switch (event->kind) {
    case LIFE_STARTED:
        set_state(life, LIFE_RENEWING);
        break;
    case LIFE_WINDOW:
        if (event->has_window) {
            take_window(life, event);
        }
        life->window_mono_ms =
            now->mono_ms + window_interval_ms(life, event->retry_after_s);
        break;
    case LIFE_NETWORK:
        shorten_wait(life, now);
        break;
    case LIFE_ASKED:
        order_now(life, now);
        break;
    case LIFE_TICK:
    case LIFE_ISSUED:
    case LIFE_FAILED:
        break;
    }
}

void life_init(struct life *life, backoff_random_fn *random,
               const struct life_certificate *certificate, const struct life_now *now)
{
    *life = (struct life){.state = LIFE_FIRST, .random = random};
    if (certificate == NULL) {
        return;
    }
    take_certificate(life, certificate, now);
    set_state(life, now->wall_at < ends_at(certificate) ? LIFE_TRUSTED : LIFE_EXPIRED);
}

void life_hold(struct life *life, int64_t wait_s, const struct life_now *now)
{
    life->retry_mono_ms = now->mono_ms + clamp(wait_s, 0, LONGEST_IMPOSED_S) * 1000;
    life->retry_imposed = true;
}

void life_step(struct life *life, const struct life_event *event,
               const struct life_now *now)
{
    bool expired = now->wall_at >= ends_at(&life->certificate);
    switch (life->state) {
    case LIFE_FIRST:
    case LIFE_EXPIRED:
        step_waiting(life, event, now);
        break;
    case LIFE_FIRST_ORDERING:
        step_ordering(life, LIFE_FIRST, event, now);
        break;
    case LIFE_RECOVERING:
        step_ordering(life, LIFE_EXPIRED, event, now);
        break;
    case LIFE_TRUSTED:
        step_trusted(life, event, now);
        if (expired) {
            set_state(life,
                      life->state == LIFE_RENEWING ? LIFE_RECOVERING : LIFE_EXPIRED);
        }
        break;
    case LIFE_RENEWING:
        step_ordering(life, expired ? LIFE_EXPIRED : LIFE_TRUSTED, event, now);
        if (expired && life->state == LIFE_RENEWING) {
            set_state(life, LIFE_RECOVERING);
        }
        break;
    }
}

static int64_t until_ms(int64_t target_at, int64_t now_at)
{
    /* Far ends (9999) stay far without overflow. */
    return clamp(target_at - now_at, 0, LONGEST_SLEEP_MS / 1000) * 1000;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

struct life_plan life_plan(const struct life *life, const struct life_now *now)
{
    struct life_plan plan = {.wake_ms = LONGEST_SLEEP_MS};
    int64_t retry_ms = clamp(life->retry_mono_ms - now->mono_ms, 0, LONGEST_SLEEP_MS);
    int64_t expiry_ms = until_ms(ends_at(&life->certificate), now->wall_at);
    switch (life->state) {
    case LIFE_FIRST:
    case LIFE_EXPIRED:
        plan.order = retry_ms == 0;
        plan.wake_ms = sooner(plan.wake_ms, retry_ms);
        break;
    case LIFE_FIRST_ORDERING:
    case LIFE_RECOVERING:
        break;
    case LIFE_TRUSTED: {
        int64_t due_ms = until_ms(life->renew_at, now->wall_at);
        int64_t order_ms = due_ms > retry_ms ? due_ms : retry_ms;
        int64_t window_ms =
            clamp(life->window_mono_ms - now->mono_ms, 0, LONGEST_SLEEP_MS);
        plan.serve_trusted = true;
        plan.order = order_ms == 0;
        plan.ask_window = !plan.order && window_ms == 0;
        plan.wake_ms =
            sooner(sooner(order_ms, window_ms), sooner(expiry_ms, plan.wake_ms));
        break;
    }
    case LIFE_RENEWING:
        plan.serve_trusted = true;
        plan.wake_ms = sooner(expiry_ms, plan.wake_ms);
        break;
    }
    return plan;
}

const char *life_state_text(enum life_state state)
{
    switch (state) {
    case LIFE_FIRST:
        return "waiting-for-first";
    case LIFE_FIRST_ORDERING:
        return "first-order";
    case LIFE_TRUSTED:
        return "trusted";
    case LIFE_RENEWING:
        return "renewing";
    case LIFE_EXPIRED:
        return "expired";
    case LIFE_RECOVERING:
        return "recovering";
    }
    return "unknown";
}
