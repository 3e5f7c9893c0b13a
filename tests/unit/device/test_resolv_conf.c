#include "device/resolv_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void parse(const char *text, struct resolv_conf *ret_conf)
{
    resolv_conf_parse(text, strlen(text), ret_conf);
}

static void expect(const struct resolv_conf *conf, size_t index, const char *expected)
{
    char text[ADDRESS_TEXT_CAPACITY];
    assert_true(index < conf->count);
    address_text(&conf->servers[index], text);
    assert_string_equal(text, expected);
}

static void test_usual(void **state)
{
    struct resolv_conf conf;
    (void)state;
    parse("# made by DHCP\ndomain lan\nsearch lan example.com\nnameserver 192.168.1.1\n"
          "nameserver\tfd12::1   \r\noptions timeout:2 edns0\n;nameserver 9.9.9.9\n",
          &conf);
    assert_int_equal(conf.count, 2);
    expect(&conf, 0, "192.168.1.1:53");
    expect(&conf, 1, "[fd12::1]:53");
    assert_int_equal(conf.unusable, 0);
    parse("nameserver 127.0.0.53", &conf);
    expect(&conf, 0, "127.0.0.53:53");
}

static void test_unusual(void **state)
{
    struct resolv_conf conf;
    (void)state;
    parse("nameserver fe80::1%eth0\nnameserver resolver.lan\nnameserver /run/x.sock\n"
          "nameserver 1.2.3.4:5353\nnameserver\nnameserver \nnameservers 1.1.1.1\n"
          " nameserver 1.1.1.1\nnameserver 10.0.0.1#comment\n",
          &conf);
    assert_int_equal(conf.count, 1);
    expect(&conf, 0, "10.0.0.1:53");
    assert_int_equal(conf.unusable, 4);
}

static void test_many_and_none(void **state)
{
    struct resolv_conf conf;
    (void)state;
    parse("nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"
          "nameserver 10.0.0.4\nnameserver 10.0.0.5\n",
          &conf);
    assert_int_equal(conf.count, RESOLV_CONF_SERVERS_MAX);
    parse("", &conf);
    assert_int_equal(conf.count, 0);
    assert_int_equal(resolv_conf_read("/nonexistent/resolv.conf", &conf),
                     ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),
        cmocka_unit_test(test_unusual),
        cmocka_unit_test(test_many_and_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
