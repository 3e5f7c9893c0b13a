/* One request over a TLS 1.3 connection whose server the caller judges itself, for command
 * line programs. */
#ifndef BASE_NET_TLS_CLIENT_H
#define BASE_NET_TLS_CLIENT_H

#include "base/core/buffer.h"
#include "base/crypto/cert.h"
#include "base/net/address.h"

/* Judges the chain as the server has sent it, leaf first (borrowed), before anything is
 * sent but the ClientHello: 0, or an error that ends the connection. */
typedef int tls_client_judge_fn(struct x509_st *const *chain, size_t count, void *arg);

struct tls_client_options {
    struct address address;
    const char *server_name; /* SNI; NULL: none */
    unsigned timeout_ms;     /* for the whole */
    const char *protocol;    /* the one name offered by ALPN; it must be accepted */
    const struct cert *cert; /* our own certificate and key; NULL: none */
    const struct key *key;
    tls_client_judge_fn *judge;
    void *arg;
};

/* Connects (no session is ever resumed), sends REQUEST, and appends what comes
 * back until the server ends to RESPONSE. An empty REQUEST: only the handshake is done.
 * ERROR_IO with errno when there is no connection, ERROR_TIMEOUT, ERROR_CRYPTO when the
 * handshake fails, the judge's error, ERROR_LIMIT. Blocks. */
int tls_client_call(const struct tls_client_options *options, struct bytes request,
                    struct buffer *response) MUST_CHECK;

#endif
