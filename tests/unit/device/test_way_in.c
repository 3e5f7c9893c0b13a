#include "device/way_in.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#define ID "abcdefghijklmnopqrstuvwxyz234567"

/* Where a visitor is brought to. */
static void test_targets(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *target;
    } cases[] = {
        {"192.168.1.51", "192-168-1-51." ID ".lan.example.com"},
        {"192.168.1.51:8080", "192-168-1-51." ID ".lan.example.com"},
        {"[fd12:3456::1]", "fd12-3456-0-0-0-0-0-1." ID ".lan.example.com"},
        /* An address that is not ours (forwarded, or behind a NAT): the stable name. */
        {"203.0.113.7", "home." ID ".lan.example.com"},
        {"192.168.1.52", "home." ID ".lan.example.com"},
        {"camera.local", "home." ID ".lan.example.com"},
        {"localhost", "home." ID ".lan.example.com"},
        /* By a name of ours: the same. */
        {"home." ID ".lan.example.com", "home." ID ".lan.example.com"},
        {"cam2." ID ".lan.example.com:80", "cam2." ID ".lan.example.com"},
        {"192-168-1-52." ID ".lan.example.com", "192-168-1-52." ID ".lan.example.com"},
        /* The wildcard does not cover the name above it. */
        {ID ".lan.example.com", "home." ID ".lan.example.com"},
        {"nas.example.net", "nas.example.net"},
    };
    struct own_addresses addresses = {.count = 2};
    assert_true(lanname_address_parse("192.168.1.51", &addresses.at[0]));
    assert_true(lanname_address_parse("fd12:3456::1", &addresses.at[1]));
    struct device_status status = {.id = ID,
                                   .zone = "lan.example.com",
                                   .label = "home",
                                   .local_name = "camera.local",
                                   .owner_host = "nas.example.net",
                                   .addresses = &addresses};
    char name[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(way_in_target(cases[i].host, &status, name));
        assert_string_equal(name, cases[i].target);
    }
    status.zone = "";
    assert_false(way_in_target("192.168.1.51", &status, name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_targets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
