/*   IDLE -> RELOADING (a command) -> LOOKING (an address) -> WAITING -> LOOKING ... -> IDLE
 *
 * "nginx -s reload" ends before nginx has reloaded, so one look is not enough: several, over
 * some seconds. */
#include "device/rollout.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/net/tls_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOKS = 12,
    FIRST_PAUSE_MS = 100,
    LONGEST_PAUSE_MS = 1000,
    LOOK_MS = 3000,
    NAME_CAPACITY = 256,
    REASON_BYTES = 256,
};

enum rollout_state { ROLLOUT_IDLE, ROLLOUT_RELOADING, ROLLOUT_LOOKING, ROLLOUT_WAITING };

struct rollout {
    struct loop *loop;
    struct loop_timer *timer;
    rollout_fn *fn;
    void *arg;
    enum rollout_state state; /* changed by set_state only */
    struct hook *hook;
    struct tls_probe *probe;
    bool does_look;
    struct address where;
    char name[NAME_CAPACITY];
    char fingerprint[TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1];
    unsigned looks;
    int64_t pause_ms;
    char failure_code[32]; /* of a command that could not be started */
    char reason[REASON_BYTES];
};

static void set_state(struct rollout *rollout, enum rollout_state state)
{
    rollout->state = state;
}

static void end(struct rollout *rollout, const char *code, const char *text)
{
    set_state(rollout, ROLLOUT_IDLE);
    rollout->fn(code, text, rollout->arg);
}

static void look(struct rollout *rollout);

static void look_again(struct rollout *rollout, const char *reason)
{
    char text[LIMIT_DETAIL_BYTES];
    char where[ADDRESS_TEXT_CAPACITY];
    if (rollout->looks < LOOKS) {
        set_state(rollout, ROLLOUT_WAITING);
        loop_timer_set(rollout->timer, rollout->pause_ms);
        rollout->pause_ms *= 2;
        if (rollout->pause_ms > LONGEST_PAUSE_MS) {
            rollout->pause_ms = LONGEST_PAUSE_MS;
        }
        return;
    }
    address_text(&rollout->where, where);
    text_format(text, sizeof(text), "the new certificate is not seen at %s: %s", where,
                reason);
    end(rollout, "not-served", text);
}

static void on_probed(int error, const char *reason, struct bytes leaf, void *arg)
{
    struct rollout *rollout = arg;
    uint8_t hash[DIGEST_SHA256_SIZE];
    char text[TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1] = "";
    rollout->probe = NULL;
    if (error == 0 && digest_sha256(leaf.data, leaf.size, hash) == 0) {
        text_hex(hash, sizeof(hash), text);
        reason = "another one is served there";
    }
    if (strcmp(text, rollout->fingerprint) == 0) {
        end(rollout, "", "");
    } else {
        look_again(rollout, reason);
    }
}

static void look(struct rollout *rollout)
{
    struct tls_probe_target target = {
        .address = rollout->where,
        .name = rollout->name,
        .timeout_ms = LOOK_MS,
    };
    set_state(rollout, ROLLOUT_LOOKING);
    rollout->looks++;
    int error =
        tls_probe_start(rollout->loop, &target, on_probed, rollout, &rollout->probe);
    if (error < 0) {
        look_again(rollout, error == ERROR_IO ? strerror(errno) : error_text(error));
    }
}

static void go_on(struct rollout *rollout)
{
    if (rollout->does_look) {
        look(rollout);
    } else {
        end(rollout, "", "");
    }
}

static void on_hook(const struct hook_result *result, void *arg)
{
    struct rollout *rollout = arg;
    char text[LIMIT_DETAIL_BYTES];
    rollout->hook = NULL;
    if (result->is_good) {
        if (result->line[0] != '\0') {
            log_info("reload: '%s'", result->line);
        }
        go_on(rollout);
        return;
    }
    if (!text_format(text, sizeof(text), "the reload command %s%s%.300s%s", result->text,
                     result->line[0] != '\0' ? ": '" : "", result->line,
                     result->line[0] != '\0' ? "'" : "")) {
        text_copy(text, sizeof(text), "the reload command failed");
    }
    end(rollout, "reload-failed", text);
}

/* The first step also comes by the timer, so that nothing ends within rollout_start. */
static void on_timer(void *arg)
{
    struct rollout *rollout = arg;
    if (rollout->failure_code[0] != '\0') {
        end(rollout, rollout->failure_code, rollout->reason);
    } else {
        go_on(rollout);
    }
}

int rollout_new(struct loop *loop, rollout_fn *fn, void *arg,
                struct rollout **ret_rollout)
{
    struct rollout *rollout = calloc(1, sizeof(*rollout));
    if (rollout == NULL) {
        return ERROR_MEMORY;
    }
    rollout->loop = loop;
    rollout->fn = fn;
    rollout->arg = arg;
    int error = loop_timer_new(loop, on_timer, rollout, &rollout->timer);
    if (error < 0) {
        free(rollout);
        return error;
    }
    *ret_rollout = rollout;
    return 0;
}

static void start_hook(struct rollout *rollout, const struct rollout_order *order)
{
    set_state(rollout, ROLLOUT_RELOADING);
    int error = hook_start(rollout->loop, order->command, order->folder, order->timeout_s,
                           on_hook, rollout, &rollout->hook);
    if (error < 0) {
        text_copy(rollout->failure_code, sizeof(rollout->failure_code), "reload-failed");
        text_format(rollout->reason, sizeof(rollout->reason),
                    "the reload command could not be started: %s",
                    error == ERROR_IO ? strerror(errno) : error_text(error));
        loop_timer_set(rollout->timer, 0);
    }
}

int rollout_start(struct rollout *rollout, const struct rollout_order *order)
{
    if (rollout->state != ROLLOUT_IDLE) {
        return ERROR_BUSY;
    }
    rollout->does_look = order->where != NULL;
    rollout->looks = 0;
    rollout->pause_ms = FIRST_PAUSE_MS;
    rollout->failure_code[0] = '\0';
    if (rollout->does_look) {
        rollout->where = *order->where;
        if (!text_copy(rollout->name, sizeof(rollout->name), order->name) ||
            !text_copy(rollout->fingerprint, sizeof(rollout->fingerprint),
                       order->fingerprint)) {
            return ERROR_LIMIT;
        }
    }
    if (order->command != NULL) {
        start_hook(rollout, order);
    } else {
        set_state(rollout, ROLLOUT_WAITING);
        loop_timer_set(rollout->timer, 0);
    }
    return 0;
}

bool rollout_is_busy(const struct rollout *rollout)
{
    return rollout->state != ROLLOUT_IDLE;
}

void rollout_free(struct rollout *rollout)
{
    if (rollout == NULL) {
        return;
    }
    hook_free(rollout->hook);
    tls_probe_free(rollout->probe);
    loop_timer_free(rollout->timer);
    free(rollout);
}
