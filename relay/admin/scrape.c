/* HTTP/1.1 with Connection: close, so that the response ends with the connection; our own
 * server always gives a Content-Length, which is not needed for that. */
#include "relay/admin/scrape.h"

#include "base/core/text.h"
#include "base/net/loopback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 16384 };

struct scrape {
    struct loop *loop;
    struct address address;
    int64_t max_ms;
    scrape_fn *fn;
    void *arg;
    struct loop_watch *watch;
    struct loop_timer *deadline;
    int fd; /* -1: nothing is under way */
    char request[256];
    bool is_sent;
    struct buffer response;
};

static void close_socket(struct scrape *scrape)
{
    loop_watch_free(scrape->watch);
    scrape->watch = NULL;
    loop_timer_cancel(scrape->deadline);
    if (scrape->fd >= 0) {
        close(scrape->fd);
    }
    scrape->fd = -1;
}

/* The status and where the body starts; 0 when it is no HTTP response. */
static int read_response(const struct buffer *response, struct bytes *ret_body)
{
    const char *text = buffer_text(response);
    const char *end = strstr(text, "\r\n\r\n");
    char digits[4] = "";
    uint64_t status = 0;
    if (!text_starts_with(text, "HTTP/1.1 ") || end == NULL || strlen(text) < 12) {
        return 0;
    }
    memcpy(digits, text + 9, 3);
    if (text_u64(digits, 599, &status) != 0 || status < 100) {
        return 0;
    }
    size_t head = (size_t)(end + 4 - text);
    *ret_body = (struct bytes){response->data + head, response->size - head};
    return (int)status;
}

static void finish(struct scrape *scrape, bool good)
{
    struct bytes body = {(const uint8_t *)"", 0};
    struct buffer response = scrape->response;
    close_socket(scrape);
    scrape->response = buffer_init(SCRAPE_BYTES_MAX);
    int status = good && response.error == 0 ? read_response(&response, &body) : 0;
    scrape->fn(status, body, scrape->arg);
    buffer_free(&response);
}

static void on_deadline(void *arg)
{
    finish(arg, false);
}

static void send_request(struct scrape *scrape)
{
    size_t size = strlen(scrape->request);
    /* It fits into any socket buffer: sent whole, or the peer is no good. */
    if (send(scrape->fd, scrape->request, size, MSG_NOSIGNAL) != (ssize_t)size ||
        loop_watch_set(scrape->watch, LOOP_READ) != 0) {
        finish(scrape, false);
        return;
    }
    scrape->is_sent = true;
}

static void on_ready(int fd, unsigned events, void *arg)
{
    struct scrape *scrape = arg;
    char chunk[CHUNK_BYTES];
    (void)events;
    if (!scrape->is_sent) {
        send_request(scrape);
        return;
    }
    ssize_t size = recv(fd, chunk, sizeof(chunk), 0);
    if (size > 0) {
        if (buffer_append(&scrape->response, chunk, (size_t)size) != 0) {
            finish(scrape, false);
        }
    } else if (size == 0) {
        finish(scrape, true);
    } else if (errno != EAGAIN && errno != EINTR) {
        finish(scrape, false);
    }
}

int scrape_new(struct loop *loop, const char *listen_at, int64_t max_ms, scrape_fn *fn,
               void *arg, struct scrape **ret_scrape)
{
    struct scrape *scrape = calloc(1, sizeof(*scrape));
    if (scrape == NULL) {
        return ERROR_MEMORY;
    }
    scrape->loop = loop;
    scrape->max_ms = max_ms;
    scrape->response = buffer_init(SCRAPE_BYTES_MAX);
    scrape->fn = fn;
    scrape->arg = arg;
    scrape->fd = -1;
    int error = loopback_parse(listen_at, &scrape->address);
    if (error == 0) {
        error = loop_timer_new(loop, on_deadline, scrape, &scrape->deadline);
    }
    if (error != 0) {
        scrape_free(scrape);
        return error;
    }
    *ret_scrape = scrape;
    return 0;
}

void scrape_free(struct scrape *scrape)
{
    if (scrape == NULL) {
        return;
    }
    if (scrape->deadline != NULL) {
        close_socket(scrape);
    }
    loop_timer_free(scrape->deadline);
    buffer_free(&scrape->response);
    free(scrape);
}

void scrape_get(struct scrape *scrape, const char *path)
{
    int family = scrape->address.storage.ss_family;
    if (scrape->fd >= 0) {
        return;
    }
    scrape->is_sent = false;
    loop_timer_set(scrape->deadline, scrape->max_ms);
    if (!text_format(scrape->request, sizeof(scrape->request),
                     "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                     path)) {
        return; /* the deadline tells of it */
    }
    scrape->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (scrape->fd < 0 ||
        (connect(scrape->fd, (const struct sockaddr *)&scrape->address.storage,
                 scrape->address.size) != 0 &&
         errno != EINPROGRESS) ||
        loop_watch_new(scrape->loop, scrape->fd, LOOP_WRITE, on_ready, scrape,
                       &scrape->watch) != 0) {
        loop_timer_set(scrape->deadline, 0);
    }
}
