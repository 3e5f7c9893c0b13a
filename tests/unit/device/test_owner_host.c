#include "device/owner_host.h"

#include "tests/unit/vector.h"

static const struct {
    const char *host;
    const char *result; /* NULL: refused */
} cases[] = {
    {"nas.example.com", "nas.example.com"},
    {"NAS.Example.COM", "nas.example.com"},
    {"nas", "nas"},
    {"camera.local", "camera.local"},
    {"1-2-3.example", "1-2-3.example"},
    {"3com.example", "3com.example"},
    {"xn--bcher-kva.example", "xn--bcher-kva.example"}, /* bücher */
    {"xn--fiqs8s", "xn--fiqs8s"},                       /* China */
    {"xn--maana-pta.com", "xn--maana-pta.com"},         /* mañana */
    {"xn--ls8h.la", "xn--ls8h.la"},                     /* beyond the first plane */
    {"a.b.c.d.e.f.g", "a.b.c.d.e.f.g"},
    {"", NULL},
    {".", NULL},
    {"a.", NULL},
    {".a", NULL},
    {"a..b", NULL},
    {"-a.test", NULL},
    {"a-.test", NULL},
    {"a_b.test", NULL},
    {"a b.test", NULL},
    {"*.example.com", NULL},
    {"b\xc3\xbc"
     "cher.example",
     NULL},
    {"<script>", NULL},
    {"a/b", NULL},
    {"192.168.1.1", NULL},
    {"a.b.1", NULL},
    {"12345", NULL},
    {"a.0x7f", NULL},
    {"localhost", NULL},
    {"a.localhost", NULL},
    {"WPAD.example.com", NULL},
    {"isatap", NULL},
    {"ab--cd.example", NULL},
    {"xn--.example", NULL},
    {"xn--abc-.example", NULL}, /* all ASCII */
    {"xn--999999999.example", NULL},
    {"xn--a\x80.example", NULL},
    {"xn--999999b.example", NULL}, /* beyond all code points */
};

static void each_host(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char host[OWNER_HOST_CAPACITY] = "untouched";
        const char *wrong = owner_host_check(cases[i].host, host);
        print_message("'%s': %s\n", cases[i].host, wrong != NULL ? wrong : "good");
        if (cases[i].result != NULL) {
            assert_null(wrong);
            assert_string_equal(host, cases[i].result);
        } else {
            assert_non_null(wrong);
            assert_string_equal(host, "untouched");
        }
    }
}

static void lengths(void **state)
{
    (void)state;
    char name[300];
    char host[OWNER_HOST_CAPACITY];
    memset(name, 'a', sizeof(name));
    name[63] = '\0';
    assert_null(owner_host_check(name, host));
    name[63] = 'a';
    name[64] = '\0';
    assert_non_null(owner_host_check(name, host));
    memset(name, 'a', sizeof(name));
    for (size_t i = 50; i < sizeof(name); i += 51) {
        name[i] = '.';
    }
    name[253] = '\0';
    assert_null(owner_host_check(name, host));
    name[253] = 'a';
    name[254] = '\0';
    assert_non_null(owner_host_check(name, host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_host),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
