/* The UDP thread with its system calls replaced: what it does with batches that a kernel
 * gives only on bad days. */
#include "dns/udp.h"

#include "tests/unit/dns/fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { QUERIES = 8 };

/* What the next recvmmsg gives, and what sendmmsg was asked to send. */
static struct {
    struct {
        uint16_t port;
        const char *address; /* NULL: 0.0.0.0 */
        int flags;
        uint8_t data[512];
        size_t size;
    } queries[QUERIES];
    unsigned count;
    int errors[8]; /* of the next calls of sendmmsg: 0 sends one, < 0 sends all */
    unsigned calls;
    uint16_t sent[64]; /* IDs */
    bool truncated[64];
    unsigned sent_count;
    sem_t go;
    sem_t done;
    atomic_bool ending;
} kernel;

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned size, int flags,
                    struct timespec *timeout);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned size, int flags);

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned size, int flags,
                    struct timespec *timeout)
{
    static bool first = true;
    (void)fd;
    (void)timeout;
    /* While the test ends, nothing is waited for: the thread may come here any number of
     * times before it is told to stop. */
    if (!atomic_load(&kernel.ending)) {
        if (!first) {
            sem_post(&kernel.done);
        }
        first = false;
        sem_wait(&kernel.go);
    }
    if (atomic_load(&kernel.ending)) {
        errno = EAGAIN;
        first = true;
        return -1;
    }
    assert_true((flags & MSG_WAITFORONE) != 0 && size >= QUERIES);
    for (unsigned i = 0; i < kernel.count; i++) {
        struct msghdr *header = &messages[i].msg_hdr;
        struct sockaddr_in peer = {.sin_family = AF_INET,
                                   .sin_port = htons(kernel.queries[i].port)};
        if (kernel.queries[i].address != NULL) {
            assert_int_equal(
                inet_pton(AF_INET, kernel.queries[i].address, &peer.sin_addr), 1);
        }
        memcpy(header->msg_name, &peer, sizeof(peer));
        header->msg_namelen = sizeof(peer);
        header->msg_flags = kernel.queries[i].flags;
        memcpy(header->msg_iov[0].iov_base, kernel.queries[i].data,
               kernel.queries[i].size);
        messages[i].msg_len = (unsigned)kernel.queries[i].size;
    }
    return (int)kernel.count;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned size, int flags)
{
    (void)fd;
    (void)flags;
    int error = kernel.errors[kernel.calls % 8];
    unsigned count = error == 0 ? 1 : size;
    kernel.calls++;
    if (error > 0) {
        errno = error;
        return -1;
    }
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *answer = messages[i].msg_hdr.msg_iov[0].iov_base;
        kernel.truncated[kernel.sent_count] = (answer[2] & 0x02) != 0;
        kernel.sent[kernel.sent_count++] = (uint16_t)(answer[0] << 8 | answer[1]);
    }
    return (int)count;
}

static struct fixture fixture;
static struct dns_udp_shared shared;
static struct dns_udp *udp;

static void open_all(const struct dns_udp_shared *options)
{
    struct address address;
    memset(&kernel, 0, sizeof(kernel));
    sem_init(&kernel.go, 0, 0);
    sem_init(&kernel.done, 0, 0);
    fixture_open(&fixture);
    shared = *options;
    shared.view = &fixture.view;
    shared.probes = fixture.probes;
    pthread_mutex_init(&shared.lock, NULL);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &address), 0);
    assert_int_equal(dns_udp_new(&shared, &address, false, &udp), 0);
}

static int set_up(void **state)
{
    const struct dns_udp_shared options = {.view = NULL};
    (void)state;
    open_all(&options);
    return 0;
}

/* One answer a second, three at first. */
static int set_up_limited(void **state)
{
    static struct prefix monitoring;
    (void)state;
    assert_int_equal(prefix_parse("203.0.113.0/24", &monitoring), 0);
    const struct dns_udp_shared options = {.limit = {1, 3},
                                           .cookies = {.current = {5, 6}},
                                           .unlimited = &monitoring,
                                           .unlimited_count = 1};
    open_all(&options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    atomic_store(&kernel.ending, true);
    sem_post(&kernel.go);
    dns_udp_free(udp);
    pthread_mutex_destroy(&shared.lock);
    fixture_close(&fixture);
    return 0;
}

static void add_query(uint16_t port, int flags)
{
    unsigned i = kernel.count++;
    kernel.queries[i].port = port;
    kernel.queries[i].flags = flags;
    kernel.queries[i].size =
        fixture_query(FIXTURE_ZONE, DNS_TYPE_SOA, 1232, kernel.queries[i].data);
    kernel.queries[i].data[0] = 0;
    kernel.queries[i].data[1] = (uint8_t)i;
}

/* COUNT queries of addresses in NETWORK ("192.0.2."). */
static void add_queries_of(const char *network, unsigned count)
{
    static char texts[QUERIES][INET_ADDRSTRLEN];
    for (unsigned i = 0; i < count; i++) {
        char *text = texts[kernel.count];
        kernel.queries[kernel.count].address = text;
        (void)snprintf(text, sizeof(texts[0]), "%s%u", network, i + 1);
        add_query(1000, 0);
    }
}

/* Lets the thread take the batch, and waits until it has done so. */
static void run_batch(void)
{
    sem_post(&kernel.go);
    sem_wait(&kernel.done);
}

static void expect_sent(const uint16_t *ids, unsigned count)
{
    assert_int_equal(kernel.sent_count, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(kernel.sent[i], ids[i]);
    }
}

static void all_at_once(void)
{
    for (int i = 0; i < 8; i++) {
        kernel.errors[i] = -1;
    }
}

/* Port 0, a datagram that was cut, a runt: no answer, and no hole in what is sent. */
static void test_what_is_not_answered(void **state)
{
    static const uint16_t want[] = {1, 3, 6};
    (void)state;
    all_at_once();
    add_query(0, 0);
    add_query(1000, 0);
    add_query(1000, MSG_TRUNC);
    add_query(1000, 0);
    add_query(1000, 0);
    kernel.queries[4].size = 11;
    add_query(1000, 0);
    kernel.queries[5].data[2] |= 0x80;
    add_query(65535, 0);
    run_batch();
    expect_sent(want, 3);
    assert_int_equal(kernel.calls, 1);
    struct dns_tally_sum sum = {.silent = 0};
    dns_tally_add_up(dns_udp_tally(udp), &sum);
    assert_int_equal(dns_tally_answer_count(&sum), 3);
    assert_int_equal(sum.answers[DNS_TALLY_SOA][DNS_TALLY_NOERROR], 3);
    assert_int_equal(sum.silent, 4);
}

static void test_nothing_to_send(void **state)
{
    (void)state;
    all_at_once();
    add_query(0, 0);
    run_batch();
    assert_int_equal(kernel.calls, 0);
}

static void test_part_of_a_batch_is_sent(void **state)
{
    static const uint16_t want[] = {0, 1, 2};
    (void)state;
    add_query(1000, 0);
    add_query(1001, 0);
    add_query(1002, 0);
    run_batch();
    expect_sent(want, 3);
    assert_int_equal(kernel.calls, 3);
}

/* A peer that can't be sent to costs its own answer only. */
static void test_a_refused_peer(void **state)
{
    static const uint16_t want[] = {0, 2};
    (void)state;
    all_at_once();
    kernel.errors[0] = 0;
    kernel.errors[1] = EINVAL;
    add_query(1000, 0);
    add_query(1001, 0);
    add_query(1002, 0);
    run_batch();
    expect_sent(want, 2);
}

static void test_interrupted_and_full(void **state)
{
    static const uint16_t want[] = {0, 1};
    (void)state;
    all_at_once();
    kernel.errors[0] = EINTR;
    kernel.errors[1] = ENOBUFS;
    kernel.errors[2] = EAGAIN;
    add_query(1000, 0);
    add_query(1001, 0);
    run_batch();
    expect_sent(want, 2);
}

/* A queue that stays full must not hold the thread for ever: it gives up. */
static void test_always_full(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        kernel.errors[i] = ENOBUFS;
    }
    add_query(1000, 0);
    add_query(1001, 0);
    run_batch();
    assert_int_equal(kernel.sent_count, 0);
    all_at_once();
    run_batch();
    assert_int_equal(kernel.sent_count, 2);
}

static void expect_truncated(const bool *want)
{
    for (unsigned i = 0; i < kernel.sent_count; i++) {
        assert_int_equal(kernel.truncated[i], want[i]);
    }
}

/* Over the limit every second one is told to come by TCP; other networks don't notice. */
static void test_limit_of_a_network(void **state)
{
    static const uint16_t want[] = {0, 1, 2, 4, 6, 7};
    static const bool truncated[] = {false, false, false, true, true, false};
    (void)state;
    all_at_once();
    add_queries_of("198.51.100.", 7);
    add_queries_of("192.0.2.", 1);
    run_batch();
    expect_sent(want, 6);
    expect_truncated(truncated);
    struct dns_tally_sum sum = {.limited = 0};
    dns_tally_add_up(dns_udp_tally(udp), &sum);
    assert_int_equal(sum.limited, 4);
    assert_int_equal(sum.truncated, 2);
    assert_int_equal(sum.silent, 0);
}

static void test_no_limit_for_these(void **state)
{
    static const uint16_t want[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const bool truncated[QUERIES] = {false};
    (void)state;
    all_at_once();
    add_queries_of("127.0.0.", 4);
    add_queries_of("203.0.113.", 4);
    run_batch();
    expect_sent(want, 8);
    expect_truncated(truncated);
}

/* Puts a cookie that was given to ADDRESS into the INDEXth query. */
static void add_cookie(unsigned index, const char *address)
{
    uint8_t *data = kernel.queries[index].data;
    struct sockaddr_storage client = {.ss_family = AF_INET};
    struct timespec now;
    assert_int_equal(
        inet_pton(AF_INET, address, &((struct sockaddr_in *)&client)->sin_addr), 1);
    clock_gettime(CLOCK_REALTIME, &now);
    size_t size = kernel.queries[index].size;
    static const uint8_t head[] = {0, 28, 0, 10, 0, DNS_COOKIE_SIZE};
    memcpy(data + size - 2, head, sizeof(head));
    dns_cookie_make(&shared.cookies, (const uint8_t *)"12345678", &client, now.tv_sec,
                    data + size + 4);
    kernel.queries[index].size = size + 4 + DNS_COOKIE_SIZE;
}

static void test_cookie_exempts(void **state)
{
    static const uint16_t want[] = {0, 1, 2, 3, 5, 7};
    static const bool truncated[] = {false, false, false, false, true, false};
    struct timespec now;
    (void)state;
    all_at_once();
    clock_gettime(CLOCK_REALTIME, &now);
    shared.cookies.made_at = now.tv_sec; /* they don't turn now */
    add_queries_of("198.51.100.", 8);
    add_cookie(3, "198.51.100.4");
    add_cookie(5, "198.51.100.5"); /* somebody else's: no better than none */
    add_cookie(7, "198.51.100.8");
    run_batch();
    expect_sent(want, 6);
    expect_truncated(truncated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_not_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_to_send, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_part_of_a_batch_is_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_refused_peer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupted_and_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_always_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit_of_a_network, set_up_limited,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_no_limit_for_these, set_up_limited,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_cookie_exempts, set_up_limited, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
