#include "base/net/acceptor.h"

#include "tests/unit/net/peer.h"

#include <fcntl.h>
#include <netinet/tcp.h>

enum { MANY = 200 };

static unsigned accepted_count;
static struct address last_peer;

static void on_accepted(int fd, const struct address *peer, void *arg)
{
    int on = 0;
    socklen_t size = sizeof(on);
    (void)arg;
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    assert_int_equal(on, 1);
    accepted_count++;
    last_peer = *peer;
    close(fd);
}

static bool are_all_accepted(void *arg)
{
    return accepted_count == *(const unsigned *)arg;
}

static void test_accepts(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    struct acceptor *acceptor = NULL;
    struct address address;
    static struct peer peers[MANY];
    uint16_t port = 0;
    uint16_t other_port = 0;
    unsigned expected = MANY;
    char text[ADDRESS_TEXT_CAPACITY];
    accepted_count = 0;
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(acceptor_new(loop, on_accepted, NULL, &acceptor), 0);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &address), 0);
    assert_int_equal(acceptor_listen(acceptor, &address, &port), 0);
    assert_int_equal(acceptor_listen(acceptor, &address, &other_port), 0);
    assert_true(port != 0 && other_port != 0 && port != other_port);
    for (unsigned i = 0; i < MANY; i++) {
        peer_open_from(&peers[i], "127.0.0.9", i % 2 == 0 ? port : other_port, false, "");
    }
    assert_true(pump_until(loop, are_all_accepted, &expected));
    address_host_text(&last_peer, text);
    assert_string_equal(text, "127.0.0.9");
    for (unsigned i = 0; i < MANY; i++) {
        peer_close(&peers[i]);
    }
    /* A port that is taken is errno's to explain. */
    address_set_port(&address, port);
    assert_int_equal(acceptor_listen(acceptor, &address, NULL), ERROR_IO);
    assert_int_equal(errno, EADDRINUSE);
    acceptor_free(acceptor);
    acceptor_free(NULL);
    loop_free(loop);
}

/* A descriptor from elsewhere, without the options that ours have. */
static void test_takes_over(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    struct acceptor *acceptor = NULL;
    struct peer peer;
    struct sockaddr_in own = {.sin_family = AF_INET};
    socklen_t size = sizeof(own);
    unsigned expected = 1;
    accepted_count = 0;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(acceptor_new(loop, on_accepted, NULL, &acceptor), 0);
    assert_int_equal(acceptor_listen_fd(acceptor, -1), ERROR_IO);
    assert_int_equal(acceptor_listen_fd(acceptor, fd), 0);
    peer_open(&peer, ntohs(own.sin_port), false, "");
    assert_true(pump_until(loop, are_all_accepted, &expected));
    peer_close(&peer);
    acceptor_free(acceptor);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_takes_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
