/* The certificate callback, not tls.c's change of context: SSL_set_SSL_CTX would take the
 * owner's ALPN, verification and other callbacks away from the connection. A session resumed
 * under an earlier certificate stays one; clients compare its name, not its certificate. */
#include "base/net/tls_swap.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { SLOT_COUNT = 2 };

struct pair {
    X509 *leaf; /* NULL: empty */
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

struct tls_swap {
    CRYPTO_RWLOCK *lock; /* of the pairs */
    struct pair pairs[SLOT_COUNT];
    SSL_CTX *contexts[TLS_SWAP_CONTEXTS_MAX];
    size_t context_count;
};

static void pair_clear(struct pair *pair)
{
    X509_free(pair->leaf);
    sk_X509_pop_free(pair->chain, X509_free);
    EVP_PKEY_free(pair->key);
    *pair = (struct pair){.leaf = NULL};
}

static int pair_fill(struct pair *pair, const struct cert *cert, const struct key *key)
{
    X509 *leaf = cert_x509(cert, 0);
    if (!key_is_private(key) || X509_check_private_key(leaf, key_evp(key)) != 1) {
        ERR_clear_error();
        return ERROR_CRYPTO;
    }
    pair->chain = sk_X509_new_null();
    if (pair->chain == NULL) {
        return ERROR_MEMORY;
    }
    for (size_t i = 1; i < cert_count(cert); i++) {
        X509 *next = cert_x509(cert, i);
        if (sk_X509_push(pair->chain, next) <= 0) {
            return ERROR_MEMORY;
        }
        X509_up_ref(next);
    }
    X509_up_ref(leaf);
    pair->leaf = leaf;
    EVP_PKEY_up_ref(key_evp(key));
    pair->key = key_evp(key);
    return 0;
}

static const struct pair *choose(const struct tls_swap *swap, const char *name)
{
    const struct pair *trusted = &swap->pairs[TLS_TRUSTED];
    const struct pair *fallback = &swap->pairs[TLS_FALLBACK];
    bool matches = trusted->leaf != NULL && name != NULL &&
                   X509_check_host(trusted->leaf, name, 0,
                                   X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                                   NULL) == 1;
    return trusted->leaf != NULL && (fallback->leaf == NULL || matches) ? trusted
                                                                        : fallback;
}

static int on_certificate(SSL *ssl, void *arg)
{
    struct tls_swap *swap = arg;
    if (CRYPTO_THREAD_read_lock(swap->lock) != 1) {
        return 0;
    }
    const struct pair *pair =
        choose(swap, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    int used = 0;
    if (pair->leaf != NULL) {
        SSL_certs_clear(ssl);
        used = SSL_use_cert_and_key(ssl, pair->leaf, pair->key, pair->chain, 1);
    }
    CRYPTO_THREAD_unlock(swap->lock);
    return used == 1 ? 1 : 0;
}

int tls_swap_new(struct tls_swap **ret_swap)
{
    struct tls_swap *swap = calloc(1, sizeof(*swap));
    if (swap == NULL) {
        return ERROR_MEMORY;
    }
    swap->lock = CRYPTO_THREAD_lock_new();
    if (swap->lock == NULL) {
        free(swap);
        return ERROR_MEMORY;
    }
    *ret_swap = swap;
    return 0;
}

static int replace(struct tls_swap *swap, enum tls_slot slot, struct pair *fresh)
{
    if (CRYPTO_THREAD_write_lock(swap->lock) != 1) {
        return ERROR_INTERNAL;
    }
    struct pair old = swap->pairs[slot];
    swap->pairs[slot] = *fresh;
    *fresh = old;
    CRYPTO_THREAD_unlock(swap->lock);
    return 0;
}

int tls_swap_set(struct tls_swap *swap, enum tls_slot slot, const struct cert *cert,
                 const struct key *key)
{
    struct pair fresh = {.leaf = NULL};
    int error = pair_fill(&fresh, cert, key);
    if (error == 0) {
        error = replace(swap, slot, &fresh);
    }
    pair_clear(&fresh);
    return error;
}

void tls_swap_clear(struct tls_swap *swap, enum tls_slot slot)
{
    struct pair empty = {.leaf = NULL};
    if (replace(swap, slot, &empty) == 0) {
        pair_clear(&empty);
    }
}

int tls_swap_attach(struct tls_swap *swap, struct ssl_ctx_st *context)
{
    for (size_t i = 0; i < swap->context_count; i++) {
        if (swap->contexts[i] == context) {
            return 0;
        }
    }
    if (swap->context_count == TLS_SWAP_CONTEXTS_MAX) {
        return ERROR_LIMIT;
    }
    SSL_CTX_up_ref(context);
    swap->contexts[swap->context_count++] = context;
    SSL_CTX_set_cert_cb(context, on_certificate, swap);
    return 0;
}

void tls_swap_free(struct tls_swap *swap)
{
    if (swap == NULL) {
        return;
    }
    for (size_t i = 0; i < swap->context_count; i++) {
        SSL_CTX_set_cert_cb(swap->contexts[i], NULL, NULL);
        SSL_CTX_free(swap->contexts[i]);
    }
    pair_clear(&swap->pairs[TLS_FALLBACK]);
    pair_clear(&swap->pairs[TLS_TRUSTED]);
    CRYPTO_THREAD_lock_free(swap->lock);
    free(swap);
}
