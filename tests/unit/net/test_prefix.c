#include "base/net/prefix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct address address_of(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, 443, &address), 0);
    return address;
}

static void test_parse(void **state)
{
    static const char *const good[] = {"192.0.2.0/24",  "10.0.0.0/8", "192.0.2.7/32",
                                       "2001:db8::/48", "::1/128",    "0.0.0.0/0"};
    static const struct {
        const char *text;
        int error;
    } bad[] = {
        {"192.0.2.0", ERROR_SYNTAX},
        {"192.0.2.0/", ERROR_SYNTAX},
        {"192.0.2.0/33", ERROR_SYNTAX},
        {"192.0.2.0/-1", ERROR_SYNTAX},
        {"192.0.2/24", ERROR_SYNTAX},
        {"2001:db8::/129", ERROR_SYNTAX},
        {"example.com/24", ERROR_SYNTAX},
        {"/24", ERROR_SYNTAX},
        {"", ERROR_SYNTAX},
        {"192.0.2.1/24", ERROR_RANGE},
        {"2001:db8::1/48", ERROR_RANGE},
        {"192.0.2.128/24/8", ERROR_SYNTAX},
    };
    char text[PREFIX_TEXT_CAPACITY];
    struct prefix prefix;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(prefix_parse(good[i], &prefix), 0);
        prefix_text(&prefix, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(prefix_parse(bad[i].text, &prefix), bad[i].error);
    }
}

static void test_holds(void **state)
{
    static const struct {
        const char *prefix;
        const char *address;
        bool holds;
    } cases[] = {
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.0/24", "[::ffff:192.0.2.9]:443", true},
        {"192.0.2.8/29", "192.0.2.15", true},
        {"192.0.2.8/29", "192.0.2.16", false},
        {"2001:db8:7::/48", "[2001:db8:7:ffff::1]:443", true},
        {"2001:db8:7::/48", "[2001:db8:8::1]:443", false},
        {"2001:db8:7::/48", "192.0.2.1", false},
        {"0.0.0.0/0", "[2001:db8::1]:443", false},
        {"192.0.2.0/24", "/run/front.sock", false},
    };
    struct prefix prefix;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address = address_of(cases[i].address);

        assert_int_equal(prefix_parse(cases[i].prefix, &prefix), 0);
        if (prefix_holds(&prefix, &address) != cases[i].holds) {
            fail_msg("'%s' in '%s'", cases[i].address, cases[i].prefix);
        }
    }
}

static void test_of(void **state)
{
    static const char *const cases[][2] = {
        {"198.51.100.77", "198.51.100.0/24"},
        {"[::ffff:198.51.100.77]:1", "198.51.100.0/24"},
        {"[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1::/48"},
    };
    char text[PREFIX_TEXT_CAPACITY];
    struct address address = address_of("/run/front.sock");
    struct prefix prefix;

    (void)state;
    assert_false(prefix_of(&address, 24, 48, &prefix));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        address = address_of(cases[i][0]);
        assert_true(prefix_of(&address, 24, 48, &prefix));
        prefix_text(&prefix, text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void test_list(void **state)
{
    char v4[] = "192.0.2.0/24";
    char v6[] = "2001:db8::/32";
    char host[] = "lan";
    char *good[] = {v4, v6};
    char *bad[] = {v4, host};
    struct prefix list[2];
    struct address first = address_of("192.0.2.1");
    struct address second = address_of("2001:db8::1");
    struct address neither = address_of("198.51.100.1");

    (void)state;
    assert_int_equal(prefix_list_parse(&(struct conf_texts){good, 2}, 1, list),
                     ERROR_LIMIT);
    assert_int_equal(prefix_list_parse(&(struct conf_texts){bad, 2}, 2, list),
                     ERROR_SYNTAX);
    assert_int_equal(prefix_list_parse(&(struct conf_texts){good, 2}, 2, list), 0);
    assert_true(prefix_list_holds(list, 2, &first));
    assert_true(prefix_list_holds(list, 2, &second));
    assert_false(prefix_list_holds(list, 1, &second));
    assert_false(prefix_list_holds(list, 2, &neither));
    assert_false(prefix_list_holds(NULL, 0, &first));
}

static uint64_t site(const char *text)
{
    struct address address = address_of(text);

    return prefix_site(&address.storage);
}

static void test_site(void **state)
{
    (void)state;
    assert_true(site("192.0.2.1") == site("192.0.2.254"));
    assert_true(site("192.0.2.1") == site("::ffff:192.0.2.254"));
    assert_false(site("192.0.2.1") == site("192.0.3.1"));
    assert_true(site("2001:db8:1:2::3") == site("2001:db8:1:ffff::4"));
    assert_false(site("2001:db8:1::1") == site("2001:db8:2::1"));
    assert_false(site("0.0.0.0") == 0);
    assert_false(site("::2") == 0);
    assert_true(site("127.0.0.1") == 0);
    assert_true(site("127.9.9.9") == 0);
    assert_true(site("::ffff:127.0.0.1") == 0);
    assert_true(site("::1") == 0);
    assert_true(site("/run/some.sock") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_holds),
        cmocka_unit_test(test_of),    cmocka_unit_test(test_list),
        cmocka_unit_test(test_site),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
