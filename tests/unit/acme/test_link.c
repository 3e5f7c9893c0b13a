/* Link headers and origins: the two places where a CA tells us where to go. */
#include "acme/link.h"
#include "acme/origin.h"

#include "base/core/limits.h"

#include "tests/unit/vector.h"

static void test_finds_targets(void **state)
{
    static const struct {
        const char *value;
        size_t index;
        const char *target; /* NULL: none */
    } rows[] = {
        {"<https://a/1>;rel=\"alternate\"", 0, "https://a/1"},
        {"<https://a/1>; rel=alternate", 0, "https://a/1"},
        {"<https://a/1> ; REL = \"ALTERNATE\"", 0, "https://a/1"},
        {"<https://a/1>; rel=\"index alternate up\"", 0, "https://a/1"},
        {"<https://a/0>; rel=up, <https://a/1>; rel=alternate", 0, "https://a/1"},
        {"<https://a/1>; rel=alternate, <https://a/2>; rel=alternate", 1, "https://a/2"},
        {"<https://a/1,2;3>; title=\"x, <y>; \\\"rel=alternate\"; rel=alternate", 0,
         "https://a/1,2;3"},
        {"<https://a/1>; rel=\"up\"", 0, NULL},
        {"<https://a/1>; rel=alternates", 0, NULL},
        {"<https://a/1>; xrel=alternate", 0, NULL},
        {"<https://a/1>; title=\"rel=alternate\"", 0, NULL},
        {"<https://a/1>; rel=alternate", 1, NULL},
        {"<https://a/1", 0, NULL},
        {"https://a/1; rel=alternate", 0, NULL},
        {"<>; rel=alternate", 0, NULL},
        {"<https://a/1>; rel=\"alternate", 0, "https://a/1"},
        {"<https://a/1>; rel=\"x\\", 0, NULL},
        {"<https://a/1>;;;", 0, NULL},
        {"", 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char url[64] = "";
        bool found =
            link_target(rows[i].value, "alternate", rows[i].index, url, sizeof(url));

        if (found != (rows[i].target != NULL) ||
            (found && strcmp(url, rows[i].target) != 0))
            fail_msg("'%s': %d '%s'", rows[i].value, found, url);
    }
}

static void test_target_must_fit(void **state)
{
    char url[8];

    (void)state;
    assert_false(link_target("<https://a/1>; rel=up", "up", 0, url, sizeof(url)));
    assert_true(link_target("<1234567>; rel=up", "up", 0, url, sizeof(url)));
    assert_false(link_target("<12345678>; rel=up", "up", 0, url, sizeof(url)));
}

static void test_compares_origins(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"https://ca.test/a", "https://ca.test/b?c", true},
        {"https://ca.test", "https://CA.Test/b", true},
        {"https://ca.test:443/", "https://ca.test/", true},
        {"https://ca.test:14000/", "https://ca.test:14000/x", true},
        {"https://[::1]:14000/", "https://[::1]:14000/x", true},
        {"https://ca.test:14000/", "https://ca.test/", false},
        {"https://ca.test/", "http://ca.test/", false},
        {"https://ca.test/", "https://ca.test.evil/", false},
        {"https://ca.test/", "https://ca.test@evil/", false},
        {"https://ca.test/", "https://evil/ca.test", false},
        {"https://ca.test/", "https://ca.test\\@evil/", false},
        {"https://ca.test/", "/relative", false},
        {"https://ca.test/", "//ca.test/", false},
        {"https://ca.test/", "https:///", false},
        {"https://ca.test/", "https://ca.test:0443x/", false},
        {"https://ca.test/", "https://ca.test:/", false},
        {"https://ca.test/", "https://ca.test:99999/", false},
        {"https://ca.test/", "https://ca.test/a b", false},
        {"https://ca.test/", "https://ca.test/\n", false},
        {"https://ca.test/", "https://ca.test/\xc3\xa4", false},
        {"https://ca.test/", "", false},
        {"https://ca.test/", NULL, false},
        {NULL, NULL, false},
    };
    char url[LIMIT_URL_BYTES + 32] = "https://ca.test/";

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (origin_is_same(rows[i].a, rows[i].b) != rows[i].same)
            fail_msg("%s %s", rows[i].a, rows[i].b);
    }
    memset(url + 16, 'x', LIMIT_URL_BYTES - 16);
    assert_true(origin_is_https(url));
    url[LIMIT_URL_BYTES] = 'x';
    assert_false(origin_is_https(url));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_targets),
        cmocka_unit_test(test_target_must_fit),
        cmocka_unit_test(test_compares_origins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
