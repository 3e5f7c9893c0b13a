/* Anti-replay nonces (RFC 8555 6.5) without a store: a nonce says by itself that we made
 * it, which one it is and when. One bit is kept for each of the last ones. No I/O, no
 * clock. */
#ifndef RELAY_FRONT_NONCE_H
#define RELAY_FRONT_NONCE_H

#include "base/core/error.h"

#include <stdint.h>

struct nonce_maker;

enum {
    NONCE_KEY_SIZE = 32,
    NONCE_CAPACITY = 64, /* of the text, with NUL */
    NONCE_LIFE_S = 3600,
    NONCE_WINDOW = 1 << 22, /* how many a front remembers */
};

/* KEY (NONCE_KEY_SIZE octets, copied) is shared by all fronts of a relay. WINDOW: how many nonces
 * are remembered, a bit each; older ones are refused. */
int nonce_maker_new(const uint8_t *key, uint64_t window,
                    struct nonce_maker **ret_maker) MUST_CHECK;
void nonce_maker_free(struct nonce_maker *maker);

/* A fresh nonce. */
int nonce_make(struct nonce_maker *maker, int64_t now_at,
               char ret_nonce[static NONCE_CAPACITY]) MUST_CHECK;
/* Whether NONCE is ours, young enough and unused: 0, else ERROR_SIGNATURE (not made with
 * our key), ERROR_NOT_FOUND (of another process, or from before our start), ERROR_TIMEOUT
 * (too old), ERROR_EXISTS (used). */
int nonce_check(const struct nonce_maker *maker, const char *nonce,
                int64_t now_at) MUST_CHECK;
/* The same, and marks it as used. */
int nonce_use(struct nonce_maker *maker, const char *nonce, int64_t now_at) MUST_CHECK;

#endif
