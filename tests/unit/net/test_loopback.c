#include "base/net/loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"127.0.0.1:9441", 0},
        {"127.9.9.9:1", 0},
        {"[::1]:9441", 0},
        {"/run/latchkey/admin.sock", 0},
        {"0.0.0.0:9441", ERROR_DENIED},
        {"[::]:9441", ERROR_DENIED},
        {":9441", ERROR_DENIED},
        {"192.168.1.1:9441", ERROR_DENIED},
        {"[fe80::1]:9441", ERROR_DENIED},
        {"[::ffff:127.0.0.1]:9441", ERROR_DENIED},
        {"127.0.0.1", ERROR_SYNTAX},
        {"localhost:9441", ERROR_SYNTAX},
        {"", ERROR_SYNTAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address;
        assert_int_equal(loopback_parse(cases[i].text, &address), cases[i].error);
    }
}

static void test_host(void **state)
{
    static const char *const good[] = {"localhost", "localhost:9440", "LocalHost:1",
                                       "127.0.0.1", "127.0.0.1:9440", "[::1]",
                                       "[::1]:9440"};
    static const char *const bad[] = {"",
                                      "evil.example",
                                      "localhost.evil.example",
                                      "localhost:9440.evil.example",
                                      "localhost:",
                                      "127.0.0.1.evil.example",
                                      "127.0.0.2",
                                      "::1",
                                      "localhost:99999",
                                      " localhost"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(loopback_is_host(good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(loopback_is_host(bad[i]));
    }
    assert_false(loopback_is_host(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
