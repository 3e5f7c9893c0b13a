/* Paths: matched as sent, or not at all. */
#include "relay/front/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char arguments[REQUEST_ARGUMENTS][REQUEST_ARGUMENT_CAPACITY];

static void test_match(void **state)
{
    (void)state;
    assert_true(router_match("/acme/directory", "/acme/directory", arguments));
    assert_true(router_match("/acme/order/*/*", "/acme/order/abc/0f", arguments));
    assert_string_equal(arguments[0], "abc");
    assert_string_equal(arguments[1], "0f");
    assert_true(
        router_match("/acme/authz/*/*/*/dns-01", "/acme/authz/a/b/0/dns-01", arguments));
    assert_string_equal(arguments[2], "0");
    assert_true(
        router_match("/acme/renewal-info/*", "/acme/renewal-info/aY-_.AI", arguments));
    assert_string_equal(arguments[0], "aY-_.AI");
}

static void test_no_match(void **state)
{
    static const char *const paths[] = {
        "",
        "/",
        "/acme",
        "/acme/order",
        "/acme/order/",
        "/acme/order/a",
        "/acme/order/a/",
        "/acme/order/a/b/",
        "/acme/order/a/b/c",
        "/acme/order//b",
        "//acme/order/a/b",
        "/acme/order/a%2f/b",
        "/acme/order/a b/c",
        "/ACME/order/a/b",
        "/acme/order/a/b?x",
        "/acme/order/a/b\xc3\xa9",
    };
    char path[512] = "/acme/order/a/";

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_false(router_match("/acme/order/*/*", paths[i], arguments));
    }
    /* A part that is too long does not exist, and does not overflow. */
    memset(path + 14, 'x', REQUEST_ARGUMENT_CAPACITY - 1);
    assert_true(router_match("/acme/order/*/*", path, arguments));
    path[14 + REQUEST_ARGUMENT_CAPACITY - 1] = 'x';
    assert_false(router_match("/acme/order/*/*", path, arguments));
    assert_false(router_match("/*/*/*/*", "/a/b/c/d", arguments));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_match),
                                       cmocka_unit_test(test_no_match)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
