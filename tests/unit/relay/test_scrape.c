/* Whoever answers in a role's place is taken in bounds, or not at all. */
#include "relay/admin/scrape.h"

#include "base/core/text.h"
#include "tests/unit/net/pump.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONG_MS = 60000, SHORT_MS = 20, FILLER = SCRAPE_BYTES_MAX };

/* Stands in the role's place: reads a request, and answers with bytes that the test chose. */
struct peer {
    int listener;
    int fd; /* -1: nobody has come */
    struct loop_watch *listening;
    struct loop_watch *talking;
    char request[512];
    size_t request_size;
    const char *answer; /* NULL: none, and the connection stays open */
    size_t answer_size;
    size_t sent;
    unsigned count; /* of connections */
};

struct fixture {
    struct loop *loop;
    struct peer peer;
    char listen_at[32];
    struct scrape *scrape;
    bool again; /* asks once more from within its callback */
    unsigned told;
    int status;
    char body[64]; /* its start */
    size_t body_size;
};

static void hang_up(struct peer *peer)
{
    loop_watch_free(peer->talking);
    peer->talking = NULL;
    if (peer->fd >= 0) {
        close(peer->fd);
    }
    peer->fd = -1;
}

static void talk(int fd, unsigned events, void *arg)
{
    struct fixture *fixture = arg;
    struct peer *peer = &fixture->peer;
    ssize_t size = 0;
    if ((events & LOOP_WRITE) != 0) {
        size = send(fd, peer->answer + peer->sent, peer->answer_size - peer->sent,
                    MSG_NOSIGNAL | MSG_DONTWAIT);
        peer->sent += size > 0 ? (size_t)size : 0;
        if (size < 0 || peer->sent == peer->answer_size) {
            hang_up(peer);
        }
        return;
    }
    size = recv(fd, peer->request + peer->request_size,
                sizeof(peer->request) - peer->request_size - 1, MSG_DONTWAIT);
    if (size <= 0) {
        hang_up(peer);
        return;
    }
    peer->request_size += (size_t)size;
    peer->request[peer->request_size] = '\0';
    if (strstr(peer->request, "\r\n\r\n") != NULL && peer->answer != NULL) {
        assert_int_equal(loop_watch_set(peer->talking, LOOP_WRITE), 0);
    }
}

static void take_call(int fd, unsigned events, void *arg)
{
    struct fixture *fixture = arg;
    struct peer *peer = &fixture->peer;
    (void)events;
    hang_up(peer);
    peer->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(peer->fd >= 0);
    peer->request_size = peer->sent = 0;
    peer->count++;
    assert_int_equal(
        loop_watch_new(fixture->loop, peer->fd, LOOP_READ, talk, fixture, &peer->talking),
        0);
}

static void on_scrape(int status, struct bytes body, void *arg)
{
    struct fixture *fixture = arg;
    size_t shown =
        body.size < sizeof(fixture->body) - 1 ? body.size : sizeof(fixture->body) - 1;
    fixture->told++;
    fixture->status = status;
    fixture->body_size = body.size;
    memcpy(fixture->body, body.data, shown);
    fixture->body[shown] = '\0';
    if (fixture->again) {
        fixture->again = false;
        scrape_get(fixture->scrape, "/again");
    }
}

static void start(struct fixture *fixture, int64_t max_ms)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    *fixture = (struct fixture){.peer = {.fd = -1}};
    assert_int_equal(loop_new(&fixture->loop), 0);
    fixture->peer.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(fixture->peer.listener, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fixture->peer.listener, 4), 0);
    assert_int_equal(
        getsockname(fixture->peer.listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(loop_watch_new(fixture->loop, fixture->peer.listener, LOOP_READ,
                                    take_call, fixture, &fixture->peer.listening),
                     0);
    assert_true(text_format(fixture->listen_at, sizeof(fixture->listen_at),
                            "127.0.0.1:%u", (unsigned)ntohs(address.sin_port)));
    assert_int_equal(scrape_new(fixture->loop, fixture->listen_at, max_ms, on_scrape,
                                fixture, &fixture->scrape),
                     0);
}

static void stop_peer(struct fixture *fixture)
{
    hang_up(&fixture->peer);
    loop_watch_free(fixture->peer.listening);
    fixture->peer.listening = NULL;
    if (fixture->peer.listener >= 0) {
        close(fixture->peer.listener);
    }
    fixture->peer.listener = -1;
}

static void stop(struct fixture *fixture)
{
    scrape_free(fixture->scrape);
    stop_peer(fixture);
    loop_free(fixture->loop);
}

static bool is_told(void *arg)
{
    const struct fixture *fixture = arg;
    return fixture->told > 0;
}

static bool is_told_twice(void *arg)
{
    const struct fixture *fixture = arg;
    return fixture->told > 1;
}

static void get(struct fixture *fixture, const char *answer, size_t size)
{
    fixture->told = 0;
    fixture->peer.answer = answer;
    fixture->peer.answer_size = size;
    scrape_get(fixture->scrape, "/metrics");
    assert_int_equal(fixture->told, 0);
    assert_true(pump_until(fixture->loop, is_told, fixture));
    assert_int_equal(fixture->told, 1);
}

static void test_answers(void **state)
{
    static const struct {
        const char *answer;
        int status;
        const char *body;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nx 1\n", 200, "x 1\n"},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\nthe store is gone\n", 503,
         "the store is gone\n"},
        {"HTTP/1.1 204 \r\n\r\n", 204, ""},
        {"HTTP/1.1 200 OK\r\n\r\n\r\n\r\n", 200, "\r\n\r\n"},
        /* None of HTTP's. */
        {"", 0, ""},
        {"HTTP/1.1 200 OK\r\n", 0, ""},
        {"HTTP/1.1 200 OK\n\nx 1\n", 0, ""},
        {"HTTP/1.0 200 OK\r\n\r\nx 1\n", 0, ""},
        {"HTTP/1.1 2\r\n\r\n", 0, ""},
        {"HTTP/1.1 \r\n\r\n", 0, ""},
        {"HTTP/1.1 099 OK\r\n\r\nx 1\n", 0, ""},
        {"HTTP/1.1 600 OK\r\n\r\nx 1\n", 0, ""},
        {"HTTP/1.1 -20 OK\r\n\r\nx 1\n", 0, ""},
        {"HTTP/1.1 2x0 OK\r\n\r\nx 1\n", 0, ""},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, ""},
    };
    struct fixture fixture;
    (void)state;
    start(&fixture, LONG_MS);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        get(&fixture, rows[i].answer, strlen(rows[i].answer));
        assert_int_equal(fixture.status, rows[i].status);
        assert_string_equal(fixture.body, rows[i].body);
    }
    assert_string_equal(fixture.peer.request, "GET /metrics HTTP/1.1\r\nHost: "
                                              "localhost\r\nConnection: close\r\n\r\n");
    stop(&fixture);
}

/* A NUL ends no head, and does not cut a body. */
static void test_zeros(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\0\r\n\r\nx 1\n";
    static const char body[] = "HTTP/1.1 200 OK\r\n\r\nx\0y";
    struct fixture fixture;
    (void)state;
    start(&fixture, LONG_MS);
    get(&fixture, head, sizeof(head) - 1);
    assert_int_equal(fixture.status, 0);
    get(&fixture, body, sizeof(body) - 1);
    assert_int_equal(fixture.status, 200);
    assert_memory_equal(fixture.body, "x\0y", 4);
    stop(&fixture);
}

static void test_size(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    const size_t head_size = sizeof(head) - 1;
    char *answer = malloc(FILLER + 1);
    struct fixture fixture;
    (void)state;
    assert_non_null(answer);
    memset(answer, 'x', FILLER + 1);
    memcpy(answer, head, head_size);
    start(&fixture, LONG_MS);
    get(&fixture, answer, SCRAPE_BYTES_MAX);
    assert_int_equal(fixture.status, 200);
    assert_int_equal(fixture.body_size, SCRAPE_BYTES_MAX - head_size);
    get(&fixture, answer, SCRAPE_BYTES_MAX + 1);
    assert_int_equal(fixture.status, 0);
    assert_int_equal(fixture.body_size, 0);
    /* The next one is not hurt by it. */
    get(&fixture, head, head_size);
    assert_int_equal(fixture.status, 200);
    stop(&fixture);
    free(answer);
}

static void test_nobody_and_silence(void **state)
{
    struct fixture fixture;
    (void)state;
    start(&fixture, SHORT_MS);
    get(&fixture, NULL, 0); /* says nothing */
    assert_int_equal(fixture.status, 0);
    stop_peer(&fixture);
    get(&fixture, NULL, 0); /* nobody listens */
    assert_int_equal(fixture.status, 0);
    stop(&fixture);
}

/* One at a time; and whoever was told may ask again at once. */
static void test_again(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\nx 1\n";
    struct fixture fixture;
    (void)state;
    start(&fixture, LONG_MS);
    fixture.again = true;
    fixture.peer.answer = answer;
    fixture.peer.answer_size = sizeof(answer) - 1;
    scrape_get(fixture.scrape, "/metrics");
    scrape_get(fixture.scrape, "/metrics");
    assert_true(pump_until(fixture.loop, is_told_twice, &fixture));
    assert_int_equal(fixture.peer.count, 2);
    assert_int_equal(fixture.status, 200);
    assert_string_equal(fixture.body, "x 1\n");
    assert_non_null(strstr(fixture.peer.request, "GET /again "));
    /* Freed while one is under way: nobody is told. */
    fixture.told = 0;
    scrape_get(fixture.scrape, "/metrics");
    scrape_free(fixture.scrape);
    fixture.scrape = NULL;
    pump_for(fixture.loop, 5);
    assert_int_equal(fixture.told, 0);
    stop(&fixture);
}

static void test_addresses(void **state)
{
    struct scrape *scrape = NULL;
    struct loop *loop = NULL;
    (void)state;
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(scrape_new(loop, "192.0.2.1:80", 1, on_scrape, NULL, &scrape),
                     ERROR_DENIED);
    assert_int_equal(scrape_new(loop, "nonsense", 1, on_scrape, NULL, &scrape),
                     ERROR_SYNTAX);
    assert_null(scrape);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_size),    cmocka_unit_test(test_nobody_and_silence),
        cmocka_unit_test(test_again),   cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
