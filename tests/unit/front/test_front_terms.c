/* The terms: what may be shown, how, and that no version's text changes. */
#include "relay/front/terms.h"

#include "base/core/text.h"
#include "base/crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_text(void **state)
{
    static const char good[] =
        "# T\r\n\tx \xc3\xa9 \xe2\x80\x93 \xf0\x9f\x94\x92\n";
    static const char *const bad[] = {
        "",          "a\x01",    "\x7f",
        "\xff",      "\xc3",     "a\xc3(",
        "\xc0\xaf",  "\xe2\x82", "\xf5\x80\x80\x80",
        "a\x1b[31m",
    };

    (void)state;
    assert_true(terms_is_text(good, sizeof(good) - 1));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(terms_is_text(bad[i], strlen(bad[i])));
    }
    assert_false(terms_is_text("a\0b", 3));
    assert_true(terms_is_text(terms_builtin_text, strlen(terms_builtin_text)));
    assert_true(strlen(terms_builtin_text) < TERMS_BYTES_MAX);
}

static void test_write(void **state)
{
    struct buffer html = buffer_init(4096);

    (void)state;
    terms_write(&html, "# A & B\r\n\r\nOne\ntwo <b>\n\n- first\n  goes on\n- second\n"
                       "# End\n- last");
    assert_int_equal(html.error, 0);
    assert_string_equal(buffer_text(&html),
                        "<h2>A &amp; B</h2><p>One two &lt;b&gt;</p>\n"
                        "<ul><li>first goes on</li><li>second</li></ul>\n"
                        "<h2>End</h2><ul><li>last</li></ul>\n");
    buffer_free(&html);
}

/* Who agreed to a version must find its words unchanged: a new text has a new version. */
static void test_builtin_is_what_its_version_says(void **state)
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    char text[TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1];

    (void)state;
    assert_int_equal(digest_sha256(terms_builtin_text, strlen(terms_builtin_text), hash),
                     0);
    text_hex(hash, sizeof(hash), text);
    assert_string_equal(terms_builtin_version, "latchkey-1");
    assert_string_equal(
        text, "3ab59ee9ec237282b3d351e36c619fd6bbccbd79a72080d13a2e77fbab87fe79");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_builtin_is_what_its_version_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
