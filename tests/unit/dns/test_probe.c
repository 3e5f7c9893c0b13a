#include "dns/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 100000 };

static void count(struct dns_probes *probes, const char *name, int64_t now_at)
{
    dns_probe_count(probes, name, strlen(name), now_at);
}

static unsigned seen(const struct dns_probes *probes, const char *name, int64_t now_at)
{
    return dns_probe_seen(probes, name, strlen(name), now_at);
}

static void test_window(void **state)
{
    struct dns_probes *probes = NULL;
    (void)state;
    assert_int_equal(dns_probe_new(&probes), 0);
    assert_int_equal(seen(probes, "a", NOW), 0);
    count(probes, "a", NOW);
    count(probes, "a", NOW + 30);
    assert_int_equal(seen(probes, "a", NOW + 30), 2);
    assert_int_equal(seen(probes, "b", NOW + 30), 0);
    assert_int_equal(seen(probes, "a", NOW + DNS_PROBE_WINDOW_S - 1), 2);
    assert_int_equal(seen(probes, "a", NOW + DNS_PROBE_WINDOW_S), 1);
    assert_int_equal(seen(probes, "a", NOW + 30 + DNS_PROBE_WINDOW_S), 0);
    /* The clock was set back: what lies in the future is not "within the last minute". */
    assert_int_equal(seen(probes, "a", NOW - 1), 0);
    dns_probe_free(probes);
}

static void test_most(void **state)
{
    struct dns_probes *probes = NULL;
    (void)state;
    assert_int_equal(dns_probe_new(&probes), 0);
    for (int i = 0; i < DNS_PROBE_SEEN_MAX * 3; i++) {
        count(probes, "a", NOW);
    }
    assert_int_equal(seen(probes, "a", NOW), DNS_PROBE_SEEN_MAX);
    dns_probe_free(probes);
}

/* A flood pushes out the names that were asked longest ago, and never counts for others. */
static void test_flood(void **state)
{
    struct dns_probes *probes = NULL;
    char name[32];
    unsigned kept = 0;
    (void)state;
    assert_int_equal(dns_probe_new(&probes), 0);
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "flood-%u", i);
        count(probes, name, NOW + i / 10000);
        assert_int_equal(seen(probes, name, NOW + i / 10000), 1);
    }
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "flood-%u", i);
        kept += seen(probes, name, NOW + 9);
    }
    assert_true(kept > 1000 && kept <= 4096);
    count(probes, "a", NOW + 20);
    count(probes, "a", NOW + 20);
    assert_int_equal(seen(probes, "a", NOW + 20), 2);
    dns_probe_free(probes);
    dns_probe_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_most),
        cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
