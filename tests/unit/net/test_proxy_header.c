#include "base/net/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* After the standard headers it needs. */
#include <cmocka.h>

static struct address at(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(text, 0, &address), 0);
    return address;
}

static struct proxy_header header_of(const char *client, const char *local)
{
    return (struct proxy_header){.client = at(client),
                                 .local = at(local),
                                 .server_name = "a.b",
                                 .version = "TLSv1.3",
                                 .cipher = "X"};
}

static void expect(const struct proxy_header *header, const void *expected, size_t size)
{
    uint8_t data[PROXY_HEADER_CAPACITY];
    size_t written = 0;
    assert_int_equal(proxy_header_write(header, data, &written), 0);
    assert_int_equal(written, size);
    assert_memory_equal(data, expected, size);
}

static void test_ipv4(void **state)
{
    (void)state;
    static const char expected[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x28"
                                   "\xc0\xa8\x01\x02\x0a\x00\x00\x01\x1f\x90\x01\xbb"
                                   "\x02\x00\x03"
                                   "a.b"
                                   "\x20\x00\x13\x01\x00\x00\x00\x01"
                                   "\x21\x00\x07TLSv1.3"
                                   "\x23\x00\x01X";
    struct proxy_header header = header_of("192.168.1.2:8080", "10.0.0.1:443");
    expect(&header, expected, sizeof(expected) - 1);
}

static void test_ipv6_without_name(void **state)
{
    (void)state;
    struct proxy_header header = header_of("[fd12::1]:1", "[fd12::2]:2");
    uint8_t data[PROXY_HEADER_CAPACITY];
    size_t size = 0;
    header.server_name = "";
    assert_int_equal(proxy_header_write(&header, data, &size), 0);
    assert_int_equal(data[13], 0x21);
    assert_int_equal(data[15], 36 + 3 + 5 + 10 + 4);
    assert_int_equal(size, 16 + data[15]);
    assert_int_equal(data[16], 0xfd);
    assert_int_equal(data[31], 1);
    assert_int_equal(data[47], 2);
    assert_memory_equal(data + 48, "\0\1\0\2", 4);
    assert_int_equal(data[52], 0x20);
}

/* Addresses of two kinds can't be told. */
static void test_unspec(void **state)
{
    (void)state;
    struct proxy_header header = header_of("/run/x", "/run/y");
    uint8_t data[PROXY_HEADER_CAPACITY];
    size_t size = 0;
    assert_int_equal(proxy_header_write(&header, data, &size), 0);
    assert_int_equal(data[13], 0);
    assert_int_equal(data[16], 0x02);
    header = header_of("192.0.2.1:1", "[fd12::2]:2");
    assert_int_equal(proxy_header_write(&header, data, &size), 0);
    assert_int_equal(data[13], 0);
}

static void test_too_long(void **state)
{
    (void)state;
    struct proxy_header header = header_of("192.0.2.1:1", "192.0.2.2:2");
    uint8_t data[PROXY_HEADER_CAPACITY];
    char name[600];
    size_t size = 77;
    memset(name, 'a', sizeof(name));
    name[255] = '\0';
    header.server_name = name;
    assert_int_equal(proxy_header_write(&header, data, &size), 0);
    name[255] = 'a';
    name[599] = '\0';
    size = 77;
    assert_int_equal(proxy_header_write(&header, data, &size), ERROR_LIMIT);
    header.server_name = "";
    header.cipher = name;
    assert_int_equal(proxy_header_write(&header, data, &size), ERROR_LIMIT);
    assert_int_equal(size, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6_without_name),
        cmocka_unit_test(test_unspec),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
