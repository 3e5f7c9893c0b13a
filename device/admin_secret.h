/* The admin secret: what the owner logs in with on the device's own pages. Made at the
 * first start as 20 characters of base32 in groups of five (100 bits), in the file
 * admin-secret of the state folder; a maker may write its own there (the one printed on the
 * label), of 10 to 64 letters and digits. */
#ifndef DEVICE_ADMIN_SECRET_H
#define DEVICE_ADMIN_SECRET_H

#include "base/core/buffer.h"
#include "base/crypto/digest.h"

#define ADMIN_SECRET_FILE "admin-secret"

enum { ADMIN_SECRET_TEXT_CAPACITY = 24 };

/* Only a hash is kept in memory. */
struct admin_secret {
    bool is_set;
    uint8_t hash[DIGEST_SHA256_SIZE];
};

/* Reads FOLDER's secret, or makes one, mode 0600; *RET_MADE says which. ERROR_SYNTAX when
 * the file holds no such text, ERROR_DENIED when others may read it, ERROR_IO (errno).
 * Blocks on the disk. */
int admin_secret_open(const char *folder, struct admin_secret *ret_secret,
                      bool *ret_made) MUST_CHECK;
/* The secret as people read it, into SECRET_TEXT (a secret buffer). As admin_secret_open,
 * but makes none: ERROR_NOT_FOUND. */
int admin_secret_read(const char *folder, struct buffer *secret_text) MUST_CHECK;
/* Whether GIVEN is it; blanks, hyphens and case don't count, and 0, 1 and 8 are taken for
 * the letters O, I and B, which base32 has. Constant time in the secret. */
bool admin_secret_matches(const struct admin_secret *secret, const char *given,
                          size_t size);

#endif
