/* Where the identity key is kept, as the configuration says: in the state folder, or in a
 * token that an OpenSSL provider reaches. */
#ifndef DEVICE_IDENTITY_SOURCE_H
#define DEVICE_IDENTITY_SOURCE_H

#include "base/crypto/key_uri.h"
#include "device/device_config.h"
#include "device/identity.h"

struct identity_source {
    struct key_uri *uri; /* NULL: the key is in the state folder */
};

/* Opens the key, or makes one in the state folder when none is there and RET_MADE is not
 * NULL: never on a file system that forgets, unless the configuration allows it. A token's
 * key is never made here. On failure REASON is a sentence with the remedy. Free the
 * identity, then the source. Blocks on disk or token. */
int identity_source_open(const struct device_config *config,
                         struct identity_source *ret_source,
                         struct identity *ret_identity, bool *ret_made, char *reason,
                         size_t reason_capacity) MUST_CHECK;
void identity_source_close(struct identity_source *source);

#endif
