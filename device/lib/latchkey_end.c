/* What the ends of tasks mean for the certificate's life (device/life.c), the state that is
 * saved, and the next publication. */
#include "device/lib/latchkey_parts.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/random.h"

#include <string.h>

enum {
    REPUBLISH_S = 86400,    /* the relay forgets addresses after 30 silent days */
    RECHECK_MS = 15 * 1000, /* after a receipt that did not fit */
};

static const struct backoff_range publish_range = {.first_s = 10, .longest_s = 3600};

struct life_now latchkey_end_now(void)
{
    return (struct life_now){.wall_at = clock_system_at(), .mono_ms = clock_mono_ms()};
}

static void certified(struct latchkey *handle)
{
    struct life_now now = latchkey_end_now();
    handle->state.obtained_at = now.wall_at;
    handle->state.failure_code[0] = '\0';
    handle->state.failure_text[0] = '\0';
    handle->state.failure_at = 0;
    handle->state.hold_until_at = 0;
    latchkey_order_drop_pending(handle);
    struct life_event event = {
        .kind = LIFE_ISSUED,
        .certificate = {.not_before_at = cert_not_before_at(handle->trusted.cert),
                        .not_after_at = cert_not_after_at(handle->trusted.cert),
                        .obtained_at = now.wall_at},
    };
    life_step(&handle->life, &event, &now);
    latchkey_store_save_state(handle);
}

static void not_certified(struct latchkey *handle, const struct latchkey_end *end)
{
    struct life_now now = latchkey_end_now();
    if (strcmp(end->code, acme_error_type_text(ACME_ERROR_CSR)) == 0) {
        latchkey_order_drop_pending(handle);
    }
    if (!end->keep_order) {
        /* Without a text nothing is allocated. */
        (void)!agent_state_set_order(&handle->state, NULL);
    }
    if (strcmp(end->code, acme_error_type_text(ACME_ERROR_ACCOUNT)) == 0) {
        /* The relay may have forgotten it: ask for one again, with the token. */
        handle->state.account_url[0] = '\0';
    }
    text_copy(handle->state.failure_code, sizeof(handle->state.failure_code),
              handle->disk_failed ? "disk" : end->code);
    text_copy(handle->state.failure_text, sizeof(handle->state.failure_text), end->text);
    handle->state.failure_at = now.wall_at;
    handle->state.hold_until_at =
        end->retry_after_s > 0 ? now.wall_at + end->retry_after_s : 0;
    struct life_event event = {
        .kind = LIFE_FAILED,
        .retry_after_s = end->retry_after_s,
        .permanent = end->permanent,
    };
    life_step(&handle->life, &event, &now);
    latchkey_store_save_state(handle);
}

static void asked_window(struct latchkey *handle, const struct latchkey_end *end)
{
    struct life_now now = latchkey_end_now();
    struct life_event event = {
        .kind = LIFE_WINDOW,
        .retry_after_s = end->retry_after_s,
        .has_window = end->has_window,
        .window_start_at = end->window_start_at,
        .window_end_at = end->window_end_at,
    };
    life_step(&handle->life, &event, &now);
}

static void published(struct latchkey *handle, const struct latchkey_end *end)
{
    struct life_now now = latchkey_end_now();
    if (end->outcome == LATCHKEY_DONE) {
        handle->state.published = handle->publishing;
        handle->state.published_at = now.wall_at;
        handle->published_once = true;
        handle->publish_failures = 0;
        handle->publish_mono_ms = 0;
        handle->publish_imposed = false;
        if (end->is_unmatched) {
            /* Looked at again soon: a restored backup then fits, a copy does not. */
            handle->published_once = false;
            handle->publish_mono_ms =
                now.mono_ms + RECHECK_MS + (int64_t)random_below(RECHECK_MS);
        }
        latchkey_store_save_state(handle);
        return;
    }
    handle->publish_failures++;
    int64_t wait_ms =
        backoff_wait_ms(&publish_range, handle->publish_failures, random_below);
    if (end->permanent) {
        wait_ms = publish_range.longest_s * 1000;
    }
    if (end->retry_after_s * 1000 > wait_ms) {
        wait_ms = end->retry_after_s * 1000;
    }
    handle->publish_mono_ms = now.mono_ms + wait_ms;
    handle->publish_imposed = end->permanent || end->retry_after_s > 0;
}

void latchkey_end_dispatch(struct latchkey *handle, enum latchkey_task task,
                           const struct latchkey_end *end)
{
    handle->is_changed = true;
    switch (task) {
    case LATCHKEY_CERTIFY:
        if (end->outcome == LATCHKEY_DONE) {
            certified(handle);
        } else {
            not_certified(handle, end);
        }
        break;
    case LATCHKEY_WINDOW:
        asked_window(handle, end);
        break;
    case LATCHKEY_PUBLISH:
        published(handle, end);
        break;
    case LATCHKEY_IDLE:
        break;
    }
}

static bool is_same(const struct own_addresses *a, const struct own_addresses *b)
{
    return a->count == b->count && memcmp(a->at, b->at, a->count * sizeof(a->at[0])) == 0;
}

bool latchkey_end_wants_publication(const struct latchkey *handle, int64_t *ret_wait_ms)
{
    struct life_now now = latchkey_end_now();
    const struct agent_state *state = &handle->state;
    bool is_due = !handle->published_once || state->published_at == 0 ||
                  now.wall_at - state->published_at > REPUBLISH_S ||
                  state->published_at > now.wall_at || /* by a clock that was wrong */
                  !is_same(&state->published, &handle->addresses);
    bool has_any = handle->addresses.count > 0 || state->published.count > 0;
    if (state->account_url[0] == '\0' || state->zone[0] == '\0' || !is_due || !has_any) {
        return false;
    }
    int64_t wait_ms = handle->publish_mono_ms - now.mono_ms;
    *ret_wait_ms = wait_ms > 0 ? wait_ms : 0;
    return true;
}
