/* The fixture's zone on real sockets: the loop runs in a thread of its own, so that tests
 * may block. */
#ifndef TESTS_UNIT_DNS_SERVED_H
#define TESTS_UNIT_DNS_SERVED_H

#include "tests/unit/dns/fixture.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

struct served {
    struct fixture fixture;
    struct loop *loop;
    struct loop_timer *timer;
    struct dns_listen *listen;
    struct dns_listen_options options;
    struct address address;
    pthread_t thread;
    atomic_bool stopping;
};

/* What tests change before served_open; generous deadlines and caps. */
void served_defaults(struct served *served);
/* Serves at ADDRESS ("127.0.0.1:0"); aborts on failure. */
void served_open(struct served *served, const char *address);
void served_close(struct served *served);
/* A socket of TYPE (SOCK_STREAM, SOCK_DGRAM) connected to the server at HOST; every
 * receive ends after 10 s. */
int served_connect(const struct served *served, int type, const char *host);
/* Writes all of it. False when the peer is gone. */
bool served_send(int fd, const void *data, size_t size);
/* Reads one framed message; its size, 0 at the end of the connection. */
size_t served_receive(int fd, uint8_t *ret_message, size_t capacity);
/* Writes the framed query for NAME behind RET_QUERY; its size with the frame. */
size_t served_query(const char *name, uint16_t type, uint16_t id, uint8_t *ret_query);

#endif
