/* Whether the state folder takes what is written. HTTPS does not wait for it, but people want to
 * know: the log says it when it changes, the status as long as it lasts. */
#ifndef DEVICE_STORAGE_H
#define DEVICE_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

struct storage {
    int failure;      /* errno of the last write; 0: it went well */
    int64_t since_at; /* when it began to fail */
};

/* Notes what became of writing PATH: ERROR as a function of ours returned it, with errno. */
void storage_note(struct storage *storage, const char *path, int error, int64_t now_at);
bool storage_is_good(const struct storage *storage);
/* A stable word: "good", "full", "read-only", "error". Never NULL. */
const char *storage_text(const struct storage *storage);

#endif
