#include "device/public_config.h"

#include "base/core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, const char *expected)
{
    struct buffer public = buffer_init(64 << 10);
    assert_int_equal(public_config_write(text, strlen(text), &public), 0);
    assert_string_equal(buffer_text(&public), expected);
    buffer_free(&public);
}

static void test_what_is_shown(void **state)
{
    (void)state;
    expect(
        "# comment\n[device]\n\n  relay = https://relay.example/acme/directory#pin \r\n"
        "; another\nserve = :443 :8443\n",
        "[device]\nrelay = https://relay.example/acme/directory#pin\nserve = :443 "
        ":8443\n");
    expect("proxy = http://proxy:3128", "proxy = http://proxy:3128 \n");
    expect("name=home", "name = home\n");
    expect("", "");
}

static void test_what_is_not(void **state)
{
    (void)state;
    expect("proxy = http://joe:secret@proxy:3128\n", "proxy = http://proxy:3128 \n");
    expect("proxy = http://joe:s@cret@proxy:3128/secret\n",
           "proxy = http://proxy:3128/... \n");
    expect("proxy = joe:secret\n", "proxy = (left out) \n");
    expect("doh = https://dns.example/secret https://1.1.1.1/dns-query?k=secret\n",
           "doh = https://dns.example/... https://1.1.1.1/... \n");
    expect("identity = pkcs11:object=x?pin-value=secret\n",
           "identity = pkcs11:object=x (the rest is left out)\n");
    expect("reload = /bin/tell --password secret\n",
           "reload = /bin/tell (the rest is left out)\n");
    expect("password = secret\n", "password = (left out)\n");
    expect("PROXY = secret\n", "PROXY = (left out)\n");
    expect("just a secret\n", "(a line without '=' is left out)\n");
}

/* Each key of the example is known here: a new one must be thought about. */
static void test_every_key(void **state)
{
    struct buffer text = buffer_init(64 << 10);
    struct buffer lines = buffer_init(64 << 10);
    struct buffer public = buffer_init(64 << 10);
    unsigned keys = 0;
    (void)state;
    assert_int_equal(file_read(EXAMPLE, &text), 0);
    char *rest = (char *)text.data;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        bool is_key = line[0] == '#' && line[1] != ' ' && strchr(line, '=') != NULL;
        if (is_key) {
            buffer_printf(&lines, "%s\n", line + 1);
            keys++;
        }
    }
    assert_true(keys > 20);
    assert_int_equal(public_config_write(buffer_text(&lines), lines.size, &public), 0);
    if (strstr(buffer_text(&public), "= (left out)") != NULL) {
        fail_msg("a key of latchkey.conf.example is unknown to public_config.c:\n%s",
                 buffer_text(&public));
    }
    buffer_free(&text);
    buffer_free(&lines);
    buffer_free(&public);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_shown),
        cmocka_unit_test(test_what_is_not),
        cmocka_unit_test(test_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
