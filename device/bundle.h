/* A certificate and its private key in one PEM file, so that one rename(2) installs both:
 * there is never a key without its certificate. */
#ifndef DEVICE_BUNDLE_H
#define DEVICE_BUNDLE_H

#include "base/crypto/cert.h"

struct bundle {
    struct key *key;
    struct cert *cert;
};

/* Reads key and chain, and checks that they belong together (ERROR_CRYPTO else).
 * ERROR_NOT_FOUND when there is no file. Free with bundle_free. Blocks on the disk. */
int bundle_load(const char *path, struct bundle *ret_bundle) MUST_CHECK;
/* Writes both, mode 0600, atomically and durably. Blocks on the disk. */
int bundle_save(const char *path, const struct bundle *bundle) MUST_CHECK;
/* Drops both references; accepts an empty bundle. */
void bundle_free(struct bundle *bundle);

#endif
