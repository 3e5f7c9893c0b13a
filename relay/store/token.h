/* Enrolment tokens: the kid that an operator hands out, and its MAC key, derived from the
 * relay's secret file and stored nowhere (design: EAB keys). */
#ifndef RELAY_STORE_TOKEN_H
#define RELAY_STORE_TOKEN_H

#include "base/core/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { TOKEN_KEY_SIZE = 32, TOKEN_KID_SIZE = 16, TOKEN_SECRET_SIZE = 32 };

/* Reads the secret file (32 bytes in hex, one line), or makes it with mode 0640 when MAKE
 * and it is missing. The caller wipes. */
int token_secret_read(const char *path, bool make,
                      uint8_t ret_secret[static TOKEN_SECRET_SIZE]) MUST_CHECK;
/* HMAC-SHA256(secret, "latchkey-eab-1" 0 zone 0 kid). */
int token_key(const uint8_t secret[static TOKEN_SECRET_SIZE], const char *zone,
              const char *kid, uint8_t ret_key[static TOKEN_KEY_SIZE]) MUST_CHECK;
/* The key that all fronts share for nonces: HMAC-SHA256(secret, "latchkey-nonce-1" 0
 * zone). */
int token_nonce_key(const uint8_t secret[static TOKEN_SECRET_SIZE], const char *zone,
                    uint8_t ret_key[static TOKEN_KEY_SIZE]) MUST_CHECK;

#endif
