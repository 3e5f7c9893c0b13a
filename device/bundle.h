/* A certificate and its private key in one PEM file, so that one rename(2) installs both:
 * there is never a key without its certificate. */
#ifndef DEVICE_BUNDLE_H
#define DEVICE_BUNDLE_H

#include "base/core/limits.h"
#include "base/crypto/cert.h"

enum { BUNDLE_BYTES = LIMIT_CHAIN_BYTES + (16 << 10) };

struct bundle {
    struct key *key;
    struct cert *cert;
};

/* Reads key and chain, and checks that they belong together (ERROR_CRYPTO else).
 * ERROR_NOT_FOUND when there is no file. Free with bundle_free. Blocks on the disk. */
int bundle_load(const char *path, struct bundle *ret_bundle) MUST_CHECK;
/* Writes both, mode 0600, atomically and durably. Blocks on the disk. */
int bundle_save(const char *path, const struct bundle *bundle) MUST_CHECK;
/* The same from and to text, without a file; PEM is from buffer_init_secret(BUNDLE_BYTES).
 * PEM has a NUL behind its SIZE bytes. */
int bundle_parse(const char *pem, size_t size, struct bundle *ret_bundle) MUST_CHECK;
int bundle_dump(const struct bundle *bundle, struct buffer *pem) MUST_CHECK;
/* Drops both references; accepts an empty bundle. */
void bundle_free(struct bundle *bundle);

#endif
