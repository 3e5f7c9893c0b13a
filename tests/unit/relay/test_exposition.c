#include "relay/admin/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct bytes text_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void test_values(void **state)
{
    static const char text[] =
        "# HELP x A level.\n# TYPE x gauge\nx 3\nxy 4\n"
        "y{a=\"b\"} 1.5e3\nz NaN\nu +Inf\nv 0x10\nw 1 1700000000\nt\n"
        "large 9007199254740992\nlarger 9.1e15\nlow -1e300\nlast -5e-324\n";
    double value = -1;
    (void)state;
    assert_true(exposition_value(text_of(text), "x", &value));
    assert_true(value == 3);
    assert_true(exposition_value(text_of(text), "y{a=\"b\"}", &value));
    assert_true(value == 1500);
    assert_true(exposition_value(text_of(text), "w", &value));
    assert_true(value == 1);
    assert_true(exposition_value(text_of(text), "large", &value));
    assert_true(value == EXPOSITION_MAX);
    assert_true(exposition_value(text_of(text), "last", &value));
    value = -1;
    assert_false(exposition_value(text_of(text), "z", &value));
    assert_false(exposition_value(text_of(text), "u", &value));
    assert_false(exposition_value(text_of(text), "v", &value));
    assert_false(exposition_value(text_of(text), "t", &value));
    assert_false(exposition_value(text_of(text), "y", &value));
    assert_false(exposition_value(text_of(text), "larger", &value));
    assert_false(exposition_value(text_of(text), "low", &value));
    assert_false(exposition_value(text_of(""), "x", &value));
    assert_true(value == -1);
}

static void note(const char *first, const char *second, double value, void *arg)
{
    char *all = arg;
    size_t size = strlen(all);
    snprintf(all + size, 512 - size, "%s/%s=%g;", first, second, value);
}

static void test_series(void **state)
{
    static const char text[] =
        "q{type=\"A\",rcode=\"NOERROR\"} 7\nq{type=\"a\\\"b\\\\c\"} 2\nq "
        "5\nq{type=\"x\"}\n"
        "q{type=\"x} 1\nq{type=\"x\",b=\"y\",c=\"z\"} 1\nqq{type=\"x\"} 1\nq{} 1\n"
        "q{type="
        "\"1234567890123456789012345678901234567890123456789012345678901234567890\"} 1";
    char all[512] = "";
    (void)state;
    exposition_each(text_of(text), "q", note, all);
    assert_string_equal(
        all, "A/NOERROR=7;a\"b\\c/=2;"
             "123456789012345678901234567890123456789012345678901234567890123/=1;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
