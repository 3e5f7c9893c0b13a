/* TLS contexts. The server side chooses its certificate by SNI between a trusted chain, one of
 * the owner and a fallback, and each may be replaced while connections live: each connection
 * keeps what it was made with. */
#ifndef BASE_NET_TLS_H
#define BASE_NET_TLS_H

#include "base/crypto/cert.h"

struct tls_server;
struct ssl_ctx_st;

/* The ALPN name by which a device's app says that it is one. */
#define TLS_APP_PROTOCOL "latchkey/1"

enum tls_slot {
    TLS_FALLBACK, /* served without SNI, with an unknown name, or while there is nothing
                     better */
    TLS_TRUSTED,  /* served when SNI matches one of its dNSNames (a wildcard covers one
                     label) */
    TLS_OWNER, /* the same for the certificate that the owner brought; names of TLS_TRUSTED
                     go first */
};

/* TLS 1.2 and 1.3, AEAD suites, session tickets, no renegotiation,
 * SSL_MODE_RELEASE_BUFFERS, ALPN http/1.1. A session is resumed only under the
 * certificate that it was made with. */
int tls_server_new(struct tls_server **ret_tls) MUST_CHECK;
/* Installs CERT and KEY (both borrowed; copied by reference) into SLOT for new
 * handshakes. ERROR_CRYPTO when they do not belong together: the slot then keeps what it
 * had. */
int tls_server_set(struct tls_server *tls, enum tls_slot slot, const struct cert *cert,
                   const struct key *key) MUST_CHECK;
/* A further certificate, known by NAME: served when SNI matches one of its dNSNames and
 * none of the slots'. It takes the place of the one that NAME had. Errors as above, and
 * ERROR_MEMORY. */
int tls_server_put(struct tls_server *tls, const char *name, const struct cert *cert,
                   const struct key *key) MUST_CHECK;
/* Takes NAME's away; fine when there is none. */
void tls_server_remove(struct tls_server *tls, const char *name);
/* Empties SLOT. */
void tls_server_clear(struct tls_server *tls, enum tls_slot slot);
void tls_server_free(struct tls_server *tls);
/* From now on a client that offers TLS_APP_PROTOCOL is shown the fallback in TLS 1.3, is
 * asked for a certificate (any will do, or none), and gets no ticket. */
void tls_server_serve_apps(struct tls_server *tls);
/* For base/net and the terminator: the context whose SNI callback chooses, borrowed. */
struct ssl_ctx_st *tls_server_context(struct tls_server *tls);
/* Which slot's certificate this connection was made with; TLS_FALLBACK before its
 * ClientHello. */
struct ssl_st;
enum tls_slot tls_slot_of(const struct ssl_st *ssl);
/* SHA-256 of the leaf that this connection's peer was shown; ERROR_STATE before that. */
int tls_leaf_hash(const struct ssl_st *ssl, uint8_t ret_hash[static 32]) MUST_CHECK;
/* For a connection whose protocol is not ours to know: an ALPN offer without http/1.1 is
 * left unanswered instead of refused. Before the handshake. */
void tls_allow_any_alpn(struct ssl_st *ssl);
/* Whether TLS_APP_PROTOCOL was agreed on. */
bool tls_is_app(const struct ssl_st *ssl);
/* The key of the peer's certificate, which it has proved to have; ERROR_NOT_FOUND when it
 * showed none, else as key_from_spki. Free with key_free. */
int tls_peer_key(const struct ssl_st *ssl, struct key **ret_key) MUST_CHECK;

#endif
