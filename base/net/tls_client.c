/* The socket does not block; each wait is a poll(2) towards one deadline, so that a peer
 * that trickles is gone as soon as one that is silent.
 *
 * The judge runs inside the handshake, in place of OpenSSL's verification: a server that
 * is refused sees neither our certificate nor the request. In TLS 1.3 the server's
 * CertificateVerify and Finished come before ours, so SSL_connect's success says that it
 * has the key of the leaf that was judged. */
#include "base/net/tls_client.h"

#include "base/core/clock.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { CHAIN_MAX = 16, CHUNK_BYTES = 4 << 10 };

struct call {
    const struct tls_client_options *options;
    int64_t until_mono_ms;
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    int verdict; /* the judge's */
};

static int wait_for(const struct call *call, short events)
{
    struct pollfd poller = {.fd = call->fd, .events = events};
    for (;;) {
        int64_t left_ms = call->until_mono_ms - clock_mono_ms();
        int ready = left_ms > 0 ? poll(&poller, 1, (int)left_ms) : 0;
        if (ready > 0) {
            return 0;
        }
        if (ready == 0) {
            return ERROR_TIMEOUT;
        }
        if (errno != EINTR) {
            return ERROR_IO;
        }
    }
}

static int open_socket(struct call *call)
{
    const struct address *address = &call->options->address;
    int reason = 0;
    socklen_t size = sizeof(reason);
    call->fd =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (call->fd < 0) {
        return ERROR_IO;
    }
    if (connect(call->fd, (const struct sockaddr *)&address->storage, address->size) ==
        0) {
        return 0;
    }
    int error = errno == EINPROGRESS ? wait_for(call, POLLOUT) : ERROR_IO;
    if (error == 0 && getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &reason, &size) == 0 &&
        reason != 0) {
        errno = reason;
        error = ERROR_IO;
    }
    return error;
}

static int on_verify(X509_STORE_CTX *store, void *arg)
{
    struct call *call = arg;
    X509 *chain[CHAIN_MAX];
    const STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
    int count = sent != NULL ? sk_X509_num(sent) : 0;
    for (int i = 0; i < count && i < CHAIN_MAX; i++) {
        chain[i] = sk_X509_value(sent, i);
    }
    call->verdict = count <= CHAIN_MAX
                        ? call->options->judge(chain, (size_t)count, call->options->arg)
                        : ERROR_LIMIT;
    return call->verdict == 0 ? 1 : 0;
}

static int use_own(SSL *ssl, const struct cert *cert, const struct key *key)
{
    if (cert == NULL) {
        return 0;
    }
    return SSL_use_certificate(ssl, cert_x509(cert, 0)) == 1 &&
                   SSL_use_PrivateKey(ssl, key_evp(key)) == 1
               ? 0
               : ERROR_CRYPTO;
}

static int open_tls(struct call *call)
{
    const char *protocol = call->options->protocol;
    uint8_t names[256];
    size_t size = strlen(protocol);
    if (size == 0 || size >= sizeof(names)) {
        return ERROR_RANGE;
    }
    names[0] = (uint8_t)size;
    memcpy(names + 1, protocol, size);
    call->context = SSL_CTX_new(TLS_client_method());
    if (call->context == NULL) {
        return ERROR_MEMORY;
    }
    SSL_CTX_set_session_cache_mode(call->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(call->context, SSL_OP_NO_TICKET);
    SSL_CTX_set_verify(call->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(call->context, on_verify, call);
    call->ssl = SSL_new(call->context);
    if (call->ssl == NULL || SSL_set_min_proto_version(call->ssl, TLS1_3_VERSION) != 1 ||
        SSL_set_alpn_protos(call->ssl, names, (unsigned)size + 1) != 0 ||
        SSL_set_fd(call->ssl, call->fd) != 1) {
        return ERROR_CRYPTO;
    }
    const char *name = call->options->server_name;
    if (name != NULL && SSL_ctrl(call->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                                 TLSEXT_NAMETYPE_host_name,
                                 (void *)(uintptr_t)name) != 1) {
        return ERROR_CRYPTO;
    }
    return use_own(call->ssl, call->options->cert, call->options->key);
}

/* After an SSL call that returned RESULT: waits where that helps (0: call again). */
static int go_on(struct call *call, int result)
{
    int reason = SSL_get_error(call->ssl, result);
    ERR_clear_error();
    if (call->verdict != 0) {
        return call->verdict;
    }
    if (reason == SSL_ERROR_WANT_READ) {
        return wait_for(call, POLLIN);
    }
    if (reason == SSL_ERROR_WANT_WRITE) {
        return wait_for(call, POLLOUT);
    }
    return ERROR_CRYPTO;
}

static int shake_hands(struct call *call)
{
    const char *protocol = call->options->protocol;
    const unsigned char *name = NULL;
    unsigned size = 0;
    for (;;) {
        ERR_clear_error();
        int result = SSL_connect(call->ssl);
        if (result == 1) {
            break;
        }
        int error = go_on(call, result);
        if (error != 0) {
            return error;
        }
    }
    SSL_get0_alpn_selected(call->ssl, &name, &size);
    if (SSL_session_reused(call->ssl) == 1 || size != strlen(protocol) ||
        memcmp(name, protocol, size) != 0) {
        return ERROR_CRYPTO;
    }
    return 0;
}

static int send_all(struct call *call, struct bytes request)
{
    size_t sent = 0;
    while (sent < request.size) {
        size_t put = 0;
        ERR_clear_error();
        int result =
            SSL_write_ex(call->ssl, request.data + sent, request.size - sent, &put);
        int error = result == 1 ? 0 : go_on(call, result);
        if (error != 0) {
            return error;
        }
        sent += put;
    }
    return 0;
}

/* To the close_notify: a response that is cut short is none. */
static int receive_all(struct call *call, struct buffer *response)
{
    uint8_t chunk[CHUNK_BYTES];
    for (;;) {
        size_t got = 0;
        ERR_clear_error();
        int result = SSL_read_ex(call->ssl, chunk, sizeof(chunk), &got);
        if (result == 1) {
            int error = buffer_append(response, chunk, got);
            if (error != 0) {
                return error;
            }
            continue;
        }
        if (SSL_get_error(call->ssl, result) == SSL_ERROR_ZERO_RETURN) {
            return 0;
        }
        int error = go_on(call, result);
        if (error != 0) {
            return error;
        }
    }
}

int tls_client_call(const struct tls_client_options *options, struct bytes request,
                    struct buffer *response)
{
    struct call call = {.options = options,
                        .until_mono_ms = clock_mono_ms() + (int64_t)options->timeout_ms,
                        .fd = -1};
    int error = open_socket(&call);
    if (error == 0) {
        error = open_tls(&call);
    }
    if (error == 0) {
        error = shake_hands(&call);
    }
    if (error == 0 && request.size > 0) {
        error = send_all(&call, request);
        if (error == 0) {
            error = receive_all(&call, response);
        }
    }
    int reason = errno;
    SSL_free(call.ssl);
    SSL_CTX_free(call.context);
    if (call.fd >= 0) {
        close(call.fd);
    }
    ERR_clear_error();
    errno = reason;
    return error;
}
