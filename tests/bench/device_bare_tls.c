/* The floor for tests/bench/device: a process with the same libraries as the agent (OpenSSL and
 * libevent) that listens with a certificate and does nothing else. Ends when its standard input
 * does. */
#include "base/core/clock.h"
#include "base/crypto/cert.h"
#include "base/net/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_input(int fd, unsigned events, void *arg)
{
    char byte;
    (void)events;
    if (read(fd, &byte, 1) <= 0) {
        loop_stop(arg);
    }
}

static void on_request(struct http_exchange *exchange, void *arg)
{
    (void)arg;
    http_exchange_respond(exchange, 404, "text/plain", "", 0);
}

static int serve(struct loop *loop, struct tls_server *tls,
                 struct http_server **ret_server)
{
    static const char *const names[] = {"bench.local"};
    struct key *identity = NULL;
    struct key *key = NULL;
    struct cert *issuer = NULL;
    struct cert *cert = NULL;
    struct address address;
    struct http_server_options options = {.tls = tls,
                                          .max_connections = 16,
                                          .handshake_s = 10,
                                          .request_s = 10,
                                          .idle_s = 10,
                                          .response_s = 10,
                                          .max_header_bytes = 4096,
                                          .max_body_bytes = 4096};
    int error = key_generate(KEY_P256, &identity);
    if (error == 0) {
        error = key_generate(KEY_P256, &key);
    }
    if (error == 0) {
        error = cert_make_identity(identity, "bench", names, 1, &issuer);
    }
    if (error == 0) {
        error = cert_make_leaf(issuer, identity, key, names, 1, NULL, 0,
                               clock_wall_at() - 60, clock_wall_at() + 86400, &cert);
    }
    if (error == 0) {
        error = tls_server_set(tls, TLS_FALLBACK, cert, key);
    }
    if (error == 0) {
        error = http_server_new(loop, &options, on_request, NULL, ret_server);
    }
    if (error == 0) {
        error = address_parse("127.0.0.1:0", 0, &address);
    }
    if (error == 0) {
        error = http_server_listen(*ret_server, &address, NULL);
    }
    cert_free(cert);
    cert_free(issuer);
    key_free(key);
    key_free(identity);
    return error;
}

int main(void)
{
    struct loop *loop = NULL;
    struct tls_server *tls = NULL;
    struct http_server *server = NULL;
    struct loop_watch *watch = NULL;
    if (loop_new(&loop) != 0 || tls_server_new(&tls) != 0 ||
        serve(loop, tls, &server) != 0 ||
        loop_watch_new(loop, STDIN_FILENO, LOOP_READ, on_input, loop, &watch) != 0) {
        fputs("bench_bare_tls: can't start\n", stderr);
        return EXIT_FAILURE;
    }
    puts("ready");
    fflush(stdout);
    int error = loop_run(loop);
    loop_watch_free(watch);
    http_server_free(server);
    tls_server_free(tls);
    loop_free(loop);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
