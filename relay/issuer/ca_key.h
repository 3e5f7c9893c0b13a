/* The file of the CA account's key, and of the key that is to follow it. Both are the issuer's
 * alone: 0600, in its own folder. All block on the disk. */
#ifndef RELAY_ISSUER_CA_KEY_H
#define RELAY_ISSUER_CA_KEY_H

#include "base/crypto/key.h"
#include "relay/relay_config.h"

enum ca_key_file {
    CA_KEY_PRESENT, /* ca-account.key, of a further zone ca-account-<zone>.key */
    CA_KEY_NEXT,    /* ca-account-new.key or ca-account-<zone>_new.key: during a rollover */
};

/* ERROR_NOT_FOUND when there is none; its path is RET_PATH in any case (PATH_MAX bytes). */
int ca_key_read(const struct relay_config *config, enum ca_key_file file, char *ret_path,
                struct key **ret_key) MUST_CHECK;
/* Makes a key in a new file; ERROR_EXISTS when there is one. */
int ca_key_make(const struct relay_config *config, enum ca_key_file file,
                struct key **ret_key) MUST_CHECK;
/* Puts KEY in the place of the present one, and takes the file of the next away. After a crash
 * in between both hold KEY. */
int ca_key_follow(const struct relay_config *config, const struct key *key) MUST_CHECK;
/* Fine when there is none. */
int ca_key_drop_next(const struct relay_config *config) MUST_CHECK;
/* Moves a file that holds no key out of the way: its name gets ".bad". */
int ca_key_set_aside(const struct relay_config *config, enum ca_key_file file) MUST_CHECK;

#endif
