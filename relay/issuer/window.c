/* The store keeps the narrowed window only, as that is what front hands out; the CA's own
 * is 1/0.6 of it from the same start.
 *
 * Polling: a few certificates at a time, those that were asked for longest ago. A failure
 * counts as asked, so that a CA which refuses one certificate doesn't stop the others,
 * and a window computed here stands until the CA gave one. */
#include "relay/issuer/window.h"

#include "base/core/clock.h"
#include "base/core/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    SHORT_LIFE_S = 10 * 86400,
    CHECK_EVERY_S = 8 * 3600,
    CHECKS_PER_LIFE = 20, /* of a short certificate */
    LOOK_MAX = 64,        /* candidates looked at for one that is due */
    IDLE_MS = 5000,
    CALLS_MAX = 8, /* at once: 1,000,000 certificates in eight hours are 35 a second */
    RETRY_MS = 60000,
};

struct window window_compute(int64_t not_before_at, int64_t not_after_at)
{
    int64_t life_s = not_after_at - not_before_at;
    int64_t middle_at =
        not_before_at + (life_s < SHORT_LIFE_S ? life_s / 2 : life_s / 3 * 2);
    int64_t half_s = life_s / 100 > 0 ? life_s / 100 : 1;

    return (struct window){middle_at - half_s, middle_at + half_s};
}

struct window window_narrow(struct window window)
{
    int64_t width_s = (window.end_at - window.start_at) * 6 / 10;

    return (struct window){window.start_at,
                           window.start_at + (width_s > 0 ? width_s : 1)};
}

/* The stored window, or one computed while there is none. */
static struct window stored(const struct issuer_store_certificate *certificate)
{
    if (certificate->ari_start_at > 0 &&
        certificate->ari_end_at > certificate->ari_start_at) {
        return (struct window){certificate->ari_start_at, certificate->ari_end_at};
    }
    return window_narrow(
        window_compute(certificate->not_before_at, certificate->not_after_at));
}

bool window_reached(const struct issuer_store_certificate *certificate, int64_t now_at)
{
    return certificate->revoked_at > 0 || now_at >= stored(certificate).start_at;
}

bool window_inside(const struct issuer_store_certificate *certificate, int64_t now_at)
{
    struct window window = stored(certificate);
    int64_t width_s = (window.end_at - window.start_at) * 10 / 6;

    return now_at >= window.start_at && now_at < window.start_at + width_s;
}

/* One certificate asked for. */
struct call {
    struct window_poll *poll;
    struct acme_call *call; /* NULL: none under way */
    struct ca_exchange exchange;
    struct ca_waiter waiter;
    struct loop_timer *timer;
    char cert_id[CERT_ID_MAX];
    int64_t not_before_at;
    int64_t not_after_at;
    struct window before; /* the one in the store */
};

struct window_poll {
    struct issuer *issuer;
    struct call calls[CALLS_MAX];
};

static void next(struct call *call);

static bool is_asked(const struct window_poll *poll, const char *cert_id)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (poll->calls[i].call != NULL && strcmp(poll->calls[i].cert_id, cert_id) == 0) {
            return true;
        }
    }
    return false;
}

/* Takes the first that is due and not asked for yet. */
static int take_certificate(const struct issuer_store_certificate *certificate, void *arg)
{
    struct call *call = arg;
    int64_t every_s =
        (certificate->not_after_at - certificate->not_before_at) / CHECKS_PER_LIFE;

    every_s = every_s < CHECK_EVERY_S ? every_s : CHECK_EVERY_S;
    if (call->cert_id[0] != '\0' ||
        certificate->ari_checked_at > clock_wall_at() - every_s ||
        is_asked(call->poll, certificate->cert_id)) {
        return 0;
    }
    call->not_before_at = certificate->not_before_at;
    call->not_after_at = certificate->not_after_at;
    call->before = (struct window){certificate->ari_start_at, certificate->ari_end_at};
    return text_copy(call->cert_id, sizeof(call->cert_id), certificate->cert_id)
               ? 0
               : ERROR_LIMIT;
}

static void end_call(struct call *call)
{
    ca_cancel(&call->exchange);
    ca_forget(call->poll->issuer->ca, &call->waiter);
    if (call->call != NULL) {
        acme_call_free(call->call);
        call->call = NULL;
    }
}

/* Notes the answer, or only that it was asked. */
static void store_window(struct call *call, const struct acme_ari *ari)
{
    struct issuer *issuer = call->poll->issuer;
    struct window window = call->before;
    int64_t rev = 0;
    int error = 0;

    if (ari != NULL) {
        window = window_narrow((struct window){ari->start_at, ari->end_at});
        if (window.start_at != call->before.start_at) {
            log_info("certificate '%s': the CA's renewal window has moved",
                     call->cert_id);
        }
    }
    error = commit_begin(issuer->commit, &rev);
    if (error == 0) {
        error = issuer_store_set_ari(issuer->database, issuer->config->zone, rev,
                                     call->cert_id, window.start_at, window.end_at,
                                     clock_wall_at());
    }
    if (error != 0 && error != ERROR_NOT_FOUND) {
        (void)commit_fail(issuer->commit, error, "renewal window");
    }
    end_call(call);
    loop_timer_set(call->timer, 0);
}

static void take_answer(struct call *call)
{
    struct acme_ari ari = {0};
    int error = acme_call_renewal_info(call->call, call->not_before_at,
                                       call->not_after_at, clock_wall_at(), &ari);

    if (error != 0) {
        log_debug("certificate '%s': renewalInfo makes no sense: %s", call->cert_id,
                  error_text(error));
    }
    store_window(call, error == 0 ? &ari : NULL);
}

static void on_response(const struct acme_response *response, void *arg)
{
    struct call *call = arg;
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};

    acme_call_response(call->call, response, now);
    next(call);
}

/* Drives the call until it waits for something. */
static void next(struct call *call)
{
    struct acme_now now = {clock_wall_at(), clock_mono_ms()};
    struct acme_step step = {0};

    acme_call_next(call->call, now, &step);
    switch (step.want) {
    case ACME_WANT_REQUEST:
        if (ca_send(call->poll->issuer->ca, &call->exchange, step.request, on_response,
                    call) != 0) {
            end_call(call);
            loop_timer_set(call->timer, RETRY_MS);
        }
        return;
    case ACME_WANT_SHARED:
        ca_wait(call->poll->issuer->ca, &call->waiter);
        return;
    case ACME_WANT_WAIT:
        loop_timer_set(call->timer, step.wait_ms);
        return;
    case ACME_WANT_DONE:
        take_answer(call);
        return;
    case ACME_WANT_FAILED:
        log_debug("renewalInfo of '%s': %s", call->cert_id, step.error->text);
        if (step.error->scope == ACME_SCOPE_CA) {
            end_call(call);
            loop_timer_set(call->timer, RETRY_MS);
        } else {
            store_window(call, NULL);
        }
        return;
    case ACME_WANT_RESPONSE:
    case ACME_WANT_SAVE:
    case ACME_WANT_PUBLISH:
    case ACME_WANT_UNPUBLISH:
    case ACME_WANT_IDLE:
        return;
    }
}

static void on_shared(void *arg)
{
    next(arg);
}

static void on_timer(void *arg)
{
    struct call *call = arg;
    struct issuer *issuer = call->poll->issuer;
    int64_t now_at = clock_wall_at();
    int error = 0;

    if (call->call != NULL) {
        next(call);
        return;
    }
    loop_timer_set(call->timer, IDLE_MS);
    if (!acme_client_has_renewal_info(ca_client(issuer->ca)) ||
        ca_paused_until(issuer->ca) != 0 || commit_error(issuer->commit) != 0) {
        return;
    }
    call->cert_id[0] = '\0';
    error =
        issuer_store_certificates_to_check(issuer->database, issuer->config->zone, now_at,
                                           now_at, LOOK_MAX, take_certificate, call);
    if (error != 0 || call->cert_id[0] == '\0') {
        return;
    }
    error = acme_call_new_renewal_info(ca_client(issuer->ca), call->cert_id, &call->call);
    if (error == 0) {
        next(call);
    }
}

int window_poll_new(struct issuer *issuer, struct window_poll **ret_poll)
{
    struct window_poll *poll = calloc(1, sizeof(*poll));
    int error = 0;

    if (poll == NULL) {
        return ERROR_MEMORY;
    }
    poll->issuer = issuer;
    for (size_t i = 0; error == 0 && i < CALLS_MAX; i++) {
        struct call *call = &poll->calls[i];

        call->poll = poll;
        call->waiter = (struct ca_waiter){.fn = on_shared, .arg = call};
        error = loop_timer_new(issuer->loop, on_timer, call, &call->timer);
        if (error == 0) {
            loop_timer_set(call->timer, IDLE_MS);
        }
    }
    if (error != 0) {
        window_poll_free(poll);
        return error;
    }
    *ret_poll = poll;
    return 0;
}

void window_poll_free(struct window_poll *poll)
{
    if (poll == NULL) {
        return;
    }
    for (size_t i = 0; i < CALLS_MAX; i++) {
        end_call(&poll->calls[i]);
        if (poll->calls[i].timer != NULL) {
            loop_timer_free(poll->calls[i].timer);
        }
    }
    free(poll);
}
