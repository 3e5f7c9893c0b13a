#include "relay/admin/ct_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TIMES                                                                            \
    "\"not_before\":\"2026-11-01T00:00:00\",\"not_after\":\"2026-12-16T00:00:00Z\""

static int note(const struct ct_log_entry *entry, void *arg)
{
    char *all = arg;
    size_t size = strlen(all);
    snprintf(all + size, 2048 - size, "%s|%s|%s|%lld;", entry->serial, entry->names,
             entry->issuer, (long long)(entry->not_after_at - entry->not_before_at));
    return 0;
}

static int read_text(const char *text, char *all)
{
    all[0] = '\0';
    return ct_log_read(text, strlen(text), note, all);
}

static void test_entries(void **state)
{
    char all[2048];
    (void)state;
    assert_int_equal(read_text("[]", all), 0);
    assert_int_equal(
        read_text(
            "[{\"id\":1,\"serial_number\":\"00AB:cd:0e\",\"name_value\":\"a.example\\n"
            "*.a.example\",\"issuer_name\":\"C=US, O=\\u00c9\"," TIMES "},"
            "{\"serial_number\":\"0a1\"," TIMES ",\"more\":[1,2]}]",
            all),
        0);
    assert_string_equal(all,
                        "abcd0e|a.example *.a.example|C=US, O=??|3888000;a1|||3888000;");
    /* Whole octets, as the store has them. */
    assert_int_equal(read_text("[{\"serial_number\":\"0f1\"," TIMES "}]", all), 0);
    assert_string_equal(all, "f1|||3888000;");
    assert_int_equal(read_text("[{\"serial_number\":\"f01\"," TIMES "}]", all), 0);
    assert_string_equal(all, "0f01|||3888000;");
}

static void test_garbage(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[1]",
        "[{}]",
        "<html>busy</html>",
        "[{\"serial_number\":\"xyz\"," TIMES "}]",
        "[{\"serial_number\":\"\"," TIMES "}]",
        "[{\"serial_number\":\"0\"," TIMES "}]",
        "[{\"serial_number\":12," TIMES "}]",
        "[{\"serial_number\":\"12\"}]",
        "[{\"serial_number\":\"12\",\"not_before\":\"soon\",\"not_after\":\"later\"}]",
        "[{\"serial_number\":"
        "\"12345678901234567890123456789012345678901234567890123456789012345\""
        "," TIMES "}]",
    };
    char all[2048];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(read_text(bad[i], all), ERROR_SYNTAX);
        assert_string_equal(all, "");
    }
}

static void test_size(void **state)
{
    static char large[CT_LOG_BYTES_MAX + 2];
    char all[2048] = "";
    (void)state;
    memset(large, ' ', sizeof(large) - 1);
    memcpy(large, "[]", 2);
    assert_int_equal(ct_log_read(large, sizeof(large) - 1, note, all), ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
