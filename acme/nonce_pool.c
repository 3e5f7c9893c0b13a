/* Nonces received and not used yet.
 *
 * The newest is used first, for servers let nonces age. When one was refused, those older
 * than it are thrown away: they are at least as likely to be dead, after a restart of the
 * server for certain. Younger ones stay, or one refusal would cost every order in flight
 * its nonce. */
#include "acme/nonce_pool.h"

#include <string.h>

void nonce_pool_put(struct nonce_pool *pool, const char *text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t size = text != NULL ? strspn(text, alphabet) : 0;
    struct nonce *nonce;

    if (size == 0 || size > LIMIT_NONCE_BYTES || text[size] != '\0')
        return;
    if (pool->count == NONCE_POOL_MAX) {
        memmove(&pool->nonces[0], &pool->nonces[1],
                (NONCE_POOL_MAX - 1) * sizeof(pool->nonces[0]));
        pool->count--;
    }
    nonce = &pool->nonces[pool->count++];
    nonce->number = pool->next_number++;
    memcpy(nonce->text, text, size + 1);
}

bool nonce_pool_take(struct nonce_pool *pool, struct nonce *ret_nonce)
{
    if (pool->count == 0)
        return false;
    *ret_nonce = pool->nonces[--pool->count];
    return true;
}

void nonce_pool_drop_older(struct nonce_pool *pool, uint64_t number)
{
    size_t old = 0;

    while (old < pool->count && pool->nonces[old].number < number)
        old++;
    memmove(&pool->nonces[0], &pool->nonces[old],
            (pool->count - old) * sizeof(pool->nonces[0]));
    pool->count -= old;
}
