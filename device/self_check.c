#include "device/self_check.h"

#include "base/core/text.h"
#include "base/crypto/digest.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHECK_MS = 10 * 1000 };

struct self_check {
    struct loop_watch *watch;
    struct loop_timer *deadline;
    SSL_CTX *context;
    SSL *ssl;
    int fd;
    char fingerprint[TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1];
    self_check_fn *fn;
    void *arg;
};

void self_check_free(struct self_check *check)
{
    if (check == NULL) {
        return;
    }
    if (check->watch != NULL) {
        loop_watch_free(check->watch);
    }
    if (check->deadline != NULL) {
        loop_timer_free(check->deadline);
    }
    SSL_free(check->ssl);
    SSL_CTX_free(check->context);
    if (check->fd >= 0) {
        close(check->fd);
    }
    free(check);
}

static void finish(struct self_check *check, int error, const char *reason)
{
    self_check_fn *fn = check->fn;
    void *arg = check->arg;
    self_check_free(check);
    fn(error, reason, arg);
}

static void compare(struct self_check *check)
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    char text[TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1] = "";
    unsigned size = 0;
    const X509 *leaf = SSL_get0_peer_certificate(check->ssl);
    if (leaf == NULL || X509_digest(leaf, EVP_sha256(), hash, &size) != 1) {
        finish(check, ERROR_CRYPTO, "the device served no certificate to itself");
        return;
    }
    text_hex(hash, sizeof(hash), text);
    if (strcmp(text, check->fingerprint) == 0) {
        finish(check, 0, "");
    } else {
        finish(check, ERROR_CONFLICT, "the device still serves another certificate");
    }
}

static void on_event(int fd, unsigned events, void *arg)
{
    struct self_check *check = arg;
    (void)fd;
    (void)events;
    ERR_clear_error();
    int status = SSL_connect(check->ssl);
    if (status == 1) {
        compare(check);
        return;
    }
    int reason = SSL_get_error(check->ssl, status);
    int error = ERROR_IO;
    if (reason == SSL_ERROR_WANT_READ) {
        error = loop_watch_set(check->watch, LOOP_READ);
    } else if (reason == SSL_ERROR_WANT_WRITE) {
        error = loop_watch_set(check->watch, LOOP_WRITE);
    }
    if (error < 0) {
        finish(check, error, "the device could not make a TLS connection to itself");
    }
}

static void on_deadline(void *arg)
{
    finish(arg, ERROR_TIMEOUT, "the device did not answer itself within 10 seconds");
}

static int open_tls(struct self_check *check, const char *name)
{
    check->context = SSL_CTX_new(TLS_client_method());
    if (check->context == NULL) {
        return ERROR_CRYPTO;
    }
    SSL_CTX_set_verify(check->context, SSL_VERIFY_NONE, NULL);
    check->ssl = SSL_new(check->context);
    if (check->ssl == NULL || SSL_set_tlsext_host_name(check->ssl, name) != 1 ||
        SSL_set_fd(check->ssl, check->fd) != 1) {
        return ERROR_CRYPTO;
    }
    return 0;
}

static int open_socket(struct self_check *check, const struct address *address)
{
    check->fd =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (check->fd < 0) {
        return ERROR_IO;
    }
    if (connect(check->fd, (const struct sockaddr *)&address->storage, address->size) !=
            0 &&
        errno != EINPROGRESS) {
        return ERROR_IO;
    }
    return 0;
}

int self_check_start(struct loop *loop, const struct self_check_target *target,
                     self_check_fn *fn, void *arg, struct self_check **ret_check)
{
    struct self_check *check = calloc(1, sizeof(*check));
    if (check == NULL) {
        return ERROR_MEMORY;
    }
    check->fd = -1;
    check->fn = fn;
    check->arg = arg;
    int error =
        text_copy(check->fingerprint, sizeof(check->fingerprint), target->fingerprint)
            ? 0
            : ERROR_RANGE;
    if (error == 0) {
        error = open_socket(check, &target->address);
    }
    if (error == 0) {
        error = open_tls(check, target->name);
    }
    if (error == 0) {
        error = loop_timer_new(loop, on_deadline, check, &check->deadline);
    }
    if (error == 0) {
        error =
            loop_watch_new(loop, check->fd, LOOP_WRITE, on_event, check, &check->watch);
    }
    if (error < 0) {
        self_check_free(check);
        return error;
    }
    loop_timer_set(check->deadline, CHECK_MS);
    *ret_check = check;
    return 0;
}
