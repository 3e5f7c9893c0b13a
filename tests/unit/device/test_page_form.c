#include "device/page_form.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#define URL "application/x-www-form-urlencoded"
#define MULTI "multipart/form-data; boundary=xx"

static int value_of(const char *type, const char *body, const char *name,
                    const char *wanted)
{
    struct buffer value = buffer_init(64);
    struct bytes bytes = {(const uint8_t *)body, strlen(body)};
    int error = page_form_value(type, bytes, name, &value);
    if (error == 0) {
        assert_string_equal(buffer_text(&value), wanted);
    }
    buffer_free(&value);
    return error;
}

static void test_url(void **state)
{
    (void)state;
    assert_int_equal(value_of(URL, "a=1&b=x%20y+z&c=", "b", "x y z"), 0);
    assert_int_equal(value_of(URL "; charset=utf-8", "a=1&b=%41%4a", "b", "AJ"), 0);
    assert_int_equal(value_of(URL, "a=1&c=", "c", ""), 0);
    assert_int_equal(value_of(URL, "ab=1&a", "a", ""), ERROR_NOT_FOUND);
    assert_int_equal(value_of(URL, "", "a", ""), ERROR_NOT_FOUND);
    static const char *const bad[] = {"a=%", "a=%4", "a=%4g", "a=%00", "a=b%"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(value_of(URL, bad[i], "a", ""), ERROR_SYNTAX);
    }
}

static void test_multipart(void **state)
{
    (void)state;
    static const char body[] =
        "--xx\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\ntoken\r\n"
        "--xx\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n"
        "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n"
        "Content-Type: application/octet-stream\r\n\r\n\r\n--x\r\n-\r\n--xx--\r\n";
    assert_int_equal(value_of(MULTI, body, "csrf", "token"), 0);
    assert_int_equal(value_of(MULTI, body, "empty", ""), 0);
    assert_int_equal(value_of(MULTI, body, "file", "\r\n--x\r\n-"), 0);
    assert_int_equal(value_of(MULTI, body, "filename", ""), ERROR_NOT_FOUND);
    assert_int_equal(
        value_of("multipart/form-data; boundary=\"xx\"", body, "csrf", "token"), 0);
    static const char *const bad[] = {
        "",
        "--x",
        "--xx",
        "--xx\r\n",
        "--xx\r\nno head\r\n--xx--",
        "--xx\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nno end",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(value_of(MULTI, bad[i], "csrf", "") < 0);
    }
}

static void test_types(void **state)
{
    (void)state;
    assert_int_equal(value_of(NULL, "a=1", "a", ""), ERROR_SYNTAX);
    assert_int_equal(value_of("text/plain", "a=1", "a", ""), ERROR_SYNTAX);
    assert_int_equal(value_of("application/json", "{}", "a", ""), ERROR_SYNTAX);
    assert_int_equal(value_of("multipart/form-data", "--xx--", "a", ""), ERROR_SYNTAX);
    assert_int_equal(value_of("multipart/form-data; boundary=", "--", "a", ""),
                     ERROR_SYNTAX);
}

static void test_limit(void **state)
{
    (void)state;
    assert_int_equal(value_of(URL,
                              "a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                              "aaaaaaaaaaaaaaaaaa",
                              "a", ""),
                     ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
