#include "device/diagnosis_task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_AT = 1795000000, DAY_S = 86400 };

static struct diagnosis_own good(void)
{
    return (struct diagnosis_own){
        .now_at = NOW_AT,
        .has_trusted = true,
        .not_before_at = NOW_AT - 10 * DAY_S,
        .not_after_at = NOW_AT + 30 * DAY_S,
        .renew_at = NOW_AT + 10 * DAY_S,
        .failure_code = "",
        .failure_text = "",
    };
}

static void expect(const struct diagnosis_own *own, enum diagnosis_check check,
                   const char *code)
{
    struct diagnosis diagnosis;
    diagnosis_init(&diagnosis);
    diagnosis_task_add_own(own, &diagnosis);
    assert_string_equal(diagnosis_code_word(diagnosis.verdicts[check].code), code);
}

static void test_certificate(void **state)
{
    struct diagnosis_own own = good();
    (void)state;
    expect(&own, DIAGNOSIS_CHECK_CERTIFICATE, "certificate-good");
    own.now_at = NOW_AT + 14 * DAY_S; /* renewal is four of twenty days late */
    expect(&own, DIAGNOSIS_CHECK_CERTIFICATE, "certificate-good");
    own.now_at = NOW_AT + 16 * DAY_S;
    expect(&own, DIAGNOSIS_CHECK_CERTIFICATE, "certificate-late");
    own.now_at = own.not_after_at;
    expect(&own, DIAGNOSIS_CHECK_CERTIFICATE, "certificate-expired");
    own.now_at = own.not_before_at - 1;
    expect(&own, DIAGNOSIS_CHECK_CERTIFICATE, "certificate-future");
    own = good();
    own.renew_at = 0;
    expect(&own, DIAGNOSIS_CHECK_CERTIFICATE, "certificate-good");
    own.has_trusted = false;
    expect(&own, DIAGNOSIS_CHECK_CERTIFICATE, "certificate-none");
}

static void test_order(void **state)
{
    static const struct {
        const char *failure;
        const char *code;
    } cases[] = {{"", "order-none"},           {"rate-limit", "order-waiting"},
                 {"wait", "order-waiting"},    {"net", "order-failed"},
                 {"disk", "order-failed"},     {"eab", "order-refused"},
                 {"account", "order-refused"}, {"no-relay", "order-refused"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct diagnosis_own own = good();
        own.failure_code = cases[i].failure;
        own.failure_text = "said the relay";
        own.failure_at = NOW_AT - 5;
        own.next_try_at = NOW_AT + 60;
        expect(&own, DIAGNOSIS_CHECK_ORDER, cases[i].code);
    }
}

static void test_state(void **state)
{
    static const struct {
        const char *storage;
        const char *code;
    } cases[] = {{"good", "storage-good"},
                 {"full", "storage-full"},
                 {"read-only", "storage-read-only"},
                 {"error", "storage-failing"}};
    struct diagnosis_own own = good();
    (void)state;
    /* Without an agent nobody has tried to write. */
    expect(&own, DIAGNOSIS_CHECK_STORAGE, "not-checked");
    expect(&own, DIAGNOSIS_CHECK_IDENTITY, "not-checked");
    own.is_running = true;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        own.storage = cases[i].storage;
        expect(&own, DIAGNOSIS_CHECK_STORAGE, cases[i].code);
    }
    expect(&own, DIAGNOSIS_CHECK_IDENTITY, "identity-single");
    own.is_cloned = true;
    expect(&own, DIAGNOSIS_CHECK_IDENTITY, "identity-cloned");
}

static json_t *message(const char *zone, const char *verdict)
{
    json_t *body = json_pack("{s:s,s:s,s:[s]}", "type", "diagnosis", "zone", zone,
                             "verdicts", verdict);
    assert_non_null(body);
    return body;
}

static void expect_read(const char *zone, const char *verdict, int error)
{
    struct diagnosis diagnosis = {.at = 7};
    json_t *body = message(zone, verdict);
    assert_int_equal(diagnosis_task_read(body, NOW_AT, &diagnosis), error);
    assert_int_equal(diagnosis.at, error == 0 ? NOW_AT : 7);
    json_decref(body);
}

static void test_read(void **state)
{
    (void)state;
    expect_read("lan.example.com", "clock clock-right any\nfact\n", 0);
    expect_read("", "clock clock-right any\n", 0);
    expect_read("lan.example.com", "clock relay-down any\n", ERROR_SYNTAX);
    /* It goes into commands for a router. */
    expect_read("x'; reboot #", "clock clock-right any\n", ERROR_SYNTAX);
    expect_read("x y", "clock clock-right any\n", ERROR_SYNTAX);
    struct diagnosis diagnosis;
    json_t *body = json_pack("{s:s}", "zone", "x.example");
    assert_int_equal(diagnosis_task_read(body, NOW_AT, &diagnosis), ERROR_SYNTAX);
    json_decref(body);
}

static void test_describe(void **state)
{
    static const char text[] =
        "[device]\nrelay = https://relay.example/acme/directory\nname = nas\n"
        "doh = https://192.0.2.1/dns-query\n";
    struct device_config config;
    struct buffer report = buffer_init(4096);
    struct buffer frame = buffer_init(64 << 10);
    struct worker_message task = {.body = NULL};
    struct own_addresses addresses = {.count = 1};
    struct key *key = NULL;
    (void)state;
    assert_int_equal(device_config_parse("test", text, &config, &report), 0);
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    assert_true(lanname_address_parse("192.168.1.51", &addresses.at[0]));
    struct diagnosis_task wanted = {
        .config = &config,
        .relay = &config.relays[0],
        .remembered_pin = "the-first-one",
        .relay_zone = "",
        .key = key,
        .account_url = "",
        .zone = "lan.example.com",
        .addresses = &addresses,
        .port = 443,
        .fingerprint = "",
    };
    assert_int_equal(diagnosis_task_describe(&wanted, &task), 0);
    /* It keeps to the table of messages, and holds no secret. */
    assert_int_equal(worker_message_write(&task, &frame), 0);
    const json_t *facts = json_get_object(task.body, "facts");
    assert_string_equal(json_get_text(facts, "label"), "nas");
    assert_string_equal(json_get_text(facts, "zone"), "lan.example.com");
    assert_null(json_object_get(facts, "fingerprint"));
    assert_string_equal(json_get_text(facts, "relay_remembered"), "the-first-one");
    assert_null(json_object_get(facts, "relay_pin"));
    assert_null(json_object_get(facts, "relay_zone"));
    assert_null(json_object_get(json_get_object(task.body, "key"), "d"));
    assert_int_equal(json_array_size(json_get_array(facts, "doh")), 1);
    worker_message_free(&task);
    key_free(key);
    device_config_free(&config);
    buffer_free(&report);
    buffer_free(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate), cmocka_unit_test(test_order),
        cmocka_unit_test(test_state),       cmocka_unit_test(test_read),
        cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
