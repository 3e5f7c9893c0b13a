#include "device/invitation.h"

#include "base/crypto/random.h"

static const int64_t life_ms = INVITATION_LIFE_S * INT64_C(1000);

static void close_old(struct invitations *invitations, int64_t now_mono_ms)
{
    for (size_t i = 0; i < INVITATION_MAX; i++) {
        if (invitations->at[i].is_open &&
            invitations->at[i].until_mono_ms <= now_mono_ms) {
            invitations->at[i] = (struct invitation){.is_open = false};
        }
    }
}

int invitation_open(struct invitations *invitations, int64_t now_mono_ms,
                    uint8_t ret_secret[static QR_INVITATION_SIZE])
{
    uint8_t secret[QR_INVITATION_SIZE];
    struct invitation fresh = {.until_mono_ms = now_mono_ms + life_ms, .is_open = true};
    struct invitation *place = NULL;
    close_old(invitations, now_mono_ms);
    for (size_t i = 0; i < INVITATION_MAX && place == NULL; i++) {
        place = invitations->at[i].is_open ? NULL : &invitations->at[i];
    }
    if (place == NULL) {
        return ERROR_BUSY;
    }
    int error = random_bytes(secret, sizeof(secret));
    if (error == 0) {
        error = digest_sha256(secret, sizeof(secret), fresh.hash);
    }
    if (error == 0) {
        *place = fresh;
        for (size_t i = 0; i < sizeof(secret); i++) {
            ret_secret[i] = secret[i];
        }
    }
    digest_wipe(secret, sizeof(secret));
    return error;
}

int invitation_take(struct invitations *invitations, int64_t now_mono_ms,
                    const uint8_t secret[static QR_INVITATION_SIZE])
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    struct invitation *found = NULL;
    int error = digest_sha256(secret, QR_INVITATION_SIZE, hash);
    if (error < 0) {
        return error;
    }
    close_old(invitations, now_mono_ms);
    for (size_t i = 0; i < INVITATION_MAX; i++) {
        struct invitation *at = &invitations->at[i];
        bool is_equal = digest_equal(at->hash, hash, sizeof(hash));
        if (is_equal && at->is_open) {
            found = at;
        }
    }
    if (found == NULL) {
        return ERROR_DENIED;
    }
    *found = (struct invitation){.is_open = false};
    return 0;
}
