/* The account gets a new key.
 *
 *   IDLE -> (a wish) -> DRAINING -> QUIET -> CHANGING -> IDLE
 *                          ^                    |
 *      start, with a file  |  a change that     v
 *      of a new key -------+-- failed ------> PROBING -> IDLE
 *
 * First the new key is written to a file beside the old. DRAINING: the proof that a challenge
 * asks for is made with the key, so orders at the CA are finished, and none is begun. QUIET: no
 * request that the old key has signed may be on its way when the CA changes over, so what wants
 * to send one waits, and what was sent is waited for. CHANGING: the CA is told.
 * PROBING: nobody knows whether the CA has changed over. It is asked for the account of the
 * new key: found, the new key takes the old one's place; unknown, the old one still holds.
 *
 * At each moment one of the two files holds the key that the CA knows, and the start of an
 * issuer that finds both asks before anything else is signed. */
#include "relay/issuer/rollover.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "relay/issuer/ca_key.h"
#include "relay/issuer/issuance.h"
#include "relay/store/admin_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/schema.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOLLOW_MS = 1000,
    QUIET_LOOK_MS = 20,
    PROBE_AGAIN_S = 10,
    DRAIN_MS = 120000, /* longer than an order takes; what is stuck then costs one try */
    TRIES_MAX = 3,
    REV_NONE = -1,
};

enum rollover_state {
    ROLLOVER_IDLE,
    ROLLOVER_DRAINING,
    ROLLOVER_QUIET,
    ROLLOVER_CHANGING,
    ROLLOVER_PROBING,
};

struct rollover {
    struct issuer *issuer;
    enum rollover_state state;
    struct loop_timer *timer;
    struct key *next;          /* in its file, and not yet the account's */
    struct acme_call *call;    /* CHANGING */
    struct acme_client *probe; /* PROBING; NULL between two tries */
    struct ca_exchange exchange;
    struct ca_waiter shared;
    int64_t admin_rev;
    int64_t wished;        /* serial of the last wish */
    int64_t done;          /* serial of the last one that ended, well or not */
    int64_t since_mono_ms; /* DRAINING */
    unsigned tries;
};

static void set_state(struct rollover *rollover, enum rollover_state state)
{
    rollover->state = state;
    rollover->since_mono_ms = clock_mono_ms();
    ca_hold(rollover->issuer->ca, state == ROLLOVER_IDLE       ? CA_FREE
                                  : state == ROLLOVER_DRAINING ? CA_DRAINING
                                                               : CA_HELD);
    if (state == ROLLOVER_IDLE && rollover->issuer->issuances != NULL) {
        issuance_wake(rollover->issuer->issuances);
    }
}

static struct acme_now now_of(void)
{
    return (struct acme_now){clock_wall_at(), clock_mono_ms()};
}

/* ---- the end ---- */

static void forget_work(struct rollover *rollover)
{
    ca_cancel(&rollover->exchange);
    ca_forget(rollover->issuer->ca, &rollover->shared);
    acme_call_free(rollover->call);
    rollover->call = NULL;
    acme_client_free(rollover->probe);
    rollover->probe = NULL;
}

/* The wish is answered: it is not looked at again. */
static void end(struct rollover *rollover)
{
    struct issuer *issuer = rollover->issuer;
    struct issuer_store_entry entry = {
        .kind = "rollover", .what = "issuer", .id = "", .at = rollover->wished};
    int64_t rev = 0;
    int error = commit_begin(issuer->commit, &rev);

    if (error == 0) {
        error =
            issuer_store_put_entry(issuer->database, issuer->config->zone, rev, &entry);
    }
    if (error != 0) {
        (void)commit_fail(issuer->commit, error, "rollover");
        return;
    }
    forget_work(rollover);
    key_free(rollover->next);
    rollover->next = NULL;
    rollover->done = rollover->wished;
    rollover->tries = 0;
    set_state(rollover, ROLLOVER_IDLE);
    loop_timer_set(rollover->timer, FOLLOW_MS);
}

/* The CA knows the new key. */
static void take_next(struct rollover *rollover)
{
    struct issuer *issuer = rollover->issuer;
    int error = ca_key_follow(issuer->config, rollover->next);

    if (error != 0) {
        /* The CA has changed over: without the file the next start would still find it. */
        log_error("the CA account's new key can't take the old one's place: %s; it stays "
                  "in ca-account-new.key, trying again",
                  error_text(error));
        forget_work(rollover);
        set_state(rollover, ROLLOVER_PROBING);
        loop_timer_set(rollover->timer, PROBE_AGAIN_S * 1000);
        return;
    }
    ca_take_key(issuer->ca, rollover->next);
    log_info("the account at the CA has a new key");
    end(rollover);
}

static void give_up(struct rollover *rollover, const char *why)
{
    int error = ca_key_drop_next(rollover->issuer->config);

    if (error != 0) {
        log_warning("the file of the key that was not taken can't be removed: %s",
                    error_text(error));
    }
    log_error("the account at the CA keeps its key: %s", why);
    end(rollover);
}

/* ---- asking which key the CA knows ---- */

static void drive_probe(struct rollover *rollover);

static void on_probe_response(const struct acme_response *response, void *arg)
{
    struct rollover *rollover = arg;

    acme_client_response(rollover->probe, response, now_of());
    drive_probe(rollover);
}

static void probe_failed(struct rollover *rollover, const struct acme_error *error)
{
    int64_t wait_s = error->retry_at - clock_wall_at();
    bool is_unknown = error->type == ACME_ERROR_ACCOUNT;

    if (!is_unknown) {
        log_warning("which key the CA knows is not known yet: %s", error->text);
        ca_report(rollover->issuer->ca, error);
    }
    forget_work(rollover);
    if (!is_unknown) {
        loop_timer_set(rollover->timer,
                       (wait_s > PROBE_AGAIN_S ? wait_s : PROBE_AGAIN_S) * 1000);
    } else if (rollover->wished > rollover->done && rollover->tries < TRIES_MAX) {
        set_state(rollover, ROLLOVER_DRAINING);
        loop_timer_set(rollover->timer, 0);
    } else {
        give_up(rollover, "the CA did not take the new one");
    }
}

static void drive_probe(struct rollover *rollover)
{
    struct acme_step step = {0};
    struct acme_response failed = {0};

    for (;;) {
        acme_client_next(rollover->probe, now_of(), &step);
        switch (step.want) {
        case ACME_WANT_REQUEST:
            failed.error = ca_send(rollover->issuer->ca, &rollover->exchange,
                                   step.request, on_probe_response, rollover);
            if (failed.error == 0) {
                return;
            }
            failed.error_text = error_text(failed.error);
            acme_client_response(rollover->probe, &failed, now_of());
            break;
        case ACME_WANT_SAVE:
            take_next(rollover);
            return;
        case ACME_WANT_WAIT:
            loop_timer_set(rollover->timer, step.wait_ms);
            return;
        case ACME_WANT_FAILED:
            probe_failed(rollover, step.error);
            return;
        case ACME_WANT_IDLE:
        case ACME_WANT_DONE:
        case ACME_WANT_RESPONSE:
        case ACME_WANT_SHARED:
        case ACME_WANT_PUBLISH:
        case ACME_WANT_UNPUBLISH:
            return;
        }
    }
}

static void start_probe(struct rollover *rollover)
{
    struct acme_client_options options = {
        .directory_url = rollover->issuer->config->ca_directory,
        .signer = {.key = rollover->next},
    };
    int error = acme_client_new(&options, &rollover->probe);

    if (error != 0) {
        log_warning("the CA can't be asked for its key: %s", error_text(error));
        loop_timer_set(rollover->timer, PROBE_AGAIN_S * 1000);
        return;
    }
    drive_probe(rollover);
}

/* ---- telling the CA ---- */

static void drive_call(void *arg);

static void on_call_response(const struct acme_response *response, void *arg)
{
    struct rollover *rollover = arg;

    acme_call_response(rollover->call, response, now_of());
    drive_call(rollover);
}

static void drive_call(void *arg)
{
    struct rollover *rollover = arg;
    struct ca *ca = rollover->issuer->ca;
    struct acme_step step = {0};
    struct acme_response failed = {0};

    for (;;) {
        acme_call_next(rollover->call, now_of(), &step);
        switch (step.want) {
        case ACME_WANT_REQUEST:
            failed.error = ca_send(ca, &rollover->exchange, step.request,
                                   on_call_response, rollover);
            if (failed.error == 0) {
                return;
            }
            failed.error_text = error_text(failed.error);
            acme_call_response(rollover->call, &failed, now_of());
            break;
        case ACME_WANT_SHARED:
            ca_wait(ca, &rollover->shared);
            return;
        case ACME_WANT_WAIT:
            loop_timer_set(rollover->timer, step.wait_ms);
            return;
        case ACME_WANT_DONE:
            take_next(rollover);
            return;
        case ACME_WANT_FAILED:
            log_warning("keyChange: %s; asking the CA which key it knows",
                        step.error->text);
            forget_work(rollover);
            set_state(rollover, ROLLOVER_PROBING);
            loop_timer_set(rollover->timer, 0);
            return;
        case ACME_WANT_IDLE:
        case ACME_WANT_SAVE:
        case ACME_WANT_RESPONSE:
        case ACME_WANT_PUBLISH:
        case ACME_WANT_UNPUBLISH:
            return;
        }
    }
}

static void drain(struct rollover *rollover)
{
    if (issuance_running_count(rollover->issuer->issuances) == 0 ||
        clock_mono_ms() - rollover->since_mono_ms > DRAIN_MS) {
        set_state(rollover, ROLLOVER_QUIET);
    }
    loop_timer_set(rollover->timer, QUIET_LOOK_MS);
}

static void start_call(struct rollover *rollover)
{
    struct issuer *issuer = rollover->issuer;
    int error = 0;

    if (ca_in_flight(issuer->ca) > 0) {
        loop_timer_set(rollover->timer, QUIET_LOOK_MS);
        return;
    }
    rollover->tries++;
    error =
        acme_call_new_key_change(ca_client(issuer->ca), rollover->next, &rollover->call);
    if (error != 0) {
        give_up(rollover, error_text(error));
        return;
    }
    set_state(rollover, ROLLOVER_CHANGING);
    drive_call(rollover);
}

/* ---- the wish ---- */

static void begin(struct rollover *rollover)
{
    int error = ca_key_make(rollover->issuer->config, CA_KEY_NEXT, &rollover->next);

    if (error != 0) {
        log_error("a new key for the CA account can't be written: %s", error_text(error));
        end(rollover);
        return;
    }
    log_info("the operator wishes a new key for the account at the CA");
    set_state(rollover, ROLLOVER_DRAINING);
    loop_timer_set(rollover->timer, 0);
}

/* Reads the last wish, if admin.db can be read and has changed. */
static void look_for_wish(struct rollover *rollover)
{
    struct issuer *issuer = rollover->issuer;
    int64_t rev = 0;

    if (issuer_state_admin(issuer) != NULL &&
        database_revision(issuer->admin, &rev) == 0 && rev != rollover->admin_rev &&
        admin_store_last_rollover(issuer->admin, issuer->config->zone,
                                  &rollover->wished) == 0) {
        rollover->admin_rev = rev;
    }
}

static void follow(struct rollover *rollover)
{
    look_for_wish(rollover);
    /* While the account is not there, there is nothing to change: later. */
    if (rollover->wished > rollover->done && ca_is_ready(rollover->issuer->ca)) {
        begin(rollover);
        return;
    }
    loop_timer_set(rollover->timer, FOLLOW_MS);
}

static void on_timer(void *arg)
{
    struct rollover *rollover = arg;

    switch (rollover->state) {
    case ROLLOVER_IDLE:
        follow(rollover);
        break;
    case ROLLOVER_DRAINING:
        drain(rollover);
        break;
    case ROLLOVER_QUIET:
        start_call(rollover);
        break;
    case ROLLOVER_CHANGING:
        drive_call(rollover);
        break;
    case ROLLOVER_PROBING:
        if (rollover->probe == NULL) {
            start_probe(rollover);
        } else {
            drive_probe(rollover);
        }
        break;
    }
}

/* ---- start and end ---- */

/* A file of a next key that a crash has left. */
static int take_up(struct rollover *rollover)
{
    char path[PATH_MAX];
    int error = ca_key_read(rollover->issuer->config, CA_KEY_NEXT, path, &rollover->next);

    if (error == ERROR_NOT_FOUND) {
        return 0;
    }
    if (error != 0) {
        /* It is written whole, so it was never the account's. */
        log_warning("'%s' is no key: %s; setting it aside", path, error_text(error));
        return ca_key_set_aside(rollover->issuer->config, CA_KEY_NEXT);
    }
    log_warning("'%s' is there: a change of the CA account's key was cut short", path);
    look_for_wish(rollover); /* it is the one that was cut short */
    set_state(rollover, ROLLOVER_PROBING);
    return 0;
}

int rollover_open(struct issuer *issuer, struct rollover **ret_rollover)
{
    struct rollover *rollover = calloc(1, sizeof(*rollover));
    int error = 0;

    if (rollover == NULL) {
        return ERROR_MEMORY;
    }
    rollover->issuer = issuer;
    rollover->admin_rev = REV_NONE;
    rollover->shared = (struct ca_waiter){.fn = drive_call, .arg = rollover};
    error = issuer_store_entry_at(issuer->database, issuer->config->zone, "rollover",
                                  "issuer", &rollover->done);
    if (rollover->done < 0) {
        rollover->done = 0;
    }
    rollover->wished = rollover->done;
    if (error == 0) {
        error = loop_timer_new(issuer->loop, on_timer, rollover, &rollover->timer);
    }
    if (error == 0) {
        error = take_up(rollover);
    }
    if (error != 0) {
        rollover_close(rollover);
        return error;
    }
    loop_timer_set(rollover->timer, 0);
    *ret_rollover = rollover;
    return 0;
}

void rollover_close(struct rollover *rollover)
{
    if (rollover == NULL) {
        return;
    }
    forget_work(rollover);
    if (rollover->timer != NULL) {
        loop_timer_free(rollover->timer);
    }
    key_free(rollover->next);
    free(rollover);
}
