/* Load for the front role, of one thread: so many TLS connections, each a device with a key and an
 * account of its own, or an attacker without.
 *
 *   bench_front_load MODE SERVER BASE_URL ZONE CONNECTIONS SECONDS RATE [SOURCES]
 *       posts       signed POST-as-GETs of the account over connections that stay
 *       pebble      the same at Pebble, whose paths differ
 *       orders      newOrder, RATE in a second over all, whether answered or not
 *       handshakes  a connection with a full handshake each time, no request
 *       idle        opens them, asks each once, prints "ready", waits for the end of its input
 *       nonces      newNonce over connections that stay
 *       accounts    newAccount of keys that have none and want none: signed, verified, refused
 *       slow        a request of which an octet comes each second
 *       bodies      a request of 64 KB under a head of 12 KB; the last octet never comes
 *   SOURCES: a /24 ("198.51.100.0") whose addresses 1 to 250 the connections come from in turn.
 *
 * prints: answered refused closed seconds p50 p99 max, the last three of the answers in
 * microseconds. `refused` are 429 and 503, `closed` connections that the server ended. In posts and
 * orders either is a failure. RATE 0: as fast as it goes. */
#include "acme/acme.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 20000,
    EVENTS = 64,
    ANSWER_MAX = 64 << 10,
    REQUEST_MAX = 16 << 10,
    BODY_BYTES = LIMIT_JWS_BYTES,
    HEAD_BYTES = 12 << 10,
    NONCE_CAPACITY = 128,
    SOURCES = 250,
    SAMPLES_MAX = 1 << 20,
    RETRY_MS = 200,
};

enum mode {
    POSTS,
    PEBBLE,
    ORDERS,
    HANDSHAKES,
    IDLE,
    NONCES,
    ACCOUNTS,
    SLOW,
    BODIES,
    MODES
};
static const char *const modes[MODES] = {"posts",      "pebble", "orders",
                                         "handshakes", "idle",   "nonces",
                                         "accounts",   "slow",   "bodies"};

static const char *const relay_paths[] = {"/acme/new-nonce", "/acme/new-account"};
static const char *const pebble_paths[] = {"/nonce-plz", "/sign-me-up"};
enum { NEW_NONCE, NEW_ACCOUNT };

enum state { CLOSED, SHAKING, SENDING, RECEIVING, RESTING };

struct client {
    int fd;
    SSL *ssl;
    enum state state;
    uint32_t events;
    struct key *key;
    char kid[LIMIT_URL_BYTES];
    char nonce[NONCE_CAPACITY];
    struct buffer request;
    size_t sent;
    struct buffer answer;
    int64_t due_us; /* when this request was to be sent; closed: when to open again */
};

struct load {
    enum mode mode;
    const char *base;
    const char *const *paths;
    const char *zone;
    struct address server;
    uint32_t sources; /* 0: none are chosen */
    unsigned next_source;
    SSL_CTX *context;
    int poll_fd;
    uint64_t rate;
    bool is_measuring;
    uint64_t ready; /* clients with an account and a nonce, at rest */
    uint64_t answered;
    uint64_t refused;
    uint64_t closed;
    uint32_t *samples_us;
    size_t sample_count;
    uint8_t record[16 << 10];
};

static void die(const char *what)
{
    fprintf(stderr, "front_load: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(EXIT_FAILURE);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool is_flood(const struct load *load)
{
    return load->mode >= HANDSHAKES && load->mode != IDLE;
}

/* Whether each client has an account. */
static bool has_accounts(const struct load *load)
{
    return load->mode < HANDSHAKES;
}

static bool posts_at_once(const struct load *load)
{
    return load->mode == POSTS || load->mode == PEBBLE;
}

static void want(struct load *load, struct client *client, uint32_t events)
{
    if (events != client->events) {
        struct epoll_event event = {.events = events, .data = {.ptr = client}};
        client->events = events;
        if (epoll_ctl(load->poll_fd, EPOLL_CTL_MOD, client->fd, &event) != 0) {
            die("epoll_ctl");
        }
    }
}

/* --- connections --- */

static void choose_source(struct load *load, int fd)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    int on = 1;
    if (load->sources != 0) {
        own.sin_addr.s_addr = htonl(load->sources + 1 + load->next_source++ % SOURCES);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *)&own, sizeof(own)) != 0) {
            die("bind");
        }
    }
}

static void open_client(struct load *load, struct client *client)
{
    struct epoll_event event = {.events = EPOLLOUT, .data = {.ptr = client}};
    int on = 1;
    client->fd = socket(load->server.storage.ss_family,
                        SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0) {
        die("socket");
    }
    choose_source(load, client->fd);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(client->fd, (struct sockaddr *)&load->server.storage,
                load->server.size) != 0 &&
        errno != EINPROGRESS) {
        die("connect");
    }
    client->ssl = SSL_new(load->context);
    if (client->ssl == NULL || SSL_set_fd(client->ssl, client->fd) != 1 ||
        epoll_ctl(load->poll_fd, EPOLL_CTL_ADD, client->fd, &event) != 0) {
        die("SSL_new");
    }
    SSL_set_connect_state(client->ssl);
    client->events = EPOLLOUT;
    client->state = SHAKING;
    client->due_us = now_us();
}

static void close_client(struct client *client)
{
    SSL_free(client->ssl);
    close(client->fd);
    client->ssl = NULL;
    client->fd = -1;
    client->state = CLOSED;
    client->nonce[0] = '\0';
    client->answer.size = 0;
}

/* --- requests --- */

static void set_request(const struct load *load, struct client *client,
                        const char *method, const char *path, const struct buffer *body)
{
    client->request.size = client->sent = 0;
    if (buffer_printf(&client->request,
                      "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\n"
                      "Accept: */*\r\n",
                      method, path, load->base + strlen("https://")) != 0 ||
        (body != NULL &&
         buffer_printf(&client->request,
                       "Content-Type: " JWS_CONTENT_TYPE "\r\nContent-Length: %zu\r\n",
                       body->size) != 0) ||
        buffer_append_text(&client->request, "\r\n") != 0 ||
        (body != NULL && buffer_append(&client->request, body->data, body->size) != 0)) {
        die("request");
    }
    client->state = SENDING;
}

/* The head alone; what follows it is any octets. */
static void set_upload(const struct load *load, struct client *client)
{
    client->request.size = client->sent = 0;
    if (buffer_printf(&client->request,
                      "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: " JWS_CONTENT_TYPE
                      "\r\nContent-Length: %d\r\nAccept: %0*d\r\n\r\n",
                      load->paths[NEW_ACCOUNT], load->base + strlen("https://"),
                      BODY_BYTES, HEAD_BYTES, 0) != 0) {
        die("request");
    }
    client->state = SENDING;
}

static void set_post(struct load *load, struct client *client, const char *url,
                     const char *payload)
{
    struct jws_signer signer = {.key = client->key};
    struct buffer body = buffer_init(REQUEST_MAX);
    const char *kid = client->kid[0] != '\0' ? client->kid : NULL;
    if (jws_make(&signer, kid, client->nonce, url, payload, strlen(payload), &body) !=
        0) {
        die("jws_make");
    }
    set_request(load, client, "POST", url + strlen(load->base), &body);
    buffer_free(&body);
}

static void set_url_post(struct load *load, struct client *client, const char *path,
                         const char *payload)
{
    char url[LIMIT_URL_BYTES];
    if (!text_format(url, sizeof(url), "%s%s", load->base, path)) {
        die("url");
    }
    set_post(load, client, url, payload);
}

static void set_order(struct load *load, struct client *client)
{
    char id[KEY_ID_SIZE + 1];
    char payload[LIMIT_URL_BYTES];
    if (key_id(client->key, id) != 0 ||
        !text_format(payload, sizeof(payload),
                     "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"*.%s.%s\"}]}", id,
                     load->zone)) {
        die("order");
    }
    set_url_post(load, client, "/acme/new-order", payload);
}

/* What the client sends next, once connected; RESTING when nothing. */
static void choose_request(struct load *load, struct client *client)
{
    bool is_first = client->request.size == 0;
    if (load->mode == SLOW) {
        set_request(load, client, "GET", "/acme/directory", NULL);
    } else if (load->mode == BODIES) {
        set_upload(load, client);
    } else if (load->mode == IDLE ? is_first
                                  : client->nonce[0] == '\0' || load->mode == NONCES) {
        set_request(load, client, "HEAD", load->paths[NEW_NONCE], NULL);
    } else if (load->mode == ACCOUNTS) {
        set_url_post(load, client, load->paths[NEW_ACCOUNT],
                     "{\"onlyReturnExisting\":true}");
    } else if (has_accounts(load) && client->kid[0] == '\0') {
        set_url_post(load, client, load->paths[NEW_ACCOUNT],
                     "{\"termsOfServiceAgreed\":true}");
    } else if (posts_at_once(load) && load->is_measuring) {
        set_post(load, client, client->kid, "");
    } else {
        client->state = RESTING;
        load->ready++;
        return;
    }
    client->due_us = now_us();
}

/* --- answers --- */

/* The value of header NAME (": " included) of the ANSWER's head into RET_VALUE. */
static bool find_header(const struct buffer *answer, const char *name, char *ret_value,
                        size_t capacity)
{
    const char *at = memmem(answer->data, answer->size, name, strlen(name));
    if (at == NULL) {
        return false;
    }
    at += strlen(name);
    const char *end =
        memchr(at, '\r', answer->size - (size_t)(at - (char *)answer->data));
    return end != NULL && text_format(ret_value, capacity, "%.*s", (int)(end - at), at);
}

/* Whether the whole response is there. */
static bool is_whole(const struct client *client)
{
    char number[16];
    uint64_t body = 0;
    const struct buffer *answer = &client->answer;
    const char *end = memmem(answer->data, answer->size, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    if (client->request.data[0] != 'H' &&
        (!find_header(answer, "Content-Length: ", number, sizeof(number)) ||
         text_u64(number, ANSWER_MAX, &body) != 0)) {
        body = 0;
    }
    return (size_t)(end + 4 - (const char *)answer->data) + body == answer->size;
}

static void count_answer(struct load *load, struct client *client)
{
    int64_t took_us = now_us() - client->due_us;
    load->answered++;
    if (load->sample_count < SAMPLES_MAX) {
        load->samples_us[load->sample_count++] = (uint32_t)took_us;
    }
}

static void take_answer(struct load *load, struct client *client)
{
    const char *status = (const char *)client->answer.data + strlen("HTTP/1.1 ");
    bool is_refused = strncmp(status, "429", 3) == 0 || strncmp(status, "503", 3) == 0;
    bool is_post = client->request.data[0] == 'P';
    client->nonce[0] = '\0';
    (void)find_header(&client->answer, "Replay-Nonce: ", client->nonce,
                      sizeof(client->nonce));
    if (is_refused && is_flood(load)) {
        load->refused++;
    } else if (is_post && status[0] != '2' && !is_flood(load)) {
        fprintf(stderr, "%.*s\n", (int)client->answer.size,
                (const char *)client->answer.data);
        die("a refusal");
    } else if (load->is_measuring && (is_post || is_flood(load))) {
        count_answer(load, client);
    }
    if (is_post && client->kid[0] == '\0' && has_accounts(load)) {
        (void)find_header(&client->answer, "Location: ", client->kid,
                          sizeof(client->kid));
    }
    client->answer.size = 0;
    choose_request(load, client);
}

/* --- the machine --- */

static void end_by_server(struct load *load, struct client *client)
{
    if (!is_flood(load)) {
        die("the server ended it");
    }
    load->closed += load->is_measuring ? 1 : 0;
    close_client(client);
    client->due_us = now_us() + RETRY_MS * 1000;
}

/* As much of the request as can be sent by one call. */
static int send_some(struct load *load, struct client *client, size_t *ret_size)
{
    size_t head = client->request.size;
    if (client->sent < head) {
        return SSL_write_ex(client->ssl, client->request.data + client->sent,
                            load->mode == SLOW ? 1 : head - client->sent, ret_size);
    }
    size_t rest = head + BODY_BYTES - 1 - client->sent;
    return SSL_write_ex(client->ssl, load->record,
                        rest < sizeof(load->record) ? rest : sizeof(load->record),
                        ret_size);
}

/* True to go on at once. */
static bool step(struct load *load, struct client *client)
{
    size_t size = 0;
    int result = 1;
    if (client->state == SHAKING) {
        result = SSL_do_handshake(client->ssl);
        if (result == 1 && load->mode == HANDSHAKES) {
            count_answer(load, client);
            close_client(client);
            open_client(load, client);
            return false;
        }
        if (result == 1) {
            choose_request(load, client);
        }
    } else if (client->state == SENDING) {
        size_t whole = client->request.size + (load->mode == BODIES ? BODY_BYTES - 1 : 0);
        result = send_some(load, client, &size);
        client->sent += result == 1 ? size : 0;
        if (result == 1 && load->mode == SLOW) {
            client->state = RESTING;
            client->due_us = now_us() + 1000000;
            return true;
        }
        if (result == 1 && client->sent == whole) {
            client->state = RECEIVING;
        }
    } else {
        result = SSL_read_ex(client->ssl, load->record, sizeof(load->record), &size);
        if (result == 1) {
            if (buffer_append(&client->answer, load->record, size) != 0) {
                die("too long an answer");
            }
            if (is_whole(client)) {
                take_answer(load, client);
            }
        }
    }
    if (result == 1) {
        return true;
    }
    int reason = SSL_get_error(client->ssl, result);
    ERR_clear_error();
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
        end_by_server(load, client);
        return false;
    }
    want(load, client, reason == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
    return false;
}

static void serve(struct load *load, struct client *client)
{
    if (client->state != CLOSED) {
        for (unsigned i = 0; i < 16 && step(load, client); i++) {
        }
    }
}

static void poll_once(struct load *load, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(load->poll_fd, events, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++) {
        serve(load, events[i].data.ptr);
    }
}

/* What time brings: closed ones open again, slow ones send one more octet. */
static void look_at_time(struct load *load, struct client *clients, uint64_t count)
{
    int64_t at_us = now_us();
    for (uint64_t i = 0; i < count; i++) {
        struct client *client = &clients[i];
        if (client->due_us > at_us) {
            continue;
        }
        if (client->state == CLOSED) {
            open_client(load, client);
        } else if (client->state == RESTING && load->mode == SLOW) {
            client->state = client->sent < client->request.size ? SENDING : RECEIVING;
            serve(load, client);
        }
    }
}

/* Orders at their times, each by the client that has rested longest. */
static void run_orders(struct load *load, struct client *clients, uint64_t count,
                       int64_t end_us)
{
    int64_t start_us = now_us();
    uint64_t sent = 0;
    uint64_t last_answered = 0;
    int64_t grace_us = 0;
    while (now_us() < end_us || (load->answered < sent && grace_us < 20000000)) {
        int64_t due_us = start_us + (int64_t)(sent * 1000000 / load->rate);
        struct client *client = &clients[sent % count];
        if (now_us() >= due_us && due_us < end_us) {
            if (client->state != RESTING) {
                die("more orders than devices at rest: more connections are needed");
            }
            set_order(load, client);
            client->due_us = due_us;
            sent++;
            serve(load, client);
        }
        poll_once(load, 1);
        grace_us = load->answered > last_answered ? 0 : now_us() - end_us;
        last_answered = load->answered;
    }
    if (load->answered < sent) {
        die("orders without an answer");
    }
}

static void run_until(struct load *load, struct client *clients, uint64_t count,
                      int64_t end_us)
{
    while (now_us() < end_us) {
        int64_t slice_us = now_us() + 20000;
        while (now_us() < slice_us) {
            poll_once(load, 1);
        }
        if (is_flood(load)) {
            look_at_time(load, clients, count);
        }
    }
}

/* Opens the clients, some at a time, until each has what it needs. */
static void open_all(struct load *load, struct client *clients, uint64_t count)
{
    int64_t give_up_us = now_us() + 120000000;
    for (uint64_t i = 0; i < count; i++) {
        struct client *client = &clients[i];
        *client = (struct client){.fd = -1,
                                  .request = buffer_init(REQUEST_MAX * 2),
                                  .answer = buffer_init(ANSWER_MAX)};
        if (load->mode != HANDSHAKES && load->mode != IDLE &&
            key_generate(KEY_P256, &client->key) != 0) {
            die("key");
        }
        open_client(load, client);
        poll_once(load, 0);
        while (!is_flood(load) && load->ready + 64 < i) {
            poll_once(load, 10);
        }
    }
    while (!is_flood(load) && load->ready < count) {
        poll_once(load, 10);
        if (now_us() > give_up_us) {
            die("the clients don't get ready");
        }
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static uint32_t percentile(const struct load *load, unsigned of_1000)
{
    return load->sample_count == 0
               ? 0
               : load->samples_us[(load->sample_count - 1) * of_1000 / 1000];
}

static void close_all(struct load *load, struct client *clients, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (clients[i].state != CLOSED) {
            close_client(&clients[i]);
        }
        key_free(clients[i].key);
        buffer_free(&clients[i].request);
        buffer_free(&clients[i].answer);
    }
    free(clients);
    free(load->samples_us);
    SSL_CTX_free(load->context);
}

static void measure(struct load *load, struct client *clients, uint64_t count,
                    uint64_t seconds)
{
    load->is_measuring = true;
    load->answered = load->refused = load->closed = load->sample_count = 0;
    int64_t start_us = now_us();
    int64_t end_us = start_us + (int64_t)seconds * 1000000;
    if (load->mode == ORDERS) {
        run_orders(load, clients, count, end_us);
    } else {
        for (uint64_t i = 0; i < count && posts_at_once(load); i++) {
            choose_request(load, &clients[i]);
            serve(load, &clients[i]);
        }
        run_until(load, clients, count, end_us);
    }
    double took_s = (double)(now_us() - start_us) / 1e6;
    qsort(load->samples_us, load->sample_count, sizeof(*load->samples_us), compare);
    printf("%llu %llu %llu %.3f %u %u %u\n", (unsigned long long)load->answered,
           (unsigned long long)load->refused, (unsigned long long)load->closed, took_s,
           percentile(load, 500), percentile(load, 990), percentile(load, 1000));
}

static int run(struct load *load, uint64_t count, uint64_t seconds)
{
    struct client *clients = calloc(count, sizeof(*clients));
    bool is_good = true;
    load->samples_us = calloc(SAMPLES_MAX, sizeof(*load->samples_us));
    if (clients == NULL || load->samples_us == NULL) {
        die("memory");
    }
    open_all(load, clients, count);
    puts("ready");
    fflush(stdout);
    if (load->mode == IDLE) {
        is_good = getchar() == EOF;
    } else {
        measure(load, clients, count, seconds);
    }
    close_all(load, clients, count);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void open_load(struct load *load)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
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
    SSL_CTX_set_session_cache_mode(load->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(load->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
}

int main(int argc, char **argv)
{
    static struct load load;
    struct in_addr sources = {0};
    uint64_t count = 0;
    uint64_t seconds = 0;
    load.mode = MODES;
    for (int i = 0; argc > 1 && i < MODES; i++) {
        load.mode = strcmp(argv[1], modes[i]) == 0 ? (enum mode)i : load.mode;
    }
    if ((argc != 8 && argc != 9) || load.mode == MODES ||
        address_parse(argv[2], 0, &load.server) != 0 ||
        text_u64(argv[5], CONNECTIONS_MAX, &count) != 0 || count == 0 ||
        text_u64(argv[6], 3600, &seconds) != 0 ||
        text_u64(argv[7], 1000000, &load.rate) != 0 ||
        !text_starts_with(argv[3], "https://") ||
        (argc == 9 && inet_pton(AF_INET, argv[8], &sources) != 1) ||
        (load.mode == ORDERS && load.rate == 0)) {
        fputs("usage: see the head of front_load.c\n", stderr);
        return EXIT_FAILURE;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a server that closes is counted */
    load.base = argv[3];
    load.paths = load.mode == PEBBLE ? pebble_paths : relay_paths;
    load.zone = argv[4];
    load.sources = ntohl(sources.s_addr);
    open_load(&load);
    return run(&load, count, seconds);
}
