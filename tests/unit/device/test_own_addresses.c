#include "device/own_addresses.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

static int collect(char **texts, size_t count, struct own_addresses *ret_addresses)
{
    static const struct conf_texts none = {.count = 0};
    struct conf_texts given = {.at = texts, .count = count};
    return own_addresses_collect(&given, &none, ret_addresses);
}

static void test_given_ones_are_taken_as_they_are(void **state)
{
    (void)state;
    char a[] = "192.168.1.51";
    char b[] = "fd12::1";
    char again[] = "192.168.1.51";
    char *texts[] = {a, b, again};
    char text[128];
    struct own_addresses addresses;
    assert_int_equal(collect(texts, 3, &addresses), 0);
    own_addresses_text(&addresses, text, sizeof(text));
    assert_string_equal(text, "192.168.1.51, fd12::1");
}

static void test_nonsense(void **state)
{
    (void)state;
    char bad[] = "192.168.1";
    char *texts[] = {bad};
    struct own_addresses addresses;
    assert_int_equal(collect(texts, 1, &addresses), ERROR_SYNTAX);
}

/* What the system has differs by machine, what may be named does not. */
static void test_only_private_ones_are_found(void **state)
{
    (void)state;
    static const struct lanname_policy policy = {.shared = false};
    struct own_addresses addresses;
    assert_int_equal(collect(NULL, 0, &addresses), 0);
    assert_true(addresses.count <= LIMIT_DEVICE_ADDRESSES);
    for (size_t i = 0; i < addresses.count; i++) {
        assert_true(lanname_allowed(&addresses.at[i], &policy));
    }
}

static void test_an_interface_that_is_not_there(void **state)
{
    (void)state;
    static const struct conf_texts none = {.count = 0};
    char name[] = "nosuchinterface0";
    char *names[] = {name};
    struct conf_texts interfaces = {.at = names, .count = 1};
    struct own_addresses addresses;
    char text[32];
    assert_int_equal(own_addresses_collect(&none, &interfaces, &addresses), 0);
    assert_int_equal(addresses.count, 0);
    own_addresses_text(&addresses, text, sizeof(text));
    assert_string_equal(text, "none");
}

static void test_equality(void **state)
{
    (void)state;
    char a[] = "192.168.1.51";
    char b[] = "192.168.1.52";
    char *first[] = {a, b};
    char *second[] = {b, a};
    struct own_addresses x;
    struct own_addresses y;
    assert_int_equal(collect(first, 2, &x), 0);
    assert_int_equal(collect(second, 2, &y), 0);
    assert_true(own_addresses_equal(&x, &x));
    assert_false(own_addresses_equal(&x, &y));
    y.count = 1;
    assert_false(own_addresses_equal(&x, &y));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_ones_are_taken_as_they_are),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_only_private_ones_are_found),
        cmocka_unit_test(test_an_interface_that_is_not_there),
        cmocka_unit_test(test_equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
