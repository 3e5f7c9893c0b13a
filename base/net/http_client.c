/* libcurl's multi interface, driven by our loop.
 *
 *   send -> RESOLVING -> WAITING -> RUNNING -> (callback)
 *               |            |          |
 *               +-------> ENDED --------+   what could not start, delivered by a timer of 0 ms
 *
 * No more run than there may be connections: who waits does so here, in order of arrival.
 *
 * Debian's libcurl looks names up in a thread per look-up; ours are made by the resolver
 * before libcurl sees the transfer, and handed over by CURLOPT_RESOLVE.
 *
 * libcurl's callbacks only collect; callers are called when curl_multi_socket_action()
 * has returned, as nothing of curl_multi_* may be called from within a callback of it.
 * Certificates are judged by our own clock, which may be corrected, not by OpenSSL's.
 *
 * Through a proxy it is the proxy's name that we look up; libcurl's cache of addresses serves
 * proxies too.
 *
 * One timer per transfer is the whole deadline: libcurl's own does not count while a
 * transfer waits for a connection. */
#include "base/net/http_client_parts.h"

#include "base/core/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADERS_MAX_BYTES = 64 << 10,
    RESOLVE_ENTRY_MAX_BYTES = 4096,
};

struct socket_watch {
    struct http_client *client;
    struct socket_watch *next;
    struct socket_watch *previous;
    struct loop_watch *watch;
};

static void set_state(struct http_transfer *transfer, enum state state)
{
    transfer->state = state;
}

/* Transfers. */

static void leave_waiting(struct http_transfer *transfer)
{
    struct http_client *client = transfer->client;
    struct http_transfer **link = &client->waiting;
    while (*link != NULL && *link != transfer) {
        link = &(*link)->waiting_next;
    }
    if (*link == NULL) {
        return;
    }
    *link = transfer->waiting_next;
    if (client->waiting_end == &transfer->waiting_next) {
        client->waiting_end = link;
    }
    transfer->waiting_next = NULL;
}

static void start_waiting(struct http_client *client);

static void transfer_free(struct http_transfer *transfer)
{
    struct http_client *client = transfer->client;
    if (transfer->state == STATE_WAITING) {
        leave_waiting(transfer);
    }
    if (transfer->previous != NULL) {
        transfer->previous->next = transfer->next;
    } else if (client->transfers == transfer) {
        client->transfers = transfer->next;
    }
    if (transfer->next != NULL) {
        transfer->next->previous = transfer->previous;
    }
    if (transfer->is_added) {
        curl_multi_remove_handle(client->multi, transfer->easy);
        client->running_count--;
        start_waiting(client);
    }
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->addresses);
    curl_free(transfer->host_name);
    curl_free(transfer->port);
    loop_timer_free(transfer->deadline);
    buffer_free(&transfer->body);
    http_fields_free(&transfer->fields);
    free(transfer);
}

static void deliver(struct http_transfer *transfer, int status)
{
    char text[CURL_ERROR_SIZE];
    struct http_response response = {.error = transfer->error,
                                     .error_text = "",
                                     .is_date = transfer->is_date,
                                     .is_proxy = transfer->is_proxy};
    if (transfer->error == ERROR_NONE) {
        response.status = status;
        response.body = buffer_bytes(&transfer->body);
        response.headers = http_fields_table(&transfer->fields);
        response.header_count = transfer->fields.count;
    } else {
        const char *detail =
            transfer->detail[0] != '\0' ? transfer->detail : error_text(transfer->error);
        text_printable(text, sizeof(text), detail, strlen(detail));
        response.error_text = text;
    }
    transfer->is_delivering = true;
    transfer->fn(&response, transfer->arg);
    transfer_free(transfer);
}

/* Ends a transfer from where its callback may not be called. */
static void end_later(struct http_transfer *transfer, int error, const char *detail)
{
    transfer->error = error;
    text_format(transfer->detail, sizeof(transfer->detail), "%s", detail);
    set_state(transfer, STATE_ENDED);
    loop_timer_set(transfer->deadline, 0);
}

static void on_deadline(void *arg)
{
    struct http_transfer *transfer = arg;
    if (transfer->state != STATE_ENDED) {
        transfer->error = ERROR_TIMEOUT;
        text_format(transfer->detail, sizeof(transfer->detail),
                    "no response within %u ms%s", transfer->client->total_ms,
                    transfer->state == STATE_RESOLVING ? " (the name is still looked up)"
                                                       : "");
    }
    deliver(transfer, 0);
}

/* The addresses are known (ADDRESSES NULL: the URL has a literal): libcurl takes over. */
static void start(struct http_transfer *transfer, const char *addresses)
{
    if (addresses != NULL) {
        struct buffer entry = buffer_init(RESOLVE_ENTRY_MAX_BYTES);
        /* '+': libcurl keeps it no longer than its cache does. */
        buffer_printf(&entry, "+%s:%s:%s", transfer->host_name, transfer->port,
                      addresses);
        if (entry.error == ERROR_NONE) {
            transfer->addresses = curl_slist_append(NULL, buffer_text(&entry));
        }
        buffer_free(&entry);
        if (transfer->addresses == NULL ||
            curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, transfer->addresses) !=
                CURLE_OK) {
            end_later(transfer, ERROR_MEMORY, "");
            return;
        }
    }
    set_state(transfer, STATE_WAITING);
    *transfer->client->waiting_end = transfer;
    transfer->client->waiting_end = &transfer->waiting_next;
    start_waiting(transfer->client);
}

/* As many as there may be connections. */
static void start_waiting(struct http_client *client)
{
    while (client->waiting != NULL && client->running_count < client->max_running) {
        struct http_transfer *transfer = client->waiting;
        leave_waiting(transfer);
        if (curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK) {
            end_later(transfer, ERROR_MEMORY, "");
            continue;
        }
        transfer->is_added = true;
        client->running_count++;
        set_state(transfer, STATE_RUNNING);
    }
}

/* Neither start() nor end_later() calls anybody back, so the list of transfers stands
 * still. */
static void on_host(const char *name, int error, const char *addresses, void *arg)
{
    struct http_client *client = arg;
    char detail[CURL_ERROR_SIZE];
    text_format(detail, sizeof(detail), "the %sname '%.200s' can't be looked up: %s",
                client->proxy != NULL ? "proxy's " : "", name, error_text(error));
    for (struct http_transfer *at = client->transfers; at != NULL; at = at->next) {
        if (at->state != STATE_RESOLVING || !text_equal_nocase(at->host_name, name)) {
            continue;
        }
        if (error == ERROR_NONE) {
            start(at, addresses);
        } else {
            at->is_proxy = client->proxy != NULL;
            end_later(at, error, detail);
        }
    }
}

/* Starts TRANSFER, or lets it wait for its host's addresses. */
static int look_up(struct http_transfer *transfer)
{
    struct http_client *client = transfer->client;
    struct address literal;
    if (transfer->host_name[0] == '[' ||
        address_parse(transfer->host_name, 443, &literal) == ERROR_NONE) {
        start(transfer, NULL);
        return ERROR_NONE;
    }
    const char *addresses = host_cache_find(client->hosts, transfer->host_name);
    if (addresses == NULL) {
        return host_cache_look_up(client->hosts, transfer->host_name);
    }
    start(transfer, addresses);
    return ERROR_NONE;
}

/* What libcurl calls. */

static size_t on_body(char *data, size_t unit, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    size_t size = unit * count;
    if (buffer_append(&transfer->body, data, size) == ERROR_NONE) {
        return size;
    }
    transfer->error = transfer->body.error;
    return 0;
}

static size_t on_header(char *data, size_t unit, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    size_t size = unit * count;
    int error = http_fields_take(&transfer->fields, data, size);
    if (error == ERROR_NONE) {
        return size;
    }
    transfer->error = error;
    return 0;
}

/* Our callbacks did not take what came. libcurl calls that a failure to write. */
static void explain_refusal(struct http_transfer *transfer)
{
    if (transfer->error != ERROR_LIMIT) {
        transfer->detail[0] = '\0'; /* the error says it */
    } else if (transfer->body.error == ERROR_LIMIT) {
        text_format(transfer->detail, sizeof(transfer->detail),
                    "the response is larger than %zu bytes", transfer->max_body_bytes);
    } else {
        text_format(transfer->detail, sizeof(transfer->detail),
                    "the response has too many or too large headers");
    }
}

static void end(struct http_transfer *transfer, CURLcode code)
{
    long status = 0;
    int error = http_client_judge(transfer, code);
    if (transfer->error == ERROR_NONE) {
        transfer->error = error;
        if (transfer->error != ERROR_NONE && transfer->detail[0] == '\0') {
            text_format(transfer->detail, sizeof(transfer->detail), "%s",
                        curl_easy_strerror(code));
        }
    } else {
        explain_refusal(transfer);
    }
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT) {
        host_cache_forget(transfer->client->hosts, transfer->host_name);
    }
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    deliver(transfer, (int)status);
}

static void take_ended(struct http_client *client)
{
    int left = 0;
    for (;;) {
        const CURLMsg *message = curl_multi_info_read(client->multi, &left);
        if (message == NULL) {
            return;
        }
        char *owner = NULL;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner) ==
                CURLE_OK) {
            end((struct http_transfer *)(void *)owner, message->data.result);
        }
    }
}

static void on_socket(int fd, unsigned events, void *arg)
{
    struct http_client *client = ((struct socket_watch *)arg)->client;
    int flags = ((events & LOOP_READ) != 0 ? CURL_CSELECT_IN : 0) |
                ((events & LOOP_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    int running = 0;
    curl_multi_socket_action(client->multi, fd, flags, &running);
    take_ended(client);
}

static void on_timer(void *arg)
{
    struct http_client *client = arg;
    int running = 0;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ended(client);
}

static int on_timer_wanted(CURLM *multi, long delay_ms, void *arg)
{
    struct http_client *client = arg;
    (void)multi;
    if (delay_ms < 0) {
        loop_timer_cancel(client->timer);
    } else {
        loop_timer_set(client->timer, delay_ms);
    }
    return 0;
}

static void socket_watch_free(struct socket_watch *entry)
{
    if (entry->previous != NULL) {
        entry->previous->next = entry->next;
    } else {
        entry->client->sockets = entry->next;
    }
    if (entry->next != NULL) {
        entry->next->previous = entry->previous;
    }
    loop_watch_free(entry->watch);
    free(entry);
}

static struct socket_watch *socket_watch_new(struct http_client *client, int fd,
                                             unsigned events)
{
    struct socket_watch *entry = calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return NULL;
    }
    entry->client = client;
    if (loop_watch_new(client->loop, fd, events, on_socket, entry, &entry->watch) !=
        ERROR_NONE) {
        free(entry);
        return NULL;
    }
    entry->next = client->sockets;
    if (entry->next != NULL) {
        entry->next->previous = entry;
    }
    client->sockets = entry;
    curl_multi_assign(client->multi, fd, entry);
    return entry;
}

/* A socket that could not be watched for want of memory runs into its transfer's
 * deadline: a -1 from here would make libcurl give up all transfers for ever. */
static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg,
                            void *socket_arg)
{
    struct http_client *client = arg;
    struct socket_watch *entry = socket_arg;
    unsigned events =
        (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? LOOP_READ : 0U) |
        (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? LOOP_WRITE : 0U);
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (entry != NULL) {
            curl_multi_assign(client->multi, fd, NULL);
            socket_watch_free(entry);
        }
    } else if (entry == NULL) {
        (void)socket_watch_new(client, fd, events);
    } else if (loop_watch_set(entry->watch, events) != ERROR_NONE) {
        curl_multi_assign(client->multi, fd, NULL);
        socket_watch_free(entry);
    }
    return 0;
}

/* Where libcurl puts what comes. */
static int set_callbacks(struct http_transfer *transfer)
{
    CURL *easy = transfer->easy;
    bool is_good =
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK;
    return is_good ? ERROR_NONE : ERROR_MEMORY;
}

static int transfer_new(struct http_client *client, const struct http_request *request,
                        struct http_transfer **ret_transfer)
{
    struct http_transfer *transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL) {
        return ERROR_MEMORY;
    }
    transfer->client = client;
    transfer->max_body_bytes = request->max_response_bytes;
    transfer->body = buffer_init(request->max_response_bytes);
    http_fields_init(&transfer->fields, HEADERS_MAX_BYTES);
    int error = loop_timer_new(client->loop, on_deadline, transfer, &transfer->deadline);
    if (error == ERROR_NONE) {
        error = http_client_parse_url(transfer, request->url);
    }
    if (error == ERROR_NONE) {
        transfer->easy = curl_easy_init();
        error = transfer->easy == NULL ? ERROR_MEMORY : http_client_set_policy(transfer);
    }
    if (error == ERROR_NONE) {
        error = set_callbacks(transfer);
    }
    if (error == ERROR_NONE) {
        error = http_client_set_request(transfer, request);
    }
    if (error != ERROR_NONE) {
        transfer_free(transfer);
        return error;
    }
    *ret_transfer = transfer;
    return ERROR_NONE;
}

int http_client_send(struct http_client *client, const struct http_request *request,
                     http_client_fn *fn, void *arg, struct http_transfer **ret_transfer)
{
    struct http_transfer *transfer = NULL;
    int error = transfer_new(client, request, &transfer);
    if (error != ERROR_NONE) {
        return error;
    }
    transfer->fn = fn;
    transfer->arg = arg;
    transfer->next = client->transfers;
    if (transfer->next != NULL) {
        transfer->next->previous = transfer;
    }
    client->transfers = transfer;
    loop_timer_set(transfer->deadline, client->total_ms);
    error = look_up(transfer);
    if (error != ERROR_NONE) {
        transfer_free(transfer);
        return error;
    }
    *ret_transfer = transfer;
    return ERROR_NONE;
}

void http_client_cancel(struct http_transfer *transfer)
{
    if (transfer != NULL && !transfer->is_delivering) {
        transfer_free(transfer);
    }
}

static int open_multi(struct http_client *client, unsigned max_connections)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ERROR_MEMORY;
    }
    client->has_library = true;
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
        return ERROR_MEMORY;
    }
    long max = (long)max_connections;
    bool is_good =
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted) ==
            CURLM_OK &&
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client) == CURLM_OK &&
        curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted) ==
            CURLM_OK &&
        curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client) == CURLM_OK &&
        curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) ==
            CURLM_OK &&
        curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, max) == CURLM_OK;
    return is_good ? ERROR_NONE : ERROR_MEMORY;
}

static int copy_options(struct http_client *client,
                        const struct http_client_options *options)
{
    const char *agent = options->user_agent != NULL ? options->user_agent : "latchkey";
    client->resolver = options->resolver;
    client->connect_ms = options->connect_ms;
    client->total_ms = options->total_ms;
    client->http1 = options->http1;
    client->ignore_dates = options->ignore_dates;
    client->user_agent = strdup(agent);
    if (client->user_agent == NULL) {
        return ERROR_MEMORY;
    }
    if (options->proxy != NULL) {
        int error = http_client_copy_proxy(client, options->proxy);
        if (error != ERROR_NONE) {
            return error;
        }
    }
    if (options->ca_file == NULL) {
        return ERROR_NONE;
    }
    if (access(options->ca_file, R_OK) != 0) {
        return ERROR_IO;
    }
    client->ca_file = strdup(options->ca_file);
    return client->ca_file == NULL ? ERROR_MEMORY : ERROR_NONE;
}

int http_client_new(struct loop *loop, const struct http_client_options *options,
                    struct http_client **ret_client)
{
    if (options->max_connections == 0 || options->connect_ms == 0 ||
        options->total_ms == 0) {
        return ERROR_RANGE;
    }
    struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return ERROR_MEMORY;
    }
    client->loop = loop;
    client->waiting_end = &client->waiting;
    client->max_running = options->max_connections;
    int error = copy_options(client, options);
    if (error == ERROR_NONE) {
        error = loop_timer_new(loop, on_timer, client, &client->timer);
    }
    if (error == ERROR_NONE) {
        error = host_cache_new(client->resolver, on_host, client, &client->hosts);
    }
    if (error == ERROR_NONE) {
        error = open_multi(client, options->max_connections);
    }
    if (error != ERROR_NONE) {
        int saved = errno;
        http_client_free(client);
        errno = saved;
        return error;
    }
    *ret_client = client;
    return ERROR_NONE;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL) {
        return;
    }
    client->max_running = 0; /* none that waits is started any more */
    while (client->transfers != NULL) {
        transfer_free(client->transfers);
    }
    host_cache_free(client->hosts);
    if (client->multi != NULL) {
        curl_multi_cleanup(client->multi);
    }
    while (client->sockets != NULL) {
        socket_watch_free(client->sockets);
    }
    if (client->has_library) {
        curl_global_cleanup();
    }
    loop_timer_free(client->timer);
    free(client->ca_file);
    free(client->user_agent);
    free(client->proxy);
    free(client);
}

const char *http_response_header(const struct http_response *response, const char *name,
                                 size_t index)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (text_equal_nocase(response->headers[i].name, name)) {
            if (index == 0) {
                return response->headers[i].value;
            }
            index--;
        }
    }
    return NULL;
}
