#include "device/storage.h"

#include "base/core/error.h"
#include "base/core/log.h"

#include <errno.h>
#include <string.h>

static const char *word(int failure)
{
    switch (failure) {
    case 0:
        return "good";
    case ENOSPC:
    case EDQUOT:
        return "full";
    case EROFS:
        return "read-only";
    default:
        return "error";
    }
}

void storage_note(struct storage *storage, const char *path, int error, int64_t now_at)
{
    int failure = error == 0 ? 0 : error == ERROR_IO && errno != 0 ? errno : EIO;
    if (error != 0 && error != ERROR_IO && error != ERROR_NOT_FOUND) {
        return; /* memory, or a text of ours that is too long: no fault of the disk */
    }
    if (failure == storage->failure) {
        return;
    }
    if (failure == 0) {
        log_info("storage: '%s' could be written again", path);
    } else {
        log_error("storage: can't write '%s': %s; HTTPS goes on from memory", path,
                  strerror(failure));
        if (storage->failure == 0) {
            storage->since_at = now_at;
        }
    }
    storage->failure = failure;
}

bool storage_is_good(const struct storage *storage)
{
    return storage->failure == 0;
}

const char *storage_text(const struct storage *storage)
{
    return word(storage->failure);
}
