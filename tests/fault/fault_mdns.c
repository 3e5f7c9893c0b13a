/* Every allocation of what agent and latchkey-mdns tell each other fails once, and every
 * call by which the agent asks the kernel for its addresses. */
#include "device/interfaces.h"
#include "device/mdns_message.h"

#include "tests/fault/allocation.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
/* After the standard headers it needs. */
#include <cmocka.h>

ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __real_recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from,
                        socklen_t *from_size);
int __real_socket(int domain, int type, int protocol);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from,
                        socklen_t *from_size);
int __wrap_socket(int domain, int type, int protocol);

static int calls_left = -1; /* before one fails; -1: none does */
static int failure = EIO;

static bool fails(void)
{
    if (calls_left < 0) {
        return false;
    }
    if (calls_left-- > 0) {
        return false;
    }
    errno = failure;
    return true;
}

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
    return fails() ? -1 : __real_send(fd, data, size, flags);
}

ssize_t __wrap_recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from,
                        socklen_t *from_size)
{
    return fails() ? -1 : __real_recvfrom(fd, data, size, flags, from, from_size);
}

int __wrap_socket(int domain, int type, int protocol)
{
    return fails() ? -1 : __real_socket(domain, type, protocol);
}

/* A failed question for the route costs the order, not the addresses: so every failure is
 * either told, or the table is whole. */
static void test_the_kernel_does_not_answer(void **state)
{
    (void)state;
    struct interfaces whole;
    assert_int_equal(interfaces_read(&whole), 0);
    size_t told = 0;
    for (int i = 0; i < 100; i++) {
        struct interfaces interfaces = {.count = 9999};
        calls_left = i;
        int error = interfaces_read(&interfaces);
        bool reached = calls_left < 0;
        calls_left = -1;
        if (error < 0) {
            assert_int_equal(error, ERROR_IO);
            assert_int_equal(errno, failure);
            assert_int_equal(interfaces.count, 9999);
            told++;
        } else {
            assert_int_equal(interfaces.count, whole.count);
            assert_int_equal(interfaces.address_count, whole.address_count);
        }
        if (!reached) {
            break;
        }
    }
    assert_true(told >= 3);
}

static int use_facts(void)
{
    struct mdns_facts facts = {.host = "a", .service = "b", .id = "c", .port = 443};
    struct mdns_facts back = {.port = 0};
    struct buffer wire = buffer_init(LIMIT_MDNS_MESSAGE_BYTES);
    facts.addresses.count = 1;
    facts.addresses.at[0] =
        (struct lanname_address){.family = 4, .octets = {10, 0, 0, 1}};
    int error = mdns_message_write_facts(&facts, &wire);
    if (error == 0) {
        error = mdns_message_read_facts(wire.data, wire.size, &back);
    }
    if (error == 0) {
        assert_int_equal(back.port, 443);
    }
    buffer_free(&wire);
    return error;
}

static int use_report(void)
{
    struct mdns_report report = {.state = MDNS_ANNOUNCED, .host = "a.local"};
    struct mdns_report back = {.state = MDNS_OFF};
    struct buffer wire = buffer_init(LIMIT_MDNS_MESSAGE_BYTES);
    int error = mdns_message_write_report(&report, &wire);
    if (error == 0) {
        error = mdns_message_read_report(wire.data, wire.size, &back);
    }
    if (error == 0) {
        assert_int_equal(back.state, MDNS_ANNOUNCED);
    }
    buffer_free(&wire);
    return error;
}

static void test_messages(void **state)
{
    (void)state;
    assert_true(allocation_each(use_facts, false) > 5);
    assert_true(allocation_each(use_report, false) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_kernel_does_not_answer),
        cmocka_unit_test(test_messages),
    };
    allocation_hook();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
