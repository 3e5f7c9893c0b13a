#include "tests/unit/dns/served.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { LOOK_MS = 5, RECEIVE_S = 10 };

static void must(bool well, const char *what)
{
    if (!well) {
        fprintf(stderr, "served: %s: %s\n", what, strerror(errno));
        abort();
    }
}

void served_defaults(struct served *served)
{
    memset(served, 0, sizeof(*served));
    served->options = (struct dns_listen_options){.max_connections = 64,
                                                  .max_connections_per_source = 64,
                                                  .idle_ms = 20000,
                                                  .partial_ms = 20000};
}

/* Another thread may not stop the loop; it is asked to look. */
static void on_look(void *arg)
{
    struct served *served = arg;
    if (atomic_load(&served->stopping)) {
        loop_stop(served->loop);
    } else {
        loop_timer_set(served->timer, LOOK_MS);
    }
}

static void *run(void *arg)
{
    struct served *served = arg;
    must(loop_run(served->loop) == 0, "loop_run");
    return NULL;
}

void served_open(struct served *served, const char *address)
{
    size_t failed = 0;
    fixture_open(&served->fixture);
    must(address_parse(address, 0, &served->address) == 0, address);
    served->options.addresses = &served->address;
    served->options.address_count = 1;
    must(loop_new(&served->loop) == 0, "loop_new");
    must(loop_timer_new(served->loop, on_look, served, &served->timer) == 0, "timer");
    loop_timer_set(served->timer, LOOK_MS);
    must(dns_listen_new(served->loop, &served->fixture.view, served->fixture.probes,
                        &served->options, &failed, &served->listen) == 0,
         "dns_listen_new");
    must(pthread_create(&served->thread, NULL, run, served) == 0, "pthread_create");
}

void served_close(struct served *served)
{
    atomic_store(&served->stopping, true);
    pthread_join(served->thread, NULL);
    dns_listen_free(served->listen);
    loop_timer_free(served->timer);
    loop_free(served->loop);
    fixture_close(&served->fixture);
}

int served_connect(const struct served *served, int type, const char *host)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons(dns_listen_port(served->listen, 0))};
    struct timeval timeout = {.tv_sec = RECEIVE_S};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    must(fd >= 0 && inet_pton(AF_INET, host, &v4.sin_addr) == 1, "socket");
    must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0,
         "SO_RCVTIMEO");
    must(connect(fd, (const struct sockaddr *)&v4, sizeof(v4)) == 0, "connect");
    return fd;
}

bool served_send(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent < 0) {
            return false;
        }
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t got = recv(fd, data, size, 0);
        must(got >= 0 || errno == ECONNRESET, "no answer within 10 s");
        if (got <= 0) {
            return false;
        }
        data += got;
        size -= (size_t)got;
    }
    return true;
}

size_t served_receive(int fd, uint8_t *ret_message, size_t capacity)
{
    uint8_t frame[2];
    if (!receive_all(fd, frame, sizeof(frame))) {
        return 0;
    }
    size_t size = (size_t)frame[0] << 8 | frame[1];
    must(size > 0 && size <= capacity, "a message that is too long");
    return receive_all(fd, ret_message, size) ? size : 0;
}

size_t served_query(const char *name, uint16_t type, uint16_t id, uint8_t *ret_query)
{
    size_t size = fixture_query(name, type, 1232, ret_query + 2);
    ret_query[0] = (uint8_t)(size >> 8);
    ret_query[1] = (uint8_t)size;
    ret_query[2] = (uint8_t)(id >> 8);
    ret_query[3] = (uint8_t)id;
    return size + 2;
}
