/* A name server for tests, UDP and TCP on one loopback port, that answers by rules of its
 * own:
 *   a.test, *.lan.test A 127.0.0.1   six.test AAAA ::1, no A
 *   nodata.test nothing of the type  none.test NXDOMAIN
 *   refused.test REFUSED   silent.test nothing   txt.test three TXT records
 *   large.test 20 TXT records, truncated over UDP   tcp.test TXT over TCP only */
#ifndef TESTS_UNIT_NET_RESPONDER_H
#define TESTS_UNIT_NET_RESPONDER_H

#include "base/core/reader.h"
#include "base/core/text.h"
#include "base/core/writer.h"
#include "base/net/address.h"
#include "tests/unit/net/pump.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RESPONDER_CONNECTIONS = 8,
    RESPONDER_PORTS = 16,
    TYPE_A = 1,
    TYPE_TXT = 16,
    TYPE_AAAA = 28
};

struct responder_connection {
    int fd;
    struct loop_watch *watch;
};

struct responder {
    struct loop *loop;
    int udp;
    int tcp;
    struct loop_watch *udp_watch;
    struct loop_watch *tcp_watch;
    struct responder_connection connections[RESPONDER_CONNECTIONS];
    struct address address;
    char text[ADDRESS_TEXT_CAPACITY];
    unsigned query_count;
    unsigned tcp_count;
    bool is_recursion_desired;       /* in the last query */
    uint16_t ports[RESPONDER_PORTS]; /* the first queries came from */
};

static inline void responder_record(struct writer *writer, uint16_t type,
                                    const void *data, size_t size)
{
    writer_u16(writer, 0xc00c); /* the question's name */
    writer_u16(writer, type);
    writer_u16(writer, 1);
    writer_u32(writer, 10);
    writer_u16(writer, (uint16_t)size);
    writer_bytes(writer, data, size);
}

/* Appends the answers for NAME; returns their number, or a negative RCODE. */
static inline int responder_answers(struct writer *writer, const char *name,
                                    uint16_t type, bool is_tcp)
{
    static const uint8_t v4[] = {127, 0, 0, 1};
    static const uint8_t v6[16] = {[15] = 1};
    if (strcmp(name, "none.test") == 0) {
        return -3;
    }
    if (strcmp(name, "refused.test") == 0) {
        return -5;
    }
    bool is_host = strcmp(name, "a.test") == 0 || text_ends_with(name, ".lan.test");
    if (is_host && type == TYPE_A) {
        responder_record(writer, type, v4, sizeof(v4));
        return 1;
    }
    if (strcmp(name, "six.test") == 0 && type == TYPE_AAAA) {
        responder_record(writer, type, v6, sizeof(v6));
        return 1;
    }
    if (strcmp(name, "txt.test") == 0 && type == TYPE_TXT) {
        responder_record(writer, type, "\x03one", 4);
        responder_record(writer, type, "\x03two\x00\x04 too", 10);
        responder_record(writer, type, "\x00", 1);
        return 3;
    }
    if (strcmp(name, "large.test") == 0 && type == TYPE_TXT && is_tcp) {
        for (unsigned i = 0; i < 20; i++) {
            responder_record(writer, type, "\x01x", 2);
        }
        return 20;
    }
    if (strcmp(name, "tcp.test") == 0 && type == TYPE_TXT && is_tcp) {
        responder_record(writer, type, "\x03tcp", 4);
        return 1;
    }
    return 0;
}

/* The answer to a QUERY of SIZE octets; 0: none. */
static inline size_t responder_answer(struct responder *responder, const uint8_t *query,
                                      size_t size, bool is_tcp, uint8_t *ret_data,
                                      size_t capacity)
{
    struct reader reader = reader_init(query, size);
    uint8_t records[2048];
    struct writer answers = writer_init(records, sizeof(records));
    char name[256] = "";
    uint16_t id = reader_u16(&reader);
    responder->is_recursion_desired = (reader_u16(&reader) & 0x0100) != 0;
    reader_u64(&reader);
    for (uint8_t label = reader_u8(&reader); label != 0; label = reader_u8(&reader)) {
        struct bytes text = reader_bytes(&reader, label);
        size_t used = strlen(name);
        assert_false(reader.failed);
        text_format(name + used, sizeof(name) - used, "%s%.*s", used > 0 ? "." : "",
                    (int)text.size, (const char *)text.data);
    }
    uint16_t type = reader_u16(&reader);
    reader_u16(&reader);
    assert_false(reader.failed);
    responder->query_count++;
    responder->tcp_count += is_tcp;
    if (strcmp(name, "silent.test") == 0) {
        return 0;
    }
    bool is_cut =
        !is_tcp && (strcmp(name, "large.test") == 0 || strcmp(name, "tcp.test") == 0);
    int count = responder_answers(&answers, name, type, is_tcp);
    struct writer writer = writer_init(ret_data, capacity);
    writer_u16(&writer, id);
    writer_u16(&writer,
               (uint16_t)(0x8400 | (is_cut ? 0x0200 : 0) | (count < 0 ? -count : 0)));
    writer_u16(&writer, 1);
    writer_u16(&writer, (uint16_t)(count > 0 ? count : 0));
    writer_u32(&writer, 0);
    writer_bytes(&writer, query + 12, size - 12 - reader_left(&reader));
    writer_bytes(&writer, records, writer_size(&answers));
    assert_false(writer.failed || answers.failed);
    return writer_size(&writer);
}

static inline void responder_on_udp(int fd, unsigned events, void *arg)
{
    struct responder *responder = arg;
    uint8_t query[512];
    uint8_t answer[2048];
    struct address peer = {.size = sizeof(peer.storage)};
    (void)events;
    ssize_t size = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&peer.storage,
                            &peer.size);
    assert_true(size > 12);
    if (responder->query_count < RESPONDER_PORTS) {
        responder->ports[responder->query_count] = address_port(&peer);
    }
    size_t answer_size =
        responder_answer(responder, query, (size_t)size, false, answer, sizeof(answer));
    if (answer_size > 0) {
        sendto(fd, answer, answer_size, 0, (struct sockaddr *)&peer.storage, peer.size);
    }
}

static inline void responder_on_stream(int fd, unsigned events, void *arg)
{
    struct responder *responder = arg;
    uint8_t query[514];
    uint8_t answer[2050];
    (void)events;
    ssize_t size = recv(fd, query, sizeof(query), 0);
    if (size > 14) { /* a query comes whole over loopback */
        size_t answer_size = responder_answer(responder, query + 2, (size_t)size - 2,
                                              true, answer + 2, sizeof(answer) - 2);
        answer[0] = (uint8_t)(answer_size >> 8);
        answer[1] = (uint8_t)answer_size;
        if (answer_size > 0) {
            (void)!send(fd, answer, answer_size + 2, MSG_NOSIGNAL);
        }
        return;
    }
    for (unsigned i = 0; i < RESPONDER_CONNECTIONS; i++) {
        if (responder->connections[i].watch != NULL &&
            responder->connections[i].fd == fd) {
            loop_watch_free(responder->connections[i].watch);
            responder->connections[i].watch = NULL;
            close(fd);
            return;
        }
    }
}

static inline void responder_on_accept(int fd, unsigned events, void *arg)
{
    struct responder *responder = arg;
    (void)events;
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (unsigned i = 0; accepted >= 0 && i < RESPONDER_CONNECTIONS; i++) {
        struct responder_connection *connection = &responder->connections[i];
        if (connection->watch == NULL) {
            connection->fd = accepted;
            assert_int_equal(loop_watch_new(responder->loop, accepted, LOOP_READ,
                                            responder_on_stream, responder,
                                            &connection->watch),
                             0);
            return;
        }
    }
    fail_msg("no place for a connection");
}

static inline void responder_open(struct responder *responder, struct loop *loop)
{
    *responder = (struct responder){.loop = loop};
    struct address *address = &responder->address;
    assert_int_equal(address_parse("127.0.0.1:0", 0, address), 0);
    assert_int_equal(address_listen(address, 8, &responder->tcp), 0);
    assert_int_equal(
        getsockname(responder->tcp, (struct sockaddr *)&address->storage, &address->size),
        0);
    responder->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(
        bind(responder->udp, (struct sockaddr *)&address->storage, address->size), 0);
    address_text(address, responder->text);
    assert_int_equal(loop_watch_new(loop, responder->udp, LOOP_READ, responder_on_udp,
                                    responder, &responder->udp_watch),
                     0);
    assert_int_equal(loop_watch_new(loop, responder->tcp, LOOP_READ, responder_on_accept,
                                    responder, &responder->tcp_watch),
                     0);
}

static inline void responder_close(struct responder *responder)
{
    for (unsigned i = 0; i < RESPONDER_CONNECTIONS; i++) {
        if (responder->connections[i].watch != NULL) {
            loop_watch_free(responder->connections[i].watch);
            close(responder->connections[i].fd);
        }
    }
    loop_watch_free(responder->udp_watch);
    loop_watch_free(responder->tcp_watch);
    close(responder->udp);
    close(responder->tcp);
}

#endif
