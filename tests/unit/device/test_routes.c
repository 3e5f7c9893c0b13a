#include "device/routes.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n"

static void parse4(const char *text, struct routes *ret_routes)
{
    *ret_routes = (struct routes){.has_ipv4 = false};
    routes_parse_ipv4(text, strlen(text), ret_routes);
}

static void parse6(const char *text, struct routes *ret_routes)
{
    *ret_routes = (struct routes){.has_ipv4 = false};
    routes_parse_ipv6(text, strlen(text), ret_routes);
}

static void test_ipv4(void **state)
{
    struct routes routes;
    char text[256];
    (void)state;
    /* The kernel writes addresses as numbers in the machine's byte order. */
    snprintf(text, sizeof(text),
             HEAD "eth0\t00000000\t%08X\t0003\t0\t0\t0\t00000000\t0\t0\t0   \n",
             (unsigned)inet_addr("192.168.77.1"));
    parse4(text, &routes);
    assert_true(routes.has_ipv4);
    assert_string_equal(routes.gateway, "192.168.77.1");
    parse4(HEAD "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\n", &routes);
    assert_true(routes.has_ipv4);
    assert_string_equal(routes.gateway, "");
    parse4(HEAD "eth0\t004DA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n", &routes);
    assert_false(routes.has_ipv4);
    /* One half of a VPN's two, a route that is down, and one that refuses. */
    parse4(HEAD "tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\n", &routes);
    assert_false(routes.has_ipv4);
    parse4(HEAD "eth0\t00000000\t0100000A\t0002\t0\t0\t0\t00000000\t0\n", &routes);
    assert_false(routes.has_ipv4);
    parse4(HEAD "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\n", &routes);
    assert_false(routes.has_ipv4);
}

static void test_ipv6(void **state)
{
    static const char zero[] = "00000000000000000000000000000000";
    struct routes routes;
    char text[512];
    (void)state;
    snprintf(text, sizeof(text),
             "%s 00 %s 00 fe800000000000000000000000000001 00000400 00000001 00000000 "
             "00450003     eth0\n",
             zero, zero);
    parse6(text, &routes);
    assert_true(routes.has_ipv6);
    /* What the kernel has where there is no route. */
    snprintf(text, sizeof(text),
             "%s 00 %s 00 %s ffffffff 00000001 00000000 00200200       lo\n", zero, zero,
             zero);
    parse6(text, &routes);
    assert_false(routes.has_ipv6);
    snprintf(text, sizeof(text),
             "fd000000000000000000000000000000 40 %s 00 %s 00000100 00000001 00000000 "
             "00000001     eth0\n",
             zero, zero);
    parse6(text, &routes);
    assert_false(routes.has_ipv6);
}

static void test_garbage(void **state)
{
    static const char *const texts[] = {
        "",
        "\n\n\n",
        "eth0",
        "eth0 00000000",
        "eth0\t0000000g\t00000000\t0003\t0\t0\t0\t00000000\t0\n",
        "eth0\t000000000\t00000000\t0003\t0\t0\t0\t00000000\t0\n",
        "eth0\t00000000\t00000000\t00000000003\t0\t0\t0\t00000000\t0\n",
        "0123456789012345678901234567890123456789012345 00000000 00000000 0003 0 0 0 "
        "00000000\n",
    };
    struct routes routes;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        parse4(texts[i], &routes);
        assert_false(routes.has_ipv4);
        parse6(texts[i], &routes);
        assert_false(routes.has_ipv6);
    }
}

static void test_own(void **state)
{
    struct routes routes = {.has_ipv4 = false};
    (void)state;
    assert_int_equal(routes_read(&routes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
