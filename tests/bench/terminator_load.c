/* The two ends for tests/bench/terminator, each of one thread: a backend that speaks just enough
 * HTTP, and a client that keeps so many TLS connections busy for so long.
 *
 *   bench_terminator_load backend
 *       prints its port, then answers "GET /<n>" with n bytes, for ever
 *   bench_terminator_load full|resumed|requests|download|idle PORT CONNECTIONS SECONDS BYTES
 *       full      a connection with a full handshake for each request
 *       resumed   the same with a session that is resumed (TLS 1.3, with (EC)DHE)
 *       requests  requests over connections that stay
 *       download  the same; BYTES are many, and bytes are what counts
 *       idle      opens them, asks once, prints "ready" and waits for the end of its input
 *     prints: operations bytes seconds resumed
 *
 * The client decides what is spoken: TLS 1.3, AES-128-GCM, X25519, so that every server does
 * the same work. It checks the status and the length of each response. */
#include "base/core/clock.h"
#include "base/core/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 1024,
    EVENTS = 64,
    REQUEST_MAX = 2048,
    CHUNK = 64 << 10,
    BODY_MAX = 64 << 20,
};

static uint8_t chunk[CHUNK];

static void die(const char *what)
{
    fprintf(stderr, "terminator_load: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(EXIT_FAILURE);
}

static void be_ready_for(int poll_fd, int operation, int fd, uint32_t events, void *of)
{
    struct epoll_event event = {.events = events, .data = {.ptr = of}};
    if (epoll_ctl(poll_fd, operation, fd, &event) != 0) {
        die("epoll_ctl");
    }
}

/* --- the backend --- */

struct visit {
    int fd;
    char request[REQUEST_MAX + 1];
    size_t size;
    char head[1024]; /* and a small body */
    size_t head_size;
    size_t left; /* of head and body */
    size_t total;
    bool is_writing;
};

/* "GET /<n> ": how many bytes are wanted. */
static uint64_t wanted(const char *request)
{
    char number[16];
    uint64_t size = 0;
    size_t digits = strspn(request + 5, "0123456789");
    if (!text_starts_with(request, "GET /") || digits == 0 || digits >= sizeof(number)) {
        return 0;
    }
    memcpy(number, request + 5, digits);
    number[digits] = '\0';
    return text_u64(number, BODY_MAX, &size) == 0 ? size : 0;
}

/* False when the peer is gone. */
static bool respond(struct visit *visit)
{
    while (visit->left > 0) {
        size_t done = visit->total - visit->left;
        const uint8_t *from = chunk;
        size_t size = visit->left < CHUNK ? visit->left : CHUNK;
        if (done < visit->head_size) {
            /* Head and a small body go together, as from a good server. */
            size_t body = visit->total - visit->head_size;
            bool is_small = visit->total <= sizeof(visit->head);
            memcpy(visit->head + visit->head_size, chunk, is_small ? body : 0);
            from = (const uint8_t *)visit->head + done;
            size = is_small ? visit->left : visit->head_size - done;
        }
        ssize_t put = send(visit->fd, from, size, MSG_NOSIGNAL);
        if (put < 0) {
            return errno == EAGAIN;
        }
        visit->left -= (size_t)put;
    }
    return true;
}

static bool take_request(struct visit *visit)
{
    ssize_t got =
        recv(visit->fd, visit->request + visit->size, REQUEST_MAX - visit->size, 0);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    visit->size += (size_t)got;
    visit->request[visit->size] = '\0';
    if (strstr(visit->request, "\r\n\r\n") == NULL) {
        return visit->size < REQUEST_MAX;
    }
    uint64_t body = wanted(visit->request);
    visit->head_size =
        (size_t)snprintf(visit->head, sizeof(visit->head),
                         "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "
                         "%llu\r\n\r\n",
                         (unsigned long long)body);
    visit->total = visit->left = visit->head_size + body;
    visit->size = 0;
    return true;
}

static void serve_visit(int poll_fd, struct visit *visit)
{
    bool is_alive = visit->left > 0 || take_request(visit);
    if (is_alive && visit->left > 0) {
        is_alive = respond(visit);
    }
    if (!is_alive) {
        close(visit->fd);
        free(visit);
        return;
    }
    if ((visit->left > 0) != visit->is_writing) {
        visit->is_writing = visit->left > 0;
        be_ready_for(poll_fd, EPOLL_CTL_MOD, visit->fd,
                     visit->is_writing ? EPOLLOUT : EPOLLIN, visit);
    }
}

static void accept_visits(int poll_fd, int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        struct visit *visit = calloc(1, sizeof(*visit));
        if (visit == NULL) {
            die("memory");
        }
        visit->fd = fd;
        be_ready_for(poll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, visit);
    }
}

static void run_backend(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    socklen_t size = sizeof(own);
    int on = 1;
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&own, sizeof(own)) != 0 ||
        setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&own, &size) != 0) {
        die("listen");
    }
    memset(chunk, 'x', sizeof(chunk));
    be_ready_for(poll_fd, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    printf("%u\n", (unsigned)ntohs(own.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                accept_visits(poll_fd, listener);
            } else {
                serve_visit(poll_fd, events[i].data.ptr);
            }
        }
    }
}

/* --- the client --- */

struct client {
    int fd;
    SSL *ssl;
    bool is_asked;
    size_t received; /* of this response */
    uint32_t events;
};

struct load {
    SSL_CTX *context;
    SSL_SESSION *session;
    struct sockaddr_in server;
    int poll_fd;
    bool is_new_each_time;
    bool is_resuming;
    char request[128];
    size_t response_bytes; /* head and body: the same each time */
    uint64_t operations;
    uint64_t bytes;
    uint64_t resumed;
};

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct load *load = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (!load->is_resuming || load->session != NULL) {
        return 0;
    }
    load->session = session;
    /* With a cache OpenSSL uses a TLS 1.3 session once only. */
    SSL_CTX_set_session_cache_mode(load->context, SSL_SESS_CACHE_OFF);
    return 1;
}

static void open_client(struct load *load, struct client *client)
{
    int on = 1;
    *client = (struct client){.events = EPOLLOUT};
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0 || (connect(client->fd, (struct sockaddr *)&load->server,
                                   sizeof(load->server)) != 0 &&
                           errno != EINPROGRESS)) {
        die("connect");
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    client->ssl = SSL_new(load->context);
    if (client->ssl == NULL || SSL_set_fd(client->ssl, client->fd) != 1) {
        die("SSL_new");
    }
    SSL_set_connect_state(client->ssl);
    if (load->session != NULL) {
        SSL_set_session(client->ssl, load->session);
    }
    be_ready_for(load->poll_fd, EPOLL_CTL_ADD, client->fd, EPOLLOUT, client);
}

static void close_client(struct load *load, struct client *client)
{
    load->resumed += SSL_session_reused(client->ssl) == 1;
    SSL_shutdown(client->ssl);
    SSL_free(client->ssl);
    close(client->fd);
}

static void check_response(struct load *load, const uint8_t *data, size_t size)
{
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    const char *length = memmem(data, size, "Content-Length: ", 16);
    char number[16];
    uint64_t body = 0;
    if (end == NULL || length == NULL || memcmp(data, "HTTP/1.1 200 ", 13) != 0) {
        die("not a response");
    }
    size_t digits = strspn(length + 16, "0123456789");
    if (digits >= sizeof(number)) {
        die("not a length");
    }
    memcpy(number, length + 16, digits);
    number[digits] = '\0';
    if (text_u64(number, BODY_MAX, &body) != 0) {
        die("not a length");
    }
    load->response_bytes = (size_t)(end + 4 - (const char *)data) + body;
}

/* The whole response is there. */
static void end_operation(struct load *load, struct client *client)
{
    load->operations++;
    client->is_asked = false;
    client->received = 0;
    if (load->is_new_each_time) {
        close_client(load, client);
        open_client(load, client);
    }
}

/* What is wanted next: 0 to go on at once. */
static uint32_t step(struct load *load, struct client *client)
{
    size_t size = 0;
    int result;
    if (!client->is_asked) {
        result = SSL_write_ex(client->ssl, load->request, strlen(load->request), &size);
        client->is_asked = result == 1;
    } else {
        result = SSL_read_ex(client->ssl, chunk, sizeof(chunk), &size);
        if (result == 1) {
            if (client->received == 0) {
                check_response(load, chunk, size);
            }
            client->received += size;
            load->bytes += size;
            if (client->received > load->response_bytes) {
                die("too long a response");
            }
            if (client->received == load->response_bytes) {
                end_operation(load, client);
                return load->is_new_each_time ? EPOLLOUT : 0;
            }
        }
    }
    if (result == 1) {
        return 0;
    }
    int reason = SSL_get_error(client->ssl, result);
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
        die("the server ended it");
    }
    return reason == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT;
}

static void serve_client(struct load *load, struct client *client)
{
    uint32_t events = 0;
    for (unsigned i = 0; i < 64 && events == 0; i++) {
        events = step(load, client);
    }
    if (events != 0 && events != client->events) {
        client->events = events;
        be_ready_for(load->poll_fd, EPOLL_CTL_MOD, client->fd, events, client);
    }
}

static void run_until(struct load *load, int64_t end_mono_ms, uint64_t operations)
{
    while (clock_mono_ms() < end_mono_ms && load->operations < operations) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(load->poll_fd, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            serve_client(load, events[i].data.ptr);
        }
    }
}

static void open_load(struct load *load, uint16_t port)
{
    load->server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    load->server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    load->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->context = SSL_CTX_new(TLS_client_method());
    if (load->context == NULL ||
        SSL_CTX_set_min_proto_version(load->context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(load->context, "TLS_AES_128_GCM_SHA256") != 1 ||
        /* SSL_CTX_set1_groups_list() casts const away. */
        SSL_CTX_ctrl(load->context, SSL_CTRL_SET_GROUPS_LIST, 0,
                     (void *)(uintptr_t) "X25519") != 1) {
        die("SSL_CTX_new");
    }
    SSL_CTX_set_app_data(load->context, load);
    SSL_CTX_set_session_cache_mode(load->context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(load->context, on_session);
    SSL_CTX_set_mode(load->context, SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_read_ahead(load->context, 1);
    SSL_CTX_set_default_read_buffer_len(load->context, CHUNK);
}

static int run_load(const char *mode, const uint64_t numbers[static 4])
{
    static struct client clients[CONNECTIONS_MAX];
    struct load load = {.is_new_each_time =
                            strcmp(mode, "full") == 0 || strcmp(mode, "resumed") == 0,
                        .is_resuming = strcmp(mode, "resumed") == 0};
    uint64_t connections = numbers[1];
    open_load(&load, (uint16_t)numbers[0]);
    (void)snprintf(load.request, sizeof(load.request),
                   "GET /%llu HTTP/1.1\r\nHost: camera.local\r\nUser-Agent: load\r\n"
                   "Accept: */*\r\n\r\n",
                   (unsigned long long)numbers[3]);
    if (load.is_resuming) {
        /* One connection brings the session for all. */
        open_client(&load, &clients[0]);
        run_until(&load, clock_mono_ms() + 5000, 3);
        close_client(&load, &clients[0]);
    }
    bool is_idle = strcmp(mode, "idle") == 0;
    for (uint64_t i = 0; i < connections; i++) {
        open_client(&load, &clients[i]);
        if (is_idle) {
            /* One after the other: what handshakes take only for a moment does not add up. */
            run_until(&load, clock_mono_ms() + 5000, i + 1);
            be_ready_for(load.poll_fd, EPOLL_CTL_DEL, clients[i].fd, 0, NULL);
        }
    }
    if (is_idle) {
        puts("ready");
        fflush(stdout);
        return getchar() == EOF ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    load.operations = load.bytes = load.resumed = 0;
    int64_t start_mono_ms = clock_mono_ms();
    run_until(&load, start_mono_ms + (int64_t)numbers[2] * 1000, UINT64_MAX);
    printf("%llu %llu %.3f %llu\n", (unsigned long long)load.operations,
           (unsigned long long)load.bytes,
           (double)(clock_mono_ms() - start_mono_ms) / 1000,
           (unsigned long long)load.resumed);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    uint64_t numbers[4] = {0};
    if (argc == 2 && strcmp(argv[1], "backend") == 0) {
        run_backend();
    }
    bool is_good = argc == 6;
    for (int i = 0; is_good && i < 4; i++) {
        is_good = text_u64(argv[2 + i], BODY_MAX, &numbers[i]) == 0;
    }
    if (!is_good || numbers[1] == 0 || numbers[1] > CONNECTIONS_MAX) {
        fputs("usage: see the head of terminator_load.c\n", stderr);
        return EXIT_FAILURE;
    }
    return run_load(argv[1], numbers);
}
