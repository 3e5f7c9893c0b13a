/* The peer is this machine or one that the caller knows; its certificate is only looked at, so
 * nothing that comes over this connection may be believed. */
#include "base/net/tls_probe.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tls_probe {
    struct loop_watch *watch;
    struct loop_timer *deadline;
    SSL_CTX *context;
    SSL *ssl;
    int fd;
    tls_probe_fn *fn;
    void *arg;
};

void tls_probe_free(struct tls_probe *probe)
{
    if (probe == NULL) {
        return;
    }
    if (probe->watch != NULL) {
        loop_watch_free(probe->watch);
    }
    if (probe->deadline != NULL) {
        loop_timer_free(probe->deadline);
    }
    SSL_free(probe->ssl);
    SSL_CTX_free(probe->context);
    if (probe->fd >= 0) {
        close(probe->fd);
    }
    free(probe);
}

static void finish(struct tls_probe *probe, int error, const char *reason,
                   struct bytes leaf)
{
    tls_probe_fn *fn = probe->fn;
    void *arg = probe->arg;
    tls_probe_free(probe);
    fn(error, reason, leaf, arg);
}

static void fail(struct tls_probe *probe, int error, const char *reason)
{
    finish(probe, error, reason, (struct bytes){.data = NULL});
}

static void report(struct tls_probe *probe)
{
    unsigned char *der = NULL;
    const X509 *leaf = SSL_get0_peer_certificate(probe->ssl);
    int size = leaf != NULL ? i2d_X509(leaf, &der) : -1;
    if (size < 0) {
        fail(probe, ERROR_CRYPTO, "no certificate was served");
        return;
    }
    finish(probe, 0, "", (struct bytes){.data = der, .size = (size_t)size});
    OPENSSL_free(der);
}

static bool is_connected(const struct tls_probe *probe)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    return getpeername(probe->fd, (struct sockaddr *)&peer, &size) == 0;
}

static void on_event(int fd, unsigned events, void *arg)
{
    struct tls_probe *probe = arg;
    (void)fd;
    (void)events;
    ERR_clear_error();
    int status = SSL_connect(probe->ssl);
    if (status == 1) {
        report(probe);
        return;
    }
    int reason = SSL_get_error(probe->ssl, status);
    int error = ERROR_IO;
    if (reason == SSL_ERROR_WANT_READ) {
        error = loop_watch_set(probe->watch, LOOP_READ);
    } else if (reason == SSL_ERROR_WANT_WRITE) {
        error = loop_watch_set(probe->watch, LOOP_WRITE);
    }
    if (error < 0 && is_connected(probe)) {
        fail(probe, ERROR_CRYPTO, "the TLS handshake failed");
    } else if (error < 0) {
        fail(probe, error, "there is no connection");
    }
}

/* SSL_set_tlsext_host_name is this, with a cast that drops const. */
static long set_server_name(SSL *ssl, const char *name)
{
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)name);
}

static void on_deadline(void *arg)
{
    fail(arg, ERROR_TIMEOUT, "the TLS handshake took too long");
}

static int open_tls(struct tls_probe *probe, const char *name)
{
    probe->context = SSL_CTX_new(TLS_client_method());
    if (probe->context == NULL) {
        return ERROR_CRYPTO;
    }
    SSL_CTX_set_verify(probe->context, SSL_VERIFY_NONE, NULL);
    probe->ssl = SSL_new(probe->context);
    if (probe->ssl == NULL || set_server_name(probe->ssl, name) != 1 ||
        SSL_set_fd(probe->ssl, probe->fd) != 1) {
        return ERROR_CRYPTO;
    }
    return 0;
}

static int open_socket(struct tls_probe *probe, const struct address *address)
{
    probe->fd =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe->fd < 0) {
        return ERROR_IO;
    }
    if (connect(probe->fd, (const struct sockaddr *)&address->storage, address->size) !=
            0 &&
        errno != EINPROGRESS) {
        return ERROR_IO;
    }
    return 0;
}

int tls_probe_start(struct loop *loop, const struct tls_probe_target *target,
                    tls_probe_fn *fn, void *arg, struct tls_probe **ret_probe)
{
    struct tls_probe *probe = calloc(1, sizeof(*probe));
    if (probe == NULL) {
        return ERROR_MEMORY;
    }
    probe->fd = -1;
    probe->fn = fn;
    probe->arg = arg;
    int error = open_socket(probe, &target->address);
    if (error == 0) {
        error = open_tls(probe, target->name);
    }
    if (error == 0) {
        error = loop_timer_new(loop, on_deadline, probe, &probe->deadline);
    }
    if (error == 0) {
        error =
            loop_watch_new(loop, probe->fd, LOOP_WRITE, on_event, probe, &probe->watch);
    }
    if (error < 0) {
        tls_probe_free(probe);
        return error;
    }
    loop_timer_set(probe->deadline, (int64_t)target->timeout_ms);
    *ret_probe = probe;
    return 0;
}
