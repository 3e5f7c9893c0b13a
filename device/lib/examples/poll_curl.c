/* A device with a poll() loop of its own: liblatchkey gets the certificate with libcurl, and the
 * program serves HTTPS with its own OpenSSL context.
 *
 *     cc poll_curl.c $(pkg-config --cflags --libs liblatchkey-curl openssl) -o poll_curl
 *     ./poll_curl --directory https://relay.lan.example.com/acme/directory --folder state \
 *                 --listen 192.168.1.51:8443
 *
 * It says on standard output what happens, renews at once on SIGUSR1 and ends on SIGTERM. One
 * visitor is served at a time, for brevity. */
#include <latchkey-curl.h>
#include <latchkey.h>

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t is_ending;
static volatile sig_atomic_t is_renewing;

static void on_signal(int number)
{
    if (number == SIGUSR1) {
        is_renewing = 1;
    } else {
        is_ending = 1;
    }
}

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* --- what the library tells --- */

static void on_state(void *arg, struct latchkey *handle)
{
    struct latchkey_status status = LATCHKEY_STATUS_INIT;
    (void)arg;
    if (latchkey_status(handle, &status) == LATCHKEY_OK) {
        printf("state %s serial=%s failure=%s published=%d %s\n",
               latchkey_state_text(status.state), status.serial, status.failure_code,
               status.published_at != 0, status.failure_text);
    }
}

static int on_certificate(void *arg, struct latchkey *handle,
                          const struct latchkey_certificate *certificate)
{
    /* A program with a TLS library of its own would take chain_pem and key_pem here. */
    char name[LATCHKEY_NAME_CAPACITY] = "(no zone yet)";
    (void)arg;
    (void)latchkey_name(handle, name, sizeof(name));
    printf("certificate %s %s %s\n", certificate->is_trusted ? "trusted" : "fallback",
           certificate->serial, name);
    return LATCHKEY_OK;
}

/* --- the server --- */

static int listen_at(const char *text, char *ret_address, size_t capacity)
{
    struct sockaddr_in address;
    const char *colon = strrchr(text, ':');
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    if (size == 0 || size >= capacity) {
        die(text, "not an address and port");
    }
    memcpy(ret_address, text, size);
    ret_address[size] = '\0';
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, ret_address, &address.sin_addr) != 1 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 16) != 0) {
        die(text, strerror(errno));
    }
    return fd;
}

static void serve_one(int server, SSL_CTX *context)
{
    static const char page[] =
        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello\n";
    struct timeval patience = {2, 0};
    char request[2048];
    int fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    SSL *ssl = SSL_new(context);
    if (fd >= 0 && ssl != NULL &&
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
        SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1 &&
        SSL_read(ssl, request, sizeof(request)) > 0) {
        (void)SSL_write(ssl, page, (int)sizeof(page) - 1);
        (void)SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    if (fd >= 0) {
        close(fd);
    }
}

/* --- the loop --- */

static void run(struct latchkey *handle, int server, SSL_CTX *context)
{
    while (!is_ending) {
        struct pollfd fds[] = {{latchkey_fd(handle), POLLIN, 0}, {server, POLLIN, 0}};
        if (is_renewing) {
            is_renewing = 0;
            latchkey_renew(handle);
        }
        (void)poll(fds, 2, latchkey_timeout_ms(handle));
        if (fds[1].revents & POLLIN) {
            serve_one(server, context);
        }
        if (latchkey_process(handle) < 0) {
            die("latchkey_process", "failed");
        }
    }
}

static void take_options(int argc, char **argv, struct latchkey_options *options,
                         struct latchkey_curl_options *curl, const char **ret_listen)
{
    static const struct option known[] = {
        {"directory", required_argument, NULL, 'd'},
        {"folder", required_argument, NULL, 'f'},
        {"listen", required_argument, NULL, 'l'},
        {"ca", required_argument, NULL, 'c'},
        {"token", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    int option = 0;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'd':
            options->directory_url = optarg;
            break;
        case 'f':
            options->folder = optarg;
            break;
        case 'l':
            *ret_listen = optarg;
            break;
        case 'c':
            curl->ca_file = optarg;
            break;
        case 't':
            options->token = optarg;
            break;
        default:
            exit(2);
        }
    }
    if (*ret_listen == NULL) {
        die("poll_curl", "--directory, --folder and --listen are needed");
    }
}

static void catch_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

int main(int argc, char **argv)
{
    struct latchkey_options options = LATCHKEY_OPTIONS_INIT;
    struct latchkey_transport transport = LATCHKEY_TRANSPORT_INIT;
    struct latchkey_events events = LATCHKEY_EVENTS_INIT;
    struct latchkey_curl_options curl = LATCHKEY_CURL_OPTIONS_INIT;
    struct latchkey *handle = NULL;
    const char *listen_text = NULL;
    char address[64];
    char payload[LATCHKEY_QR_CAPACITY];
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    take_options(argc, argv, &options, &curl, &listen_text);
    catch_signals();
    (void)setvbuf(stdout, NULL, _IOLBF, 0);

    int error = latchkey_curl_new(&curl, &transport);
    if (error < 0) {
        die("latchkey_curl_new", latchkey_error_text(error));
    }
    events.state = on_state;
    events.certificate = on_certificate;
    options.transport = &transport;
    options.events = &events;
    error = latchkey_new(&options, &handle);
    if (error < 0) {
        transport.release(transport.arg);
        die("latchkey_new", latchkey_error_text(error));
    }
    int server = listen_at(listen_text, address, sizeof(address));
    const char *addresses[] = {address};
    if (context == NULL || latchkey_ssl_ctx_use(handle, context) < 0 ||
        latchkey_set_addresses(handle, addresses, 1) < 0) {
        die("latchkey", "the server could not be set up");
    }
    if (latchkey_qr_payload(handle, payload, sizeof(payload)) == LATCHKEY_OK) {
        printf("id %s\nqr %s\n", latchkey_id(handle), payload);
    }
    run(handle, server, context);
    SSL_CTX_free(context);
    latchkey_free(handle);
    close(server);
    return 0;
}
