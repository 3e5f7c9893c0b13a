/* A private key under a passphrase, for a backup. */
#ifndef BASE_CRYPTO_KEY_BACKUP_H
#define BASE_CRYPTO_KEY_BACKUP_H

#include "base/crypto/key.h"

enum { KEY_BACKUP_PASSPHRASE_MIN = 8, KEY_BACKUP_PASSPHRASE_MAX = 1024 };

/* Appends "ENCRYPTED PRIVATE KEY" (RFC 5958) in PEM: AES-256-CBC under scrypt (RFC 7914,
 * N=16384, r=8, p=1: 16 MiB for each guess;
 * OpenSSL reads no more than twice that by default). ERROR_RANGE for a
 * passphrase that is too short or too long, ERROR_STATE for a public or external key. */
int key_backup_write(const struct key *key, const char *passphrase,
                     struct buffer *pem) MUST_CHECK;
/* Reads one back; also PBES2 with PBKDF2. ERROR_DENIED when the passphrase is wrong,
 * ERROR_SYNTAX for something else, ERROR_RANGE and ERROR_CRYPTO as key_from_pem. */
int key_backup_read(const void *pem, size_t size, const char *passphrase,
                    struct key **ret_key) MUST_CHECK;

#endif
