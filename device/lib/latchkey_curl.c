/* liblatchkey's transport by libcurl's multi_socket interface. Its sockets are in an epoll of its
 * own, which the handle takes into its one descriptor; libcurl's timer comes out through
 * timeout_ms. So the owner's loop never hears of either.
 *
 * A second door to libcurl beside base/net/http_client.c, on purpose: this is a shared library
 * of its own that stands on latchkey.h alone, for programs without libevent and c-ares, which
 * the HTTP client of the project's programs is made of. */
#include "device/lib/latchkey-curl.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    TRANSFERS_MAX = 2, /* what a handle has under way at most */
    HEADERS_MAX = 64,
    HEADER_BYTES_MAX = 32 << 10,
    CONNECT_MS = 15 * 1000,
    EVENTS_AT_ONCE = 8,
};

struct transport;

struct transfer {
    struct transport *transport;
    struct latchkey *handle;
    uint64_t id; /* 0: free */
    CURL *easy;
    struct curl_slist *fields; /* of the request */
    char *body;
    size_t body_size, body_max;
    char *header_text; /* name NUL value NUL ... */
    size_t header_size;
    struct latchkey_header headers[HEADERS_MAX];
    size_t header_count;
    bool too_large;
    char error_text[CURL_ERROR_SIZE];
};

struct transport {
    CURLM *multi;
    int epoll_fd;
    int64_t timer_mono_ms; /* -1: none */
    char *ca_file, *proxy;
    struct transfer transfers[TRANSFERS_MAX];
};

static int64_t now_mono_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what libcurl asks of its loop --- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct transport *transport = arg;
    struct epoll_event event = {.data = {.fd = fd}};
    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE) {
        /* It may be closed already; then the kernel has forgotten it. */
        (void)epoll_ctl(transport->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events =
        (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(transport->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0) {
        return 0;
    }
    return epoll_ctl(transport->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct transport *transport = arg;
    (void)multi;
    transport->timer_mono_ms = timeout_ms >= 0 ? now_mono_ms() + timeout_ms : -1;
    return 0;
}

/* --- a response as it comes --- */

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
    struct transfer *transfer = arg;
    (void)one;
    if (size > transfer->body_max - transfer->body_size) {
        transfer->too_large = true;
        return 0;
    }
    char *grown = realloc(transfer->body, transfer->body_size + size + 1);
    if (grown == NULL) {
        return 0;
    }
    memcpy(grown + transfer->body_size, data, size);
    transfer->body = grown;
    transfer->body_size += size;
    return size;
}

static void trim(const char **start, const char **end)
{
    while (*start < *end && (**start == ' ' || **start == '\t')) {
        (*start)++;
    }
    while (*start < *end && strchr(" \t\r\n", (*end)[-1]) != NULL) {
        (*end)--;
    }
}

static bool add_text(struct transfer *transfer, const char *start, const char *end)
{
    size_t size = (size_t)(end - start);
    if (size >= HEADER_BYTES_MAX - transfer->header_size) {
        return false;
    }
    memcpy(transfer->header_text + transfer->header_size, start, size);
    transfer->header_text[transfer->header_size + size] = '\0';
    transfer->header_size += size + 1;
    return true;
}

static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
    struct transfer *transfer = arg;
    const char *end = data + size;
    const char *colon = memchr(data, ':', size);
    (void)one;
    if (size >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        /* The real response after a 1xx one. */
        transfer->header_size = 0;
        transfer->header_count = 0;
        return size;
    }
    if (colon == NULL) {
        return size;
    }
    const char *value = colon + 1;
    trim(&value, &end);
    struct latchkey_header *header = &transfer->headers[transfer->header_count];
    if (transfer->header_count == HEADERS_MAX) {
        transfer->too_large = true;
        return 0;
    }
    header->name = transfer->header_text + transfer->header_size;
    if (!add_text(transfer, data, colon)) {
        transfer->too_large = true;
        return 0;
    }
    header->value = transfer->header_text + transfer->header_size;
    if (!add_text(transfer, value, end)) {
        transfer->too_large = true;
        return 0;
    }
    transfer->header_count++;
    return size;
}

/* --- transfers --- */

static void clear(struct transfer *transfer)
{
    if (transfer->easy != NULL) {
        (void)curl_multi_remove_handle(transfer->transport->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    curl_slist_free_all(transfer->fields);
    free(transfer->body);
    free(transfer->header_text);
    memset(transfer, 0, sizeof(*transfer));
}

static bool add_field(struct transfer *transfer, const char *name, const char *value)
{
    char line[256];
    size_t name_size = strlen(name);
    size_t value_size = strlen(value);
    if (name_size + value_size >= sizeof(line)) {
        return false;
    }
    memcpy(line, name, name_size);
    memcpy(line + name_size, value, value_size + 1);
    struct curl_slist *longer = curl_slist_append(transfer->fields, line);
    if (longer == NULL) {
        return false;
    }
    transfer->fields = longer;
    return true;
}

static bool set_fields(struct transfer *transfer, const struct latchkey_request *request)
{
    return (request->content_type == NULL ||
            add_field(transfer, "Content-Type: ", request->content_type)) &&
           (request->accept == NULL ||
            add_field(transfer, "Accept: ", request->accept)) &&
           add_field(transfer, "Expect:", "") &&
           curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->fields) ==
               CURLE_OK;
}

static bool set_method(CURL *easy, const struct latchkey_request *request)
{
    if (strcmp(request->method, "HEAD") == 0) {
        return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
    }
    if (strcmp(request->method, "POST") == 0) {
        return curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)request->body_size) ==
                   CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
                                request->body_size > 0 ? request->body : "") == CURLE_OK;
    }
    return strcmp(request->method, "GET") == 0;
}

static bool set_safety(const struct transport *transport, CURL *easy)
{
    return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
           (transport->ca_file == NULL ||
            curl_easy_setopt(easy, CURLOPT_CAINFO, transport->ca_file) == CURLE_OK) &&
           (transport->proxy == NULL ||
            curl_easy_setopt(easy, CURLOPT_PROXY, transport->proxy) == CURLE_OK);
}

static bool set_up(struct transfer *transfer, const struct latchkey_request *request)
{
    CURL *easy = transfer->easy;
    return set_safety(transfer->transport, easy) && set_method(easy, request) &&
           set_fields(transfer, request) &&
           curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, request->user_agent) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error_text) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
}

static struct transfer *find(struct transport *transport, uint64_t id)
{
    for (size_t i = 0; i < TRANSFERS_MAX; i++) {
        if (transport->transfers[i].id == id) {
            return &transport->transfers[i];
        }
    }
    return NULL;
}

static int start(void *arg, struct latchkey *handle, uint64_t id,
                 const struct latchkey_request *request)
{
    struct transport *transport = arg;
    struct transfer *transfer = find(transport, 0);
    if (transfer == NULL) {
        return LATCHKEY_ERROR_INTERNAL;
    }
    transfer->transport = transport;
    transfer->handle = handle;
    transfer->body_max = request->max_response_size;
    transfer->header_text = malloc(HEADER_BYTES_MAX);
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL || transfer->header_text == NULL ||
        !set_up(transfer, request) ||
        curl_multi_add_handle(transport->multi, transfer->easy) != CURLM_OK) {
        clear(transfer);
        return LATCHKEY_ERROR_MEMORY;
    }
    transfer->id = id;
    return LATCHKEY_OK;
}

static void cancel(void *arg, uint64_t id)
{
    struct transfer *transfer = find(arg, id);
    if (transfer != NULL && id != 0) {
        clear(transfer);
    }
}

/* --- outcomes --- */

static int public_error(const struct transfer *transfer, CURLcode code)
{
    if (transfer->too_large) {
        return LATCHKEY_ERROR_CAPACITY;
    }
    switch ((int)code) {
    case CURLE_OK:
        return LATCHKEY_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return LATCHKEY_ERROR_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        return LATCHKEY_ERROR_TLS;
    case CURLE_OUT_OF_MEMORY:
        return LATCHKEY_ERROR_MEMORY;
    default:
        return LATCHKEY_ERROR_NETWORK;
    }
}

static void finish(struct transfer *transfer, CURLcode code)
{
    struct latchkey_response response = LATCHKEY_RESPONSE_INIT;
    struct latchkey *handle = transfer->handle;
    uint64_t id = transfer->id;
    long status = 0;
    if (curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK) {
        status = 0;
    }
    response.error = public_error(transfer, code);
    response.error_text =
        transfer->error_text[0] != '\0' ? transfer->error_text : curl_easy_strerror(code);
    response.status = (int)status;
    response.body = transfer->body;
    response.body_size = transfer->body_size;
    response.headers = transfer->headers;
    response.header_count = transfer->header_count;
    /* What can't be taken has failed for the handle too. */
    (void)latchkey_respond(handle, id, &response);
    clear(transfer);
}

static void take_finished(struct transport *transport)
{
    CURLMsg *message = NULL;
    int left = 0;
    while ((message = curl_multi_info_read(transport->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) ==
                CURLE_OK) {
            finish(transfer, code);
        }
    }
}

static void process(void *arg)
{
    struct transport *transport = arg;
    struct epoll_event events[EVENTS_AT_ONCE];
    int running = 0;
    int count = epoll_wait(transport->epoll_fd, events, EVENTS_AT_ONCE, 0);
    for (int i = 0; i < count; i++) {
        int what = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
        (void)curl_multi_socket_action(transport->multi, events[i].data.fd, what,
                                       &running);
    }
    if (transport->timer_mono_ms >= 0 && now_mono_ms() >= transport->timer_mono_ms) {
        transport->timer_mono_ms = -1;
        (void)curl_multi_socket_action(transport->multi, CURL_SOCKET_TIMEOUT, 0,
                                       &running);
    }
    take_finished(transport);
}

static int descriptor(void *arg)
{
    const struct transport *transport = arg;
    return transport->epoll_fd;
}

static int timeout_ms(void *arg)
{
    const struct transport *transport = arg;
    if (transport->timer_mono_ms < 0) {
        return -1;
    }
    int64_t wait_ms = transport->timer_mono_ms - now_mono_ms();
    return wait_ms > 0 ? (int)wait_ms : 0;
}

static void release(void *arg)
{
    struct transport *transport = arg;
    for (size_t i = 0; i < TRANSFERS_MAX; i++) {
        if (transport->transfers[i].transport != NULL) {
            clear(&transport->transfers[i]);
        }
    }
    if (transport->multi != NULL) {
        (void)curl_multi_cleanup(transport->multi);
    }
    if (transport->epoll_fd >= 0) {
        close(transport->epoll_fd);
    }
    free(transport->ca_file);
    free(transport->proxy);
    free(transport);
}

static int copy(const char *text, char **ret_copy)
{
    *ret_copy = text != NULL ? strdup(text) : NULL;
    return text != NULL && *ret_copy == NULL ? LATCHKEY_ERROR_MEMORY : LATCHKEY_OK;
}

static int open_transport(struct transport *transport,
                          const struct latchkey_curl_options *options)
{
    int error = copy(options->ca_file, &transport->ca_file);
    if (error == LATCHKEY_OK) {
        error = copy(options->proxy, &transport->proxy);
    }
    transport->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (error == LATCHKEY_OK && transport->epoll_fd < 0) {
        error = LATCHKEY_ERROR_IO;
    }
    transport->multi = curl_multi_init();
    if (error == LATCHKEY_OK &&
        (transport->multi == NULL ||
         curl_multi_setopt(transport->multi, CURLMOPT_SOCKETFUNCTION, on_socket) !=
             CURLM_OK ||
         curl_multi_setopt(transport->multi, CURLMOPT_SOCKETDATA, transport) !=
             CURLM_OK ||
         curl_multi_setopt(transport->multi, CURLMOPT_TIMERFUNCTION, on_timer) !=
             CURLM_OK ||
         curl_multi_setopt(transport->multi, CURLMOPT_TIMERDATA, transport) !=
             CURLM_OK)) {
        error = LATCHKEY_ERROR_MEMORY;
    }
    return error;
}

/* An option that this version does not know must not be left unheard. */
static bool is_known(const struct latchkey_curl_options *options)
{
    const unsigned char *bytes = (const unsigned char *)options;
    for (size_t i = sizeof(*options); i < options->size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return options->size >= sizeof(options->size);
}

int latchkey_curl_new(const struct latchkey_curl_options *options,
                      struct latchkey_transport *ret_transport)
{
    struct latchkey_curl_options known = LATCHKEY_CURL_OPTIONS_INIT;
    struct latchkey_transport callbacks = LATCHKEY_TRANSPORT_INIT;
    if (ret_transport == NULL || ret_transport->size < sizeof(callbacks.size) ||
        (options != NULL && !is_known(options))) {
        return LATCHKEY_ERROR_ARGUMENT;
    }
    if (options != NULL) {
        memcpy(&known, options,
               options->size < sizeof(known) ? options->size : sizeof(known));
    }
    struct transport *transport = calloc(1, sizeof(*transport));
    if (transport == NULL) {
        return LATCHKEY_ERROR_MEMORY;
    }
    transport->epoll_fd = -1;
    transport->timer_mono_ms = -1;
    int error = open_transport(transport, &known);
    if (error != LATCHKEY_OK) {
        release(transport);
        return error;
    }
    callbacks.arg = transport;
    callbacks.start = start;
    callbacks.cancel = cancel;
    callbacks.fd = descriptor;
    callbacks.timeout_ms = timeout_ms;
    callbacks.process = process;
    callbacks.release = release;
    callbacks.size = ret_transport->size;
    memcpy(ret_transport, &callbacks,
           callbacks.size < sizeof(callbacks) ? callbacks.size : sizeof(callbacks));
    return LATCHKEY_OK;
}
