/* An account key as another ACME client keeps it. */
#ifndef DEVICE_KEY_FILE_H
#define DEVICE_KEY_FILE_H

#include "base/crypto/key.h"

/* Reads PATH: PEM of any kind (uacme, lego, dehydrated, Caddy, acme.sh), or a private JWK
 * (certbot's private_key.json). ERROR_NOT_FOUND, ERROR_IO (errno), ERROR_SYNTAX when it
 * is neither. Free the key with key_free. Blocks on the disk. */
int key_file_read(const char *path, struct key **ret_key) MUST_CHECK;

#endif
