/* After the files in live/ have changed: the owner's command, then a look at what is served.
 * One at a time. */
#ifndef DEVICE_ROLLOUT_H
#define DEVICE_ROLLOUT_H

#include "base/net/address.h"
#include "device/hook.h"

struct rollout;

/* What is to be done; all is copied. */
struct rollout_order {
    const struct hook_command *command; /* NULL: none */
    const char *folder;                 /* for the command's environment */
    unsigned timeout_s;
    const struct address *where; /* NULL: nobody looks */
    const char *name;            /* the server name to ask for */
    const char *fingerprint;     /* hex SHA-256 of the leaf that must be seen */
};

/* CODE is "" when all went well, else "reload-failed" or "not-served" with a sentence. The
 * texts are borrowed for the call. */
typedef void rollout_fn(const char *code, const char *text, void *arg);

/* One at rest; free it with rollout_free. FN is called with ARG at the end of each work. */
int rollout_new(struct loop *loop, rollout_fn *fn, void *arg,
                struct rollout **ret_rollout) MUST_CHECK;
/* Begins; FN is called once, never from within this call. ERROR_BUSY while one is at work. */
int rollout_start(struct rollout *rollout, const struct rollout_order *order) MUST_CHECK;
bool rollout_is_busy(const struct rollout *rollout);
/* Ends what is at work, without calling FN; accepts NULL. */
void rollout_free(struct rollout *rollout);

#endif
