/* Open invitations: random secrets that a QR code carries, each of which lets one app enrol
 * within ten minutes. */
#ifndef DEVICE_INVITATION_H
#define DEVICE_INVITATION_H

#include "base/crypto/digest.h"
#include "device/qr.h"

#include <stdbool.h>

enum { INVITATION_MAX = 3, INVITATION_LIFE_S = 600 };

struct invitation {
    uint8_t hash[DIGEST_SHA256_SIZE];
    int64_t until_mono_ms;
    bool is_open;
};

/* All zero: none is open. Lives in memory alone: what ends the agent ends them, so that one
 * that was used can't come back from a disk. */
struct invitations {
    struct invitation at[INVITATION_MAX];
};

/* Opens one more; the secret is kept as its hash only. ERROR_BUSY when INVITATION_MAX are
 * open. */
int invitation_open(struct invitations *invitations, int64_t now_mono_ms,
                    uint8_t ret_secret[static QR_INVITATION_SIZE]) MUST_CHECK;
/* Closes the one that has this secret; the time that it takes tells nothing of the secret.
 * ERROR_DENIED when none has: unknown, used, or too old. */
int invitation_take(struct invitations *invitations, int64_t now_mono_ms,
                    const uint8_t secret[static QR_INVITATION_SIZE]) MUST_CHECK;

#endif
