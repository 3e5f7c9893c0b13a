#include "device/device_config.h"

#include "base/core/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#define RELAY "relay = https://relay.lan.example.com/acme/directory\n"

static void test_only_the_relay_has_no_default(void **state)
{
    (void)state;
    struct device_config config;
    struct buffer report = buffer_init(4096);
    assert_int_equal(device_config_parse("x", "[device]\n" RELAY, &config, &report), 0);
    assert_int_equal(report.size, 0);
    assert_string_equal(config.relays[0].directory, "https://relay.lan.example.com/acme/directory");
    assert_string_equal(config.relays[0].pin, "");
    assert_string_equal(config.state_folder, "/var/lib/latchkey-device");
    assert_int_equal(config.serve.count, 1);
    assert_string_equal(config.serve.at[0], ":443");
    assert_string_equal(config.name, "home");
    assert_string_equal(config.profile, "tlsserver");
    assert_string_equal(config.token_file, "");
    assert_string_equal(config.ca_file, "");
    assert_string_equal(config.worker, "");
    assert_int_equal(config.addresses.count, 0);
    assert_int_equal(config.log, LOG_LEVEL_INFO);
    device_config_free(&config);
    buffer_free(&report);
}

static void test_the_example_is_the_default(void **state)
{
    (void)state;
    struct device_config config;
    struct buffer report = buffer_init(4096);
    if (device_config_read(EXAMPLE, &config, &report) != 0) {
        fail_msg("%s", buffer_text(&report));
    }
    assert_string_equal(config.name, "home");
    device_config_free(&config);
    buffer_free(&report);
}

static void test_everything_set(void **state)
{
    (void)state;
    struct device_config config;
    struct buffer report = buffer_init(4096);
    static const char text[] =
        "[device]\n"
        "relay = "
        "https://relay:8443/acme/directory#47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\n"
        "state_folder = /tmp/x\nserve = :8443 [fd12::1]:443\nname = Camera-1\n"
        "local_name = cam.local\ntoken_file = /etc/t\ninterface = eth0 eth1\n"
        "address = 192.168.1.51 fd12::1\nca_file = /etc/ca\nname_server = "
        "127.0.0.1:5353\n"
        "profile = shortlived\nworker = /usr/bin/w\nlog = debug\n";
    if (device_config_parse("x", text, &config, &report) != 0) {
        fail_msg("%s", buffer_text(&report));
    }
    assert_string_equal(config.relays[0].directory, "https://relay:8443/acme/directory");
    assert_string_equal(config.relays[0].pin, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    assert_string_equal(config.name, "camera-1");
    assert_int_equal(config.serve.count, 2);
    assert_int_equal(config.interfaces.count, 2);
    assert_int_equal(config.addresses.count, 2);
    assert_int_equal(config.log, LOG_LEVEL_DEBUG);
    device_config_free(&config);
    buffer_free(&report);
}

/* Each wrong line is refused, and the report names line and key. */
static void test_wrong_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *key;
    } cases[] = {
        {"relay = http://relay/acme", "relay"},
        {"relay = https://", "relay"},
        {"relay = https://relay", "relay"},
        {"relay = https://user@relay/acme", "relay"},
        {"relay = https://relay/ac me", "relay"},
        {"relay = https://relay/acme#short", "relay"},
        {"relay =", "relay"},
        {RELAY "serve = nonsense", "serve"},
        {RELAY "serve = 192.168.1.51:70000", "serve"},
        {RELAY "name = 192-168-1-1", "name"},
        {RELAY "name = -x", "name"},
        {RELAY "name = a.b", "name"},
        {RELAY "local_name = camera", "local_name"},
        {RELAY "local_name = a.b.local", "local_name"},
        {RELAY "address = 192.168.1", "address"},
        {RELAY "address = camera", "address"},
        {RELAY "address = 8.8.8.8", "private address"},
        {RELAY "address = 2001:db8::1", "private address"},
        {RELAY "ca_file = relative", "ca_file"},
        {RELAY "state_folder = here", "state_folder"},
        {RELAY "log = loud", "log"},
        {RELAY "name_server = dns.example.com", "name_server"},
        {RELAY "unknown = 1", "unknown"},
        {"name = home", "relay"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct device_config config;
        struct buffer report = buffer_init(4096);
        struct buffer text = buffer_init(4096);
        buffer_printf(&text, "[device]\n%s\n", cases[i].line);
        int error = device_config_parse("my.conf", buffer_text(&text), &config, &report);
        if (error != ERROR_SYNTAX || strstr(buffer_text(&report), cases[i].key) == NULL ||
            strstr(buffer_text(&report), "my.conf") == NULL) {
            fail_msg("'%s': %d, %s", cases[i].line, error, buffer_text(&report));
        }
        device_config_free(&config);
        buffer_free(&report);
        buffer_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_relay_has_no_default),
        cmocka_unit_test(test_the_example_is_the_default),
        cmocka_unit_test(test_everything_set),
        cmocka_unit_test(test_wrong_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
