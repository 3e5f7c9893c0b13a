#include "device/port_owner.h"

#include "base/core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
/* After the standard headers it needs. */
#include <cmocka.h>

/* Listens on TEXT; WANTED with the same port is then said to be this process's. */
static void check(const char *text, const char *wanted, bool is_found)
{
    struct address address;
    struct address other;
    char owner[PORT_OWNER_CAPACITY] = "poison";
    char expected[PORT_OWNER_CAPACITY];
    int fd = -1;
    assert_int_equal(address_parse(text, 0, &address), 0);
    assert_int_equal(address_parse(wanted, 0, &other), 0);
    assert_int_equal(address_listen(&address, 1, &fd), 0);
    address.size = sizeof(address.storage);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address.storage, &address.size),
                     0);
    address_set_port(&other, address_port(&address));
    assert_int_equal(port_owner_find(&other, owner), is_found);
    text_format(expected, sizeof(expected), "a? b (pid %ld)", (long)getpid());
    assert_string_equal(owner, is_found ? expected : "poison");
    close(fd);
    assert_false(port_owner_find(&other, owner));
}

static void test_finds(void **state)
{
    (void)state;
    assert_int_equal(prctl(PR_SET_NAME, "a\x01 b"), 0);
    check("127.0.0.1:0", "127.0.0.1:1", true);
    check("0.0.0.0:0", "127.0.0.1:1", true);
    check("127.0.0.1:0", ":1", true);
    check("127.0.0.1:0", "127.0.0.2:1", false);
    check(":0", "127.0.0.1:1", true);
}

static void test_finds_ipv6(void **state)
{
    (void)state;
    struct address address;
    int fd = -1;
    assert_int_equal(address_parse("[::1]:0", 0, &address), 0);
    if (address_listen(&address, 1, &fd) != 0) {
        skip(); /* no IPv6 here */
    }
    close(fd);
    check("[::1]:0", "[::1]:1", true);
}

static void test_no_port(void **state)
{
    (void)state;
    struct address address;
    char owner[PORT_OWNER_CAPACITY];
    assert_int_equal(address_parse("/run/x.sock", 0, &address), 0);
    assert_false(port_owner_find(&address, owner));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds),
        cmocka_unit_test(test_finds_ipv6),
        cmocka_unit_test(test_no_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
