/* The least a firmware needs: a transport by plain sockets and OpenSSL (blocking, one request
 * after the other), and a signer that stands for a secure element: the library never sees the
 * identity key. Ends when the certificate is there.
 *
 *     cc own_transport.c $(pkg-config --cflags --libs liblatchkey openssl) -o own_transport
 *     ./own_transport DIRECTORY_URL CA_FILE KEY_FILE FOLDER */
#include <latchkey.h>

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RESPONSE_MAX = 256 << 10, HEADERS_MAX = 64, REQUEST_HEAD_MAX = 4096 };

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* --- the signer --- */

static int sign(void *arg, const void *data, size_t data_size, void *ret_signature,
                size_t *ret_signature_size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = LATCHKEY_SIGNATURE_MAX;
    int is_signed = context != NULL &&
                    EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, arg) == 1 &&
                    EVP_DigestSign(context, ret_signature, &size, data, data_size) == 1;
    EVP_MD_CTX_free(context);
    *ret_signature_size = size;
    return is_signed ? LATCHKEY_OK : LATCHKEY_ERROR_REFUSED;
}

static EVP_PKEY *open_key(const char *path)
{
    FILE *file = fopen(path, "r");
    EVP_PKEY *key = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    if (key == NULL) {
        die(path, "no private key");
    }
    return key;
}

/* --- the transport --- */

struct transport {
    SSL_CTX *context;
    char buffer[RESPONSE_MAX + 1];
};

/* https://host[:port]/path */
struct place {
    char host[256];
    char port[8];
    const char *path;
};

static int parse_url(const char *url, struct place *place)
{
    const char *host = url + strlen("https://");
    size_t size = strcspn(host, ":/");
    const char *after = host + size;
    size_t port_size = *after == ':' ? strcspn(after + 1, "/") : 0;
    if (strncmp(url, "https://", 8) != 0 || size == 0 || size >= sizeof(place->host) ||
        port_size >= sizeof(place->port)) {
        return LATCHKEY_ERROR_UNSUPPORTED;
    }
    memcpy(place->host, host, size);
    place->host[size] = '\0';
    memcpy(place->port, "443", 4);
    if (port_size > 0) {
        memcpy(place->port, after + 1, port_size);
        place->port[port_size] = '\0';
        after += 1 + port_size;
    }
    place->path = *after == '/' ? after : "/";
    return LATCHKEY_OK;
}

static int connect_to(const struct place *place)
{
    struct addrinfo hints;
    struct addrinfo *list = NULL;
    struct timeval patience = {30, 0};
    int fd = -1;
    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(place->host, place->port, &hints, &list) != 0) {
        return -1;
    }
    for (const struct addrinfo *at = list; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 &&
            (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
             setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
             connect(fd, at->ai_addr, at->ai_addrlen) != 0)) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static int write_request(SSL *ssl, const struct place *place,
                         const struct latchkey_request *request)
{
    char head[REQUEST_HEAD_MAX];
    int size =
        snprintf(head, sizeof(head),
                 "%s %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n"
                 "User-Agent: %s\r\n%s%s%s%s%s%sContent-Length: %zu\r\n\r\n",
                 request->method, place->path, place->host, place->port,
                 request->user_agent, request->content_type ? "Content-Type: " : "",
                 request->content_type ? request->content_type : "",
                 request->content_type ? "\r\n" : "", request->accept ? "Accept: " : "",
                 request->accept ? request->accept : "", request->accept ? "\r\n" : "",
                 request->body_size);
    return size > 0 && size < (int)sizeof(head) && SSL_write(ssl, head, size) == size &&
                   (request->body_size == 0 ||
                    SSL_write(ssl, request->body, (int)request->body_size) ==
                        (int)request->body_size)
               ? LATCHKEY_OK
               : LATCHKEY_ERROR_NETWORK;
}

static size_t read_all(SSL *ssl, char *buffer)
{
    size_t size = 0;
    while (size < RESPONSE_MAX) {
        int got = SSL_read(ssl, buffer + size, (int)(RESPONSE_MAX - size));
        if (got <= 0) {
            break;
        }
        size += (size_t)got;
    }
    buffer[size] = '\0';
    return size;
}

/* Cuts the head into NUL-terminated names and values. */
static int parse_response(char *text, size_t size, struct latchkey_header *headers,
                          struct latchkey_response *response)
{
    char *body = strstr(text, "\r\n\r\n");
    char *line = strstr(text, "\r\n");
    if (strncmp(text, "HTTP/1.1 ", 9) != 0 || body == NULL) {
        return LATCHKEY_ERROR_NETWORK;
    }
    response->status = (int)strtoul(text + 9, NULL, 10);
    response->body = body + 4;
    response->body_size = size - (size_t)(body + 4 - text);
    while (line != body && response->header_count < HEADERS_MAX) {
        char *name = line + 2;
        char *end = strstr(name, "\r\n");
        char *colon = strchr(name, ':');
        *end = '\0';
        if (colon != NULL) {
            *colon = '\0';
            headers[response->header_count].name = name;
            headers[response->header_count++].value = colon + 1 + strspn(colon + 1, " ");
        }
        line = end;
    }
    response->headers = headers;
    return LATCHKEY_OK;
}

static int exchange(struct transport *transport, SSL *ssl, const struct place *place,
                    const struct latchkey_request *request, struct latchkey *handle,
                    uint64_t id)
{
    struct latchkey_response response = LATCHKEY_RESPONSE_INIT;
    struct latchkey_header headers[HEADERS_MAX];
    if (SSL_set_tlsext_host_name(ssl, place->host) != 1 ||
        SSL_set1_host(ssl, place->host) != 1 || SSL_connect(ssl) != 1) {
        return LATCHKEY_ERROR_TLS;
    }
    int error = write_request(ssl, place, request);
    if (error == LATCHKEY_OK) {
        size_t size = read_all(ssl, transport->buffer);
        error = parse_response(transport->buffer, size, headers, &response);
    }
    return error == LATCHKEY_OK ? latchkey_respond(handle, id, &response) : error;
}

/* Blocks until the response is there, which is given back at once: a loop that must go on would
 * only begin here, and call latchkey_respond when its sockets have brought everything. */
static int start(void *arg, struct latchkey *handle, uint64_t id,
                 const struct latchkey_request *request)
{
    struct transport *transport = arg;
    struct place place;
    int error = parse_url(request->url, &place);
    if (error < 0) {
        return error;
    }
    int fd = connect_to(&place);
    SSL *ssl = SSL_new(transport->context);
    error = fd < 0 || ssl == NULL || SSL_set_fd(ssl, fd) != 1
                ? LATCHKEY_ERROR_NETWORK
                : exchange(transport, ssl, &place, request, handle, id);
    SSL_free(ssl);
    if (fd >= 0) {
        close(fd);
    }
    ERR_clear_error();
    return error;
}

static void cancel(void *arg, uint64_t id)
{
    (void)arg;
    (void)id;
}

/* --- the program --- */

static int is_trusted;

static int on_certificate(void *arg, struct latchkey *handle,
                          const struct latchkey_certificate *certificate)
{
    (void)arg;
    (void)handle;
    printf("certificate %s %s\n", certificate->is_trusted ? "trusted" : "fallback",
           certificate->serial);
    if (certificate->is_trusted) {
        printf("%s", certificate->chain_pem);
        is_trusted = 1;
    }
    return LATCHKEY_OK;
}

static void on_state(void *arg, struct latchkey *handle)
{
    struct latchkey_status status = LATCHKEY_STATUS_INIT;
    (void)arg;
    if (latchkey_status(handle, &status) == LATCHKEY_OK) {
        printf("state %s %s\n", latchkey_state_text(status.state), status.failure_text);
    }
}

static void run(const struct latchkey_options *options)
{
    struct latchkey *handle = NULL;
    int error = latchkey_new(options, &handle);
    if (error < 0) {
        die("latchkey_new", latchkey_error_text(error));
    }
    printf("id %s\n", latchkey_id(handle));
    while (!is_trusted) {
        struct pollfd poll_fd = {latchkey_fd(handle), POLLIN, 0};
        (void)poll(&poll_fd, 1, latchkey_timeout_ms(handle));
        if (latchkey_process(handle) < 0) {
            die("latchkey_process", "failed");
        }
    }
    latchkey_free(handle);
}

int main(int argc, char **argv)
{
    struct latchkey_options options = LATCHKEY_OPTIONS_INIT;
    struct latchkey_transport callbacks = LATCHKEY_TRANSPORT_INIT;
    struct latchkey_signer signer = LATCHKEY_SIGNER_INIT;
    struct latchkey_events events = LATCHKEY_EVENTS_INIT;
    static struct transport transport;
    unsigned char *spki = NULL;
    if (argc != 5) {
        die("usage", "own_transport DIRECTORY_URL CA_FILE KEY_FILE FOLDER");
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    transport.context = SSL_CTX_new(TLS_client_method());
    if (transport.context == NULL ||
        SSL_CTX_load_verify_locations(transport.context, argv[2], NULL) != 1) {
        die(argv[2], "no certificates");
    }
    SSL_CTX_set_verify(transport.context, SSL_VERIFY_PEER, NULL);
    EVP_PKEY *key = open_key(argv[3]);
    int spki_size = i2d_PUBKEY(key, &spki);
    signer.arg = key;
    signer.spki = spki;
    signer.spki_size = spki_size > 0 ? (size_t)spki_size : 0;
    signer.sign = sign;
    callbacks.arg = &transport;
    callbacks.start = start;
    callbacks.cancel = cancel;
    events.certificate = on_certificate;
    events.state = on_state;
    options.directory_url = argv[1];
    options.folder = argv[4];
    options.transport = &callbacks;
    options.signer = &signer;
    options.events = &events;
    run(&options);
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
    SSL_CTX_free(transport.context);
    return 0;
}
