#include "relay/relay_config.h"

#include "base/core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GOOD                                                                             \
    "[relay]\nzone = lan.example.com\n[issuer]\nterms_agreed = yes\n"                    \
    "[dns]\nname_servers = ns1.lan.example.com=192.0.2.1,2001:db8::1 ns.example.net\n"

static int read_text(const char *text, struct relay_config *ret_config,
                     struct buffer *report)
{
    char path[] = "/tmp/relay-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int result = relay_config_read(path, ret_config, report);
    unlink(path);
    return result;
}

static void test_defaults(void **state)
{
    struct relay_config config;
    struct buffer report = buffer_init(16384);
    (void)state;
    assert_int_equal(read_text(GOOD, &config, &report), 0);
    assert_string_equal(buffer_text(&report), "");
    assert_string_equal(config.base_url, "https://relay.lan.example.com");
    assert_string_equal(config.host, "relay.lan.example.com");
    assert_string_equal(config.secret_file, "/var/lib/latchkey/secret");
    assert_string_equal(config.dns_contact, "hostmaster@lan.example.com");
    assert_int_equal(config.enrolment, RELAY_ENROLMENT_TOKEN);
    assert_false(config.dns_loopback);
    assert_false(config.ca_new_account);
    assert_true(config.budgets);
    assert_int_equal(config.budget_certificates_week, 50);
    assert_int_equal(config.dns_listen.count, 2);
    assert_int_equal(config.dns_rate_limit, 1000);
    assert_int_equal(config.dns_unlimited.count, 0);
    assert_int_equal(config.dns_name_servers.count, 2);
    assert_int_equal(config.open_prefixes.count, 0);
    assert_int_equal(config.accounts_per_prefix_hour, 100);
    assert_int_equal(config.orders_per_prefix_hour, 200);
    assert_int_equal(config.open_accounts_per_day, 100);
    assert_string_equal(config.abuse_contact, "hostmaster@lan.example.com");
    relay_config_free(&config);
    buffer_free(&report);
}

/* What the service manager gives wins over the default, not over what the file names. */
static void test_secret_as_credential(void **state)
{
    struct relay_config config;
    struct buffer report = buffer_init(16384);
    char folder[] = "/tmp/relay-credentials-XXXXXX";
    char path[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    assert_int_equal(read_text(GOOD, &config, &report), 0);
    assert_string_equal(config.secret_file, "/var/lib/latchkey/secret");
    relay_config_free(&config);
    snprintf(path, sizeof(path), "%s/secret", folder);
    assert_int_equal(file_write_new(path, "x", 1, 0400), 0);
    assert_int_equal(read_text(GOOD, &config, &report), 0);
    assert_string_equal(config.secret_file, path);
    relay_config_free(&config);
    assert_int_equal(read_text(GOOD "[relay]\nsecret_file = /s\n", &config, &report), 0);
    assert_string_equal(config.secret_file, "/s");
    relay_config_free(&config);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    unlink(path);
    rmdir(folder);
    buffer_free(&report);
}

static void test_host_follows_base_url(void **state)
{
    struct relay_config config;
    struct buffer report = buffer_init(16384);
    (void)state;
    assert_int_equal(read_text(GOOD
                               "[relay]\nbase_url = https://acme.lan.example.com:8443\n",
                               &config, &report),
                     0);
    assert_string_equal(config.host, "acme.lan.example.com");
    relay_config_free(&config);
    buffer_free(&report);
}

struct fault {
    const char *text;
    const char *expected; /* must stand in the report */
};

static const struct fault faults[] = {
    {"[issuer]\nterms_agreed = yes\n[dns]\nname_servers = ns.example.net\n", "zone"},
    {"[relay]\nzone = LAN.example.com\n", "[relay] zone = 'LAN.example.com'"},
    {"[relay]\nzone = lan.example.com.\n", "without a dot at the end"},
    {"[relay]\nzone = lan\n", "host name"},
    {"[relay]\nzone = -a.example.com\n", "host name"},
    {GOOD "[relay]\nbase_url = http://relay.lan.example.com\n", "https://"},
    {GOOD "[relay]\nbase_url = https://relay.lan.example.com/\n", "without a slash"},
    {GOOD "[relay]\nbase_url = https://relay.example.org\n", "must be below the zone"},
    {GOOD "[front]\nlisten = 192.0.2.1:70000\n", "[front] listen = '192.0.2.1:70000'"},
    {GOOD "[front]\nlisten = localhost:443\n", "address:port"},
    {GOOD "[front]\nenrolment = maybe\n", "token"},
    {GOOD "[front]\nopen_prefixes = 192.0.2.0\n", "must be networks"},
    {GOOD "[front]\nopen_prefixes = 192.0.2.1/24\n", "write the network"},
    {GOOD "[front]\nopen_prefixes = ::/0\n", "enrolment = open"},
    {GOOD "[front]\nenrolment = open\nopen_prefixes = 192.0.2.0/24\n",
     "means nothing while enrolment = open"},
    {GOOD "[relay]\nabuse_contact = me\n", "must be a mail address"},
    {GOOD "[relay]\nabuse_contact = http://example.com/\n", "or an https:// address"},
    {GOOD "[relay]\nterms_file = /etc/terms\n", "terms_file and terms_version"},
    {GOOD "[relay]\nterms_file = /etc/terms\nterms_version = a/b\n",
     "terms_version = 'a/b'"},
    {GOOD "[relay]\nterms_file = /etc/terms\nterms_version = ..\n",
     "without a '.' first"},
    {GOOD "[dns]\nhosts = relay=192.0.2.300\n", "name=address"},
    {GOOD "[dns]\nlistn = :53\n", "listn"},
    {GOOD "[dns]\nrate_limit = 1000001\n", "rate_limit"},
    {GOOD "[dns]\nunlimited = 192.0.2.0/24 lan\n", "networks separated by blanks"},
    {GOOD "[dns]\nunlimited = 192.0.2.1/24\n", "bits set beyond"},
    {GOOD "[issuer]\neab_kid = x\n", "give both or neither"},
    {GOOD "[issuer]\nmax_in_flight = 0\n", "max_in_flight"},
    {GOOD "[issuer]\ncontact = me\n", "mailto:"},
    {"[relay]\nzone = lan.example.com\n[issuer]\nterms_agreed = yes\n"
     "[dns]\nname_servers = ns1.lan.example.com\n",
     "must have its addresses"},
    {"[relay]\nzone = lan.example.com\n[issuer]\nterms_agreed = yes\n"
     "[dns]\nname_servers = ns1.example.org=192.0.2.1\n",
     "one outside must have none"},
    {"[relay]\nzone = lan.example.com\n[dns]\nname_servers = ns.example.net\n",
     "terms_agreed"},
};

static void test_faults_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct relay_config config;
        struct buffer report = buffer_init(16384);
        int result = read_text(faults[i].text, &config, &report);
        if (result != ERROR_SYNTAX ||
            strstr(buffer_text(&report), faults[i].expected) == NULL) {
            fail_msg("case %zu: result %d, '%s' not in: %s", i, result,
                     faults[i].expected, buffer_text(&report));
        }
        relay_config_free(&config);
        buffer_free(&report);
    }
}

static void test_missing_file(void **state)
{
    struct relay_config config;
    struct buffer report = buffer_init(16384);
    (void)state;
    assert_int_equal(relay_config_read("/nonexistent/relay.conf", &config, &report),
                     ERROR_NOT_FOUND);
    assert_non_null(strstr(buffer_text(&report), "/nonexistent/relay.conf"));
    relay_config_free(&config);
    buffer_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_secret_as_credential),
        cmocka_unit_test(test_host_follows_base_url),
        cmocka_unit_test(test_faults_are_named),
        cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
