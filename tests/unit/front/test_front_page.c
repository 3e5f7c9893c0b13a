/* /name/<id>: what is built from an id and an address, and that nothing typed becomes
 * markup. */
#include "relay/front/page_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID "abcdefghijklmnopqrstuvwxyz234567"

static struct relay_config config;
static struct service service = {
    .config = &config, .zone = "lan.example.com", .base = "https://relay", .prefix = ""};

static struct buffer page_of(const char *id, const char *address, int status)
{
    struct buffer html = buffer_init(PAGE_BYTES_MAX);

    assert_int_equal(page_name_write(&service, id, address, &html), status);
    assert_int_equal(html.error, 0);
    assert_non_null(strstr(buffer_text(&html), "</html>"));
    return html;
}

static void expect(const char *id, const char *address, int status, const char *wanted)
{
    struct buffer html = page_of(id, address, status);

    if (strstr(buffer_text(&html), wanted) == NULL) {
        fail_msg("'%s' '%s': no '%s'", id, address, wanted);
    }
    buffer_free(&html);
}

static void test_address(void **state)
{
    static const char refused[] = "is not an address that names here lead to";

    (void)state;
    expect(ID, "", 200, "192-168-1-51.<wbr>" ID ".lan.example.com");
    expect(ID, "192.168.7.9", 200,
           "<a href=\"https://192-168-7-9." ID ".lan.example.com/\">");
    expect(ID, " fd12::1 ", 200, "https://fd12-0-0-0-0-0-0-1." ID ".lan.example.com/");
    expect("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "10.0.0.1", 200, "10-0-0-1." ID);
    expect(ID, "8.8.8.8", 200, refused);
    expect(ID, "127.0.0.1", 200, refused);
    expect(ID, "169.254.169.254", 200, refused);
    expect(ID, "100.64.0.1", 200, refused);
    expect(ID, "192.168.1", 200, "is no IP address");
    config.dns_shared = true;
    expect(ID, "100.64.0.1", 200, "100-64-0-1." ID);
    config.dns_shared = false;
}

static void test_bad_id(void **state)
{
    static const char *const ids[] = {
        "",
        "x",
        ID "a",
        "abcdefghijklmnopqrstuvwxyz234568",
        "abcdefghijklmnopqrstuvwxyz23456.",
        "<script>alert(1)</script>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        expect(ids[i], "192.168.1.1", 404, "That is no id");
    }
}

/* Everything that a visitor typed comes back as text. */
static void test_escaping(void **state)
{
    static const char evil[] = "\"><img src=x onerror=alert(1)>'&";
    char big[5000];
    struct buffer html = page_of(ID, evil, 200);

    (void)state;
    assert_null(strstr(buffer_text(&html), "<img src=x"));
    assert_non_null(
        strstr(buffer_text(&html),
               "value=\"&quot;&gt;&lt;img src=x onerror=alert(1)&gt;&#39;&amp;\""));
    buffer_free(&html);
    html = page_of(evil, "", 404);
    assert_null(strstr(buffer_text(&html), "<img src=x"));
    buffer_free(&html);
    memset(big, '<', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    html = page_of(ID, big, 200);
    buffer_free(&html);
    html = page_of(big, big, 404);
    buffer_free(&html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_bad_id),
        cmocka_unit_test(test_escaping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
