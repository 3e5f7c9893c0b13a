/* The owner's command that makes another server take the new files: run without a shell, in a
 * process group of its own, within a time, and never awaited by anything but the loop. */
#ifndef DEVICE_HOOK_H
#define DEVICE_HOOK_H

#include "base/core/limits.h"
#include "base/net/loop.h"

#include <stdbool.h>
#include <stddef.h>

enum { HOOK_WORDS_MAX = 32, HOOK_TEXT_BYTES = 1024 };

/* A command split into words. */
struct hook_command {
    char text[HOOK_TEXT_BYTES];
    char *words[HOOK_WORDS_MAX + 1]; /* into `text`; NULL behind the last */
    size_t count;                    /* 0: no command */
};

/* How it ended; texts borrowed for the call. */
struct hook_result {
    bool is_good;     /* it ended with status 0 in time */
    const char *text; /* "ended with status 1", "was killed after 30 s", ... */
    const char *line; /* the last line of its output, printable; or "" */
};

typedef void hook_fn(const struct hook_result *result, void *arg);

struct hook;

/* Splits TEXT at blanks; "" keeps blanks within a word. There is no other quoting and no
 * expansion. An empty TEXT is no command. NULL, or a sentence of what is wrong. */
const char *hook_split(const char *text, struct hook_command *ret_command);
/* Whether the program is there and may be run. NULL, or what is wrong. */
const char *hook_check(const struct hook_command *command);
/* Starts COMMAND; FN is called once, never from within this call. The program gets nothing but
 * PATH, HOME and LATCHKEY_LIVE=FOLDER as its environment; its whole process group is killed
 * after TIMEOUT_S. ERROR_IO with errno when it can't be started. */
int hook_start(struct loop *loop, const struct hook_command *command, const char *folder,
               unsigned timeout_s, hook_fn *fn, void *arg,
               struct hook **ret_hook) MUST_CHECK;
/* Kills the group if it still runs; FN is not called any more. Accepts NULL. */
void hook_free(struct hook *hook);

#endif
