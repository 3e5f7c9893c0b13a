/* Several files read together. A case is a folder with main.conf and what its zone_files
 * name; `expect` is the whole report, `warn` what --check says besides. */
#include "relay/relay_config_zones.h"

#include "tests/unit/vector.h"

#include <unistd.h>

static void check_case(const char *suite, const char *name)
{
    struct buffer expect = vector_file(suite, name, "expect");
    struct buffer report = buffer_init(1 << 16);
    struct relay_config config;
    char path[512];
    /* The report names files as they were given: from their folder. */
    assert_true(text_format(path, sizeof(path), VECTORS "/%s/%s", suite, name));
    assert_int_equal(chdir(path), 0);
    int result = relay_config_read("main.conf", &config, &report);
    if (strcmp(buffer_text(&report), buffer_text(&expect)) != 0 ||
        (result == 0) != (expect.size == 0)) {
        fail_msg("%s: result %d, report: %s", name, result, buffer_text(&report));
    }
    if (vector_has(suite, name, "warn")) {
        struct buffer warn = vector_file(suite, name, "warn");
        relay_config_zones_warn(&config, &report);
        assert_string_equal(buffer_text(&report), buffer_text(&warn));
        buffer_free(&warn);
    }
    relay_config_free(&config);
    buffer_free(&report);
    buffer_free(&expect);
}

static void cases(void **state)
{
    (void)state;
    vector_each("relay-zones", 18, check_case);
}

static void process_wide_values_are_in_each(void **state)
{
    struct buffer report = buffer_init(1 << 16);
    struct relay_config config;
    (void)state;
    assert_int_equal(chdir(VECTORS "/relay-zones/three-aliases"), 0);
    assert_int_equal(relay_config_read("main.conf", &config, &report), 0);
    size_t count = 0;
    for (const struct relay_config *at = &config; at != NULL; at = at->next) {
        assert_string_equal(at->store, "/var/lib/latchkey");
        assert_string_equal(at->secret_file, "/var/lib/latchkey/secret");
        assert_int_equal(at->front_max_connections, 4096);
        assert_int_equal(at->dns_listen.count, 2);
        assert_string_equal(at->dns_listen.at[1], config.dns_listen.at[1]);
        count++;
    }
    assert_int_equal(count, 3);
    assert_string_equal(config.relay_key_file, "/var/lib/latchkey/relay-key.pem");
    assert_string_equal(config.next->relay_key_file,
                        "/var/lib/latchkey/relay-key-lan.example.org.pem");
    assert_string_equal(config.next->base_url, "https://relay.lan.example.org");
    assert_int_equal(config.base_url_aliases.count, 2);
    assert_int_equal(config.next->base_url_aliases.count, 1);
    relay_config_free(&config);
    buffer_free(&report);
}

static void a_zone_is_found_by_name(void **state)
{
    struct buffer report = buffer_init(1 << 16);
    struct relay_config config;
    (void)state;
    assert_int_equal(chdir(VECTORS "/relay-zones/two"), 0);
    assert_int_equal(relay_config_read("main.conf", &config, &report), 0);
    assert_ptr_equal(relay_config_zones_find(&config, "lan.example.com", &report),
                     &config);
    assert_ptr_equal(relay_config_zones_find(&config, "LAN.example.ORG", &report),
                     config.next);
    assert_int_equal(report.size, 0);
    assert_null(relay_config_zones_find(&config, "lan.example", &report));
    assert_string_equal(buffer_text(&report),
                        "'lan.example' is no zone of this relay; its zones are: "
                        "lan.example.com, lan.example.org\n");
    relay_config_free(&config);
    buffer_free(&report);
}

static void the_lower_figures_are_shared(void **state)
{
    struct buffer report = buffer_init(1 << 16);
    struct relay_config config;
    struct relay_config_share share;
    (void)state;
    assert_int_equal(chdir(VECTORS "/relay-zones/shared-domain-own-figures"), 0);
    assert_int_equal(relay_config_read("main.conf", &config, &report), 0);
    for (const struct relay_config *at = &config; at != NULL; at = at->next) {
        share = relay_config_zones_share(at);
        assert_int_equal(share.other_count, 1);
        assert_string_equal(share.others[0],
                            at == &config ? config.next->zone : config.zone);
        assert_int_equal(share.week, 50);
        assert_int_equal(share.burst, 20);
    }
    /* One that holds to no budgets is counted by nobody. */
    config.next->budgets = false;
    share = relay_config_zones_share(&config);
    assert_int_equal(share.other_count, 0);
    assert_int_equal(share.week, 5000);
    relay_config_free(&config);
    buffer_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases),
        cmocka_unit_test(process_wide_values_are_in_each),
        cmocka_unit_test(a_zone_is_found_by_name),
        cmocka_unit_test(the_lower_figures_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
