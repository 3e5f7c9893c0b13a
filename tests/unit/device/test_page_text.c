#include "device/page_text.h"

#include "base/core/limits.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct buffer report;

static int parse(const char *text)
{
    buffer_free(&report);
    report = buffer_init(64 << 10);
    return page_text_parse("x.conf", text, strlen(text), &report);
}

static void says(const char *text)
{
    if (strstr(buffer_text(&report), text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, buffer_text(&report));
    }
}

static int reset(void **state)
{
    (void)state;
    buffer_free(&report);
    page_text_reset();
    return 0;
}

static void test_a_translation(void **state)
{
    (void)state;
    assert_int_equal(parse("\xef\xbb\xbf# Deutsch\r\n\r\n  nav.login  =  Anmelden \r\n"
                           "time.days = {1} Tage\nverdict.clock-right = Die Uhr = gut"),
                     0);
    assert_string_equal(page_text(PAGE_TEXT_NAV_LOGIN), "Anmelden");
    assert_string_equal(page_text_verdict(DIAGNOSIS_CLOCK_RIGHT), "Die Uhr = gut");
    /* What is missing stays English, and is said. */
    assert_string_equal(page_text(PAGE_TEXT_NAV_LOGOUT), "Log out");
    says("x.conf: 'language' is missing; English stays\n");
    says("more are missing\n");
    page_text_reset();
    assert_string_equal(page_text(PAGE_TEXT_NAV_LOGIN), "Log in");
}

static void test_faults_are_named(void **state)
{
    (void)state;
    assert_int_equal(parse("nav.login = A\nnav.login = B\nno.such = C\ntime.days = Tage\n"
                           "time.day = %s {1}\nnav.logout =\n"),
                     0);
    says("x.conf:2: 'nav.login' is given twice");
    says("x.conf:3: unknown key 'no.such'");
    says("x.conf:4: 'time.days' must have the placeholders of the English text "
         "'{1} days'");
    says("x.conf:5: 'time.day' must have the placeholders");
    says("x.conf:6: 'nav.logout' must have 1 to 1000 bytes");
    assert_string_equal(page_text(PAGE_TEXT_NAV_LOGIN), "A");
    assert_string_equal(page_text(PAGE_TEXT_TIME_DAYS), "{1} days");
}

static void test_unusable_files(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "nav.login = A\nhello\n",
        "nav.login = \xff\n",
        "nav.login = \xc0\xaf\n",
        "nav.login = \xed\xa0\x80\n",
        "nav.login = \xf4\x90\x80\x80\n",
        "nav.login = \xe2\x82\n",
        "nav.login = a\x01"
        "b\n",
        "nav.login = a\x7f\n",
        "nav.login = \xc2\x85\n",
    };
    assert_int_equal(parse("nav.login = Anmelden\n"), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(bad[i]), ERROR_SYNTAX);
        assert_true(report.size > 0);
        /* What was in use stays in use. */
        assert_string_equal(page_text(PAGE_TEXT_NAV_LOGIN), "Anmelden");
    }
    static char large[LIMIT_TEXTS_FILE_BYTES + 2];
    memset(large, '#', sizeof(large) - 1);
    assert_int_equal(parse(large), ERROR_SYNTAX);
    assert_int_equal(page_text_read("/nonexistent/texts.conf", &report), ERROR_NOT_FOUND);
}

static void test_filling_in(void **state)
{
    (void)state;
    struct buffer out = buffer_init(1000);
    page_text_fill("{2}, {1} and {1}; {3} {x} {", "a%s", NULL, &out);
    assert_string_equal(buffer_text(&out), ", a%s and a%s; {3} {x} {");
    buffer_free(&out);
}

static void test_the_template_is_a_translation(void **state)
{
    (void)state;
    struct buffer out = buffer_init(128 << 10);
    report = buffer_init(64 << 10);
    assert_int_equal(page_text_template(&out), 0);
    assert_true(out.size < LIMIT_TEXTS_FILE_BYTES);
    assert_int_equal(page_text_parse("template", out.data, out.size, &report), 0);
    assert_string_equal(buffer_text(&report), "");
    buffer_free(&out);
}

/* The proof that everything can be translated: a whole file, and not one text in it is the
 * English one by oversight. */
static void test_german_is_whole(void **state)
{
    (void)state;
    report = buffer_init(64 << 10);
    assert_int_equal(page_text_read(TEXTS "/de.conf", &report), 0);
    assert_string_equal(buffer_text(&report), "");
    assert_string_equal(page_text(PAGE_TEXT_LANGUAGE), "de");
    assert_string_equal(page_text(PAGE_TEXT_NAV_LOGIN), "Anmelden");
    assert_true(strstr(page_text_failure("net"), "Relay") != NULL);
}

static void test_failures(void **state)
{
    (void)state;
    assert_string_equal(page_text_failure("no such code"),
                        page_text(PAGE_TEXT_FAILURE_OTHER));
    assert_string_equal(page_text_failure("head"), page_text(PAGE_TEXT_FAILURE_OTHER));
    assert_string_equal(page_text_failure("rate-limit"),
                        page_text(PAGE_TEXT_FAILURE_RATE_LIMIT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_translation, reset),
        cmocka_unit_test_teardown(test_faults_are_named, reset),
        cmocka_unit_test_teardown(test_unusable_files, reset),
        cmocka_unit_test(test_filling_in),
        cmocka_unit_test_teardown(test_the_template_is_a_translation, reset),
        cmocka_unit_test_teardown(test_german_is_whole, reset),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
