#include "base/net/http_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int take(struct http_fields *fields, const char *line)
{
    return http_fields_take(fields, line, strlen(line));
}

static void test_lines_become_fields(void **state)
{
    struct http_fields fields;
    (void)state;
    http_fields_init(&fields, 1024);
    assert_int_equal(take(&fields, "HTTP/1.1 100 Continue\r\n"), 0);
    assert_int_equal(take(&fields, "Early: yes\r\n"), 0);
    assert_int_equal(take(&fields, "HTTP/1.1 200 OK\r\n"), 0);
    assert_int_equal(take(&fields, "Replay-Nonce: \t abc \r\n"), 0);
    assert_int_equal(take(&fields, "Empty:\r\n"), 0);
    assert_int_equal(take(&fields, "no field at all\r\n"), 0);
    assert_int_equal(take(&fields, ": no name\r\n"), 0);
    assert_int_equal(take(&fields, "\r\n"), 0);
    assert_int_equal(http_fields_take(&fields, "A: b\0c\r\n", 8), 0);
    const struct http_header *table = http_fields_table(&fields);
    assert_int_equal(fields.count, 2);
    assert_string_equal(table[0].name, "replay-nonce");
    assert_string_equal(table[0].value, "abc");
    assert_string_equal(table[1].name, "empty");
    assert_string_equal(table[1].value, "");
    http_fields_free(&fields);
}

static void test_bounds(void **state)
{
    struct http_fields fields;
    (void)state;
    http_fields_init(&fields, 16);
    assert_int_equal(take(&fields, "name: a value that is too long\r\n"), ERROR_LIMIT);
    http_fields_free(&fields);
    http_fields_init(&fields, 1 << 20);
    for (int i = 0; i < LIMIT_HTTP_FIELDS; i++) {
        assert_int_equal(take(&fields, "a: b\r\n"), 0);
    }
    assert_int_equal(take(&fields, "a: b\r\n"), ERROR_LIMIT);
    http_fields_free(&fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_become_fields),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
