/* A helper process that runs other programs for the admin role: it is forked before the role locks
 * itself up, holds no store and no socket but the one to the role, and knows two errands only.
 * One at a time; what takes too long is ended. */
#ifndef RELAY_ADMIN_ERRAND_H
#define RELAY_ADMIN_ERRAND_H

#include "base/core/reader.h"
#include "base/net/loop.h"

#include <stdbool.h>

enum { ERRAND_MS = 60000, ERRAND_INPUT_MAX = 4096, ERRAND_OUTPUT_MAX = 4096 };

enum errand_kind {
    ERRAND_COMMAND,    /* [alert] command, with the input as its standard input */
    ERRAND_DELEGATION, /* latchkey-relay check-delegation of the zone that the input names */
};

struct errand;

/* STATUS: of exit, 128 + N after signal N, -1 when it could not be started or took too long.
 * OUTPUT: what it wrote, cut. Borrowed. */
typedef void errand_fn(enum errand_kind kind, int status, struct bytes output, void *arg);

/* Forks the helper; before any thread or loop is there. COMMAND ("" : none) and CONFIG_PATH are
 * copied. An errand may take MAX_MS (ERRAND_MS). */
int errand_new(const char *command, const char *config_path, int64_t max_ms,
               struct errand **ret_errand) MUST_CHECK;
/* Ends the helper. Accepts NULL. */
void errand_free(struct errand *errand);
/* FN is called with ARG at the end of each errand. Replaces the one before. */
int errand_watch(struct errand *errand, struct loop *loop, errand_fn *fn,
                 void *arg) MUST_CHECK;
bool errand_is_busy(const struct errand *errand);
/* ERROR_BUSY while another is under way, ERROR_LIMIT for too long an input, ERROR_IO when the
 * helper is gone. */
int errand_send(struct errand *errand, enum errand_kind kind,
                struct bytes input) MUST_CHECK;

#endif
