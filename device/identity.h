/* The identity key: made on first boot, it is the device's name for ever. */
#ifndef DEVICE_IDENTITY_H
#define DEVICE_IDENTITY_H

#include "base/crypto/key.h"

enum { IDENTITY_PIN_CAPACITY = 64 };

struct identity {
    struct key *key;
    char id[KEY_ID_SIZE + 1];
    char pin[IDENTITY_PIN_CAPACITY]; /* base32 of SHA-256(SPKI), 52 characters; the id is
                                        its beginning */
};

/* Reads FOLDER/identity.pem, or makes it (P-256, mode 0600, durable before this returns).
 * *RET_MADE (may be NULL) says which. A file that is there and can't be read as a key is
 * an error, never replaced: it is the name. Blocks on the disk. Free with identity_free.
 */
int identity_open(const char *folder, struct identity *ret_identity,
                  bool *ret_made) MUST_CHECK;
/* Only reads; ERROR_NOT_FOUND when there is none. */
int identity_read(const char *folder, struct identity *ret_identity) MUST_CHECK;
/* Takes a reference of KEY and computes the texts. */
int identity_from_key(struct key *key, struct identity *ret_identity) MUST_CHECK;
/* Accepts an empty identity. */
void identity_free(struct identity *identity);

#endif
