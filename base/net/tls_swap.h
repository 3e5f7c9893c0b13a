/* Certificates for servers whose SSL_CTX is somebody else's (a program that embeds
 * liblatchkey): chosen in each handshake by SNI between a trusted chain and a fallback, and
 * replaced while handshakes run in any thread. base/net/tls.h is the same for contexts of our
 * own. */
#ifndef BASE_NET_TLS_SWAP_H
#define BASE_NET_TLS_SWAP_H

#include "base/net/tls.h"

struct tls_swap;

enum { TLS_SWAP_CONTEXTS_MAX = 8 };

/* Both slots are empty at first. */
int tls_swap_new(struct tls_swap **ret_swap) MUST_CHECK;
/* Puts CERT and KEY (both borrowed) into SLOT for handshakes that begin from now on.
 * ERROR_CRYPTO when they do not belong together: the slot keeps what it had. */
int tls_swap_set(struct tls_swap *swap, enum tls_slot slot, const struct cert *cert,
                 const struct key *key) MUST_CHECK;
/* Empties SLOT. */
void tls_swap_clear(struct tls_swap *swap, enum tls_slot slot);
/* Sets CONTEXT's certificate callback, and takes a reference to it; once is enough.
 * ERROR_LIMIT beyond TLS_SWAP_CONTEXTS_MAX. */
int tls_swap_attach(struct tls_swap *swap, struct ssl_ctx_st *context) MUST_CHECK;
/* Takes the callbacks away; accepts NULL. Connections that were made before must have begun
 * their handshake, or never do. */
void tls_swap_free(struct tls_swap *swap);

#endif
