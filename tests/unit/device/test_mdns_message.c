#include "device/mdns_message.h"

#include "base/core/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

static struct mdns_facts some_facts(void)
{
    struct mdns_facts facts = {.host = "latchkey-5tbi3ygz",
                               .service = "Acme \"Camera\" (latchkey-5tbi3ygz)",
                               .id = "5tbi3ygz5tbi3ygz5tbi3ygz5tbi3ygz",
                               .port = 8443};
    facts.addresses.count = 2;
    assert_true(lanname_address_parse("192.168.1.51", &facts.addresses.at[0]));
    assert_true(lanname_address_parse("fd12::51", &facts.addresses.at[1]));
    return facts;
}

static void test_facts_come_back(void **state)
{
    (void)state;
    struct mdns_facts facts = some_facts();
    struct mdns_facts back = {.port = 0};
    struct buffer wire = buffer_init(LIMIT_MDNS_MESSAGE_BYTES);
    assert_int_equal(mdns_message_write_facts(&facts, &wire), 0);
    assert_int_equal(mdns_message_read_facts(wire.data, wire.size, &back), 0);
    assert_string_equal(back.host, facts.host);
    assert_string_equal(back.service, facts.service);
    assert_string_equal(back.id, facts.id);
    assert_int_equal(back.port, facts.port);
    assert_true(own_addresses_equal(&back.addresses, &facts.addresses));
    buffer_free(&wire);
}

/* The largest facts fit into a message. */
static void test_the_largest_facts_fit(void **state)
{
    (void)state;
    struct mdns_facts facts = some_facts();
    struct buffer wire = buffer_init(LIMIT_MDNS_MESSAGE_BYTES);
    memset(facts.host, 'a', MDNS_LABEL_CAPACITY - 1);
    memset(facts.service, '\x01', MDNS_LABEL_CAPACITY - 1); /* six bytes each in JSON */
    facts.addresses.count = LIMIT_DEVICE_ADDRESSES;
    for (size_t i = 0; i < LIMIT_DEVICE_ADDRESSES; i++) {
        memset(facts.addresses.at[i].octets, 0xfd - (int)i, 16);
        facts.addresses.at[i].family = 6;
    }
    assert_int_equal(mdns_message_write_facts(&facts, &wire), 0);
    buffer_free(&wire);
}

static void test_reports_come_back(void **state)
{
    (void)state;
    static const enum mdns_state states[] = {MDNS_OFF, MDNS_WAITING, MDNS_ANNOUNCED,
                                             MDNS_ABSENT, MDNS_FAILED};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct mdns_report report = {.state = states[i], .detail = "why"};
        struct mdns_report back = {.state = MDNS_OFF};
        struct buffer wire = buffer_init(LIMIT_MDNS_MESSAGE_BYTES);
        assert_true(text_copy(report.host, sizeof(report.host), "latchkey-a-2.local"));
        assert_int_equal(mdns_message_write_report(&report, &wire), 0);
        assert_int_equal(mdns_message_read_report(wire.data, wire.size, &back), 0);
        assert_int_equal(back.state, states[i]);
        assert_string_equal(back.host, "latchkey-a-2.local");
        assert_string_equal(back.detail, "why");
        buffer_free(&wire);
    }
}

static void test_what_is_no_message(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
    } reports[] = {
        {"", ERROR_SYNTAX},
        {"[]", ERROR_SYNTAX},
        {"{\"state\":\"announced\"}", ERROR_SYNTAX},
        {"{\"state\":\"better\",\"host\":\"\",\"detail\":\"\"}", ERROR_SYNTAX},
        /* Nothing but a name under .local may become a name in a certificate. */
        {"{\"state\":\"announced\",\"host\":\"bank.example\",\"detail\":\"\"}",
         ERROR_SYNTAX},
        {"{\"state\":\"announced\",\"host\":\"a.b.local\",\"detail\":\"\"}",
         ERROR_SYNTAX},
        {"{\"state\":\"announced\",\"host\":\"*.local\",\"detail\":\"\"}", ERROR_SYNTAX},
    };
    struct mdns_report report;
    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        assert_int_equal(
            mdns_message_read_report(reports[i].text, strlen(reports[i].text), &report),
            reports[i].error);
    }
    static const struct {
        const char *text;
        int error;
    } facts_texts[] = {
        {"{\"host\":\"a\",\"service\":\"a\",\"id\":\"a\",\"port\":65536,\"addresses\":[]"
         "}",
         ERROR_SYNTAX},
        {"{\"host\":\"a\",\"service\":\"a\",\"id\":\"a\",\"port\":443,\"addresses\":[1]}",
         ERROR_SYNTAX},
        {"{\"host\":\"a\",\"service\":\"a\",\"id\":\"a\",\"port\":443,"
         "\"addresses\":[\"1\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}",
         ERROR_LIMIT},
        {"{\"host\":\"a\",\"service\":\"a\",\"port\":443,\"addresses\":[]}",
         ERROR_SYNTAX},
        {"{\"host\":\"a\",\"service\":\"a\",\"port\":443,\"addresses\":[],"
         "\"id\":\"123456789012345678901234567890123\"}",
         ERROR_LIMIT},
    };
    struct mdns_facts facts;
    for (size_t i = 0; i < sizeof(facts_texts) / sizeof(facts_texts[0]); i++) {
        assert_int_equal(
            mdns_message_read_facts(facts_texts[i].text, strlen(facts_texts[i].text), &facts),
            facts_texts[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts_come_back),
        cmocka_unit_test(test_the_largest_facts_fit),
        cmocka_unit_test(test_reports_come_back),
        cmocka_unit_test(test_what_is_no_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
