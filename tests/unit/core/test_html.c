#include "base/core/html.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

static struct buffer html;

static void expect(const char *wanted)
{
    assert_int_equal(html.error, 0);
    assert_string_equal(buffer_text(&html), wanted);
    buffer_free(&html);
    html = buffer_init(4096);
}

static void test_escape(void **state)
{
    (void)state;
    html = buffer_init(4096);
    html_escape(&html, "<a href=\"x\" id='y'>&amp;\xc3\xa9</a>");
    expect("&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;\xc3\xa9&lt;/a&gt;");
    html_escape(&html, "");
    expect("");
    html_element(&html, "p class=\"note\"", "1 < 2");
    expect("<p class=\"note\">1 &lt; 2</p>");
    html_prose(&html, "p", "Type `a<b`, then `c`.");
    expect("<p>Type <code>a&lt;b</code>, then <code>c</code>.</p>");
    html_prose(&html, "p", "One ` alone > two");
    expect("<p>One ` alone &gt; two</p>");
    buffer_free(&html);
}

/* What does not fit is refused as a whole by whoever looks at the buffer's error. */
static void test_limit(void **state)
{
    (void)state;
    html = buffer_init(8);
    html_escape(&html, "<<<");
    assert_int_equal(html.error, ERROR_LIMIT);
    buffer_free(&html);
}

static int value_of(const char *form, const char *name, const char *wanted)
{
    struct buffer value = buffer_init(8);
    int error =
        html_form_value((struct bytes){(const uint8_t *)form, strlen(form)}, name, &value);

    if (error == 0) {
        assert_string_equal(buffer_text(&value), wanted);
    }
    buffer_free(&value);
    return error;
}

static void test_form_value(void **state)
{
    static const char *const bad[] = {"a=%", "a=%4", "a=%4g", "a=%00", "a=b%"};

    (void)state;
    assert_int_equal(value_of("a=1&b=x%20y+z&c=", "b", "x y z"), 0);
    assert_int_equal(value_of("a=1&b=2&b=3", "b", "2"), 0);
    assert_int_equal(value_of("a=1&c=", "c", ""), 0);
    assert_int_equal(value_of("ab=1&a", "a", ""), ERROR_NOT_FOUND);
    assert_int_equal(value_of("", "a", ""), ERROR_NOT_FOUND);
    assert_int_equal(value_of("a=123456789", "a", ""), ERROR_LIMIT);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(value_of(bad[i], "a", ""), ERROR_SYNTAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_form_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
