/* Nonces received and not used yet (RFC 8555 6.5). Private to acme/. */
#ifndef ACME_NONCE_POOL_H
#define ACME_NONCE_POOL_H

#include "base/core/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NONCE_POOL_MAX = 64 };

struct nonce {
    uint64_t number; /* in order of arrival */
    char text[LIMIT_NONCE_BYTES + 1];
};

/* All-zero is an empty pool. */
struct nonce_pool {
    uint64_t next_number;
    size_t count;
    struct nonce nonces[NONCE_POOL_MAX]; /* oldest first */
};

/* Keeps a nonce; the oldest gives way when the pool is full. What is no nonce is left
 * out. */
void nonce_pool_put(struct nonce_pool *pool, const char *text);
/* Takes the newest. False when there is none. */
bool nonce_pool_take(struct nonce_pool *pool, struct nonce *ret_nonce);
/* Forgets all that arrived before NUMBER. */
void nonce_pool_drop_older(struct nonce_pool *pool, uint64_t number);

#endif
