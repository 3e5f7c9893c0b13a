/* The doctor's rules: a device and network in order, then one thing after the other is
 * changed. */
#include "device/judge.h"

#include "base/core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_AT = 1795000000, FLOOR_AT = 1790000000, HOUR_S = 3600 };

static struct own_addresses own;
static struct findings findings;
static struct diagnosis diagnosis;

static void set_addresses(void)
{
    own = (struct own_addresses){.count = 1};
    assert_true(lanname_address_parse("192.168.77.51", &own.at[0]));
}

static void answer_all(struct judge_resolver *resolver, enum judge_reply reply)
{
    for (int i = 0; i < JUDGE_QUESTION_COUNT; i++) {
        resolver->answers[i] =
            (struct judge_answer){.reply = reply, .ede = DNS_MESSAGE_NO_EDE};
    }
}

static void make_good_resolver(struct judge_resolver *resolver, const char *text)
{
    answer_all(resolver, JUDGE_RIGHT);
    text_copy(resolver->text, sizeof(resolver->text), text);
    struct judge_answer *stable = &resolver->answers[JUDGE_STABLE];
    stable->address_count = 1;
    stable->addresses[0].family = 4;
    memcpy(stable->addresses[0].octets, own.at[0].octets, 4);
}

static void make_good(void)
{
    set_addresses();
    findings = (struct findings){
        .now_at = NOW_AT,
        .system_at = NOW_AT,
        .floor_at = FLOOR_AT,
        .date_at = NOW_AT + 1,
        .date_source = "the relay",
        .addresses = &own,
        .is_route_known = true,
        .has_route4 = true,
        .resolver_count = 1,
        .public_count = 1,
        .zone = "lan.example.com",
        .relay = {.is_asked = true,
                  .status = 200,
                  .is_acme = true,
                  .is_latchkey = true,
                  .is_name_known = true,
                  .is_connected = true},
        .seen = 1,
        .port = JUDGE_SERVED_OWN,
        .served = JUDGE_SERVED_OWN,
    };
    make_good_resolver(&findings.resolvers[0], "192.168.77.1:53");
    make_good_resolver(&findings.publics[0], "https://1.1.1.1/dns-query");
    findings.publics[0].is_reached = true;
}

static void judge_now(void)
{
    diagnosis_init(&diagnosis);
    judge_all(&findings, &diagnosis);
}

/* Judges, compares one verdict by its word, and makes all good again. */
static void expect(enum diagnosis_check check, const char *code)
{
    judge_now();
    assert_string_equal(diagnosis_code_word(diagnosis.verdicts[check].code), code);
    make_good();
}

static int set_up(void **state)
{
    (void)state;
    make_good();
    return 0;
}

static void test_all_good(void **state)
{
    (void)state;
    judge_now();
    for (int i = 0; i < DIAGNOSIS_CHECK_COUNT; i++) {
        bool is_agents = i == DIAGNOSIS_CHECK_ORDER || i == DIAGNOSIS_CHECK_CERTIFICATE ||
                         i == DIAGNOSIS_CHECK_STORAGE || i == DIAGNOSIS_CHECK_IDENTITY;
        assert_int_equal(diagnosis_code_level(diagnosis.verdicts[i].code),
                         is_agents ? DIAGNOSIS_SKIPPED : DIAGNOSIS_OK);
    }
    assert_int_equal(diagnosis.at, NOW_AT);
    assert_string_equal(diagnosis.zone, "lan.example.com");
}

static void test_clock(void **state)
{
    (void)state;
    findings.date_at = NOW_AT - 119;
    expect(DIAGNOSIS_CHECK_CLOCK, "clock-right");
    findings.date_at = NOW_AT + 121;
    expect(DIAGNOSIS_CHECK_CLOCK, "clock-off");
    findings.date_at = NOW_AT - HOUR_S - 1;
    expect(DIAGNOSIS_CHECK_CLOCK, "clock-wrong");
    findings.date_at = 0;
    expect(DIAGNOSIS_CHECK_CLOCK, "not-known");
    findings.date_at = 0;
    findings.relay.not_before_at = NOW_AT + 1;
    expect(DIAGNOSIS_CHECK_CLOCK, "clock-wrong");
    findings.now_at = findings.system_at = FLOOR_AT - 1;
    expect(DIAGNOSIS_CHECK_CLOCK, "clock-unset");
    /* 1970, but the relay has told the time: worse for others than for us. */
    findings.system_at = 60;
    expect(DIAGNOSIS_CHECK_CLOCK, "clock-corrected");
}

static void test_network(void **state)
{
    (void)state;
    own.count = 0;
    expect(DIAGNOSIS_CHECK_ADDRESS, "address-none");
    findings.has_route4 = false;
    expect(DIAGNOSIS_CHECK_ROUTE, "route-none");
    findings.has_route4 = false;
    findings.has_route6 = true;
    expect(DIAGNOSIS_CHECK_ROUTE, "route-found");
    findings.is_route_known = false;
    expect(DIAGNOSIS_CHECK_ROUTE, "not-known");
}

static void test_resolvers(void **state)
{
    (void)state;
    findings.resolver_count = 0;
    expect(DIAGNOSIS_CHECK_RESOLVER, "resolver-none");
    findings.resolver_count = 0;
    findings.unusable_resolvers = 1;
    expect(DIAGNOSIS_CHECK_RESOLVER, "not-known");
    answer_all(&findings.resolvers[0], JUDGE_SILENT);
    expect(DIAGNOSIS_CHECK_RESOLVER, "resolver-silent");
    answer_all(&findings.resolvers[0], JUDGE_REFUSED);
    expect(DIAGNOSIS_CHECK_RESOLVER, "resolver-refuses");
    answer_all(&findings.resolvers[0], JUDGE_REFUSED);
    findings.resolvers[0].answers[JUDGE_LOCAL].reply = JUDGE_RIGHT;
    expect(DIAGNOSIS_CHECK_RESOLVER, "resolver-answers");
    findings.resolver_count = 2;
    answer_all(&findings.resolvers[1], JUDGE_SILENT);
    expect(DIAGNOSIS_CHECK_RESOLVER, "resolver-part-silent");
    /* A dead one says nothing of the zone. */
    answer_all(&findings.resolvers[0], JUDGE_SILENT);
    expect(DIAGNOSIS_CHECK_ZONE, "not-checked");
}

static void lose_zone(struct judge_resolver *resolver, enum judge_reply reply)
{
    for (int i = JUDGE_CONTROL; i < JUDGE_QUESTION_COUNT; i++) {
        resolver->answers[i].reply = reply;
        resolver->answers[i].address_count = 0;
    }
}

static void test_zone(void **state)
{
    (void)state;
    lose_zone(&findings.resolvers[0], JUDGE_NXDOMAIN);
    expect(DIAGNOSIS_CHECK_ZONE, "zone-blocked");
    lose_zone(&findings.resolvers[0], JUDGE_NXDOMAIN);
    expect(DIAGNOSIS_CHECK_PRIVATE, "not-checked");
    lose_zone(&findings.resolvers[0], JUDGE_SERVFAIL);
    lose_zone(&findings.publics[0], JUDGE_SERVFAIL);
    expect(DIAGNOSIS_CHECK_ZONE, "zone-lost");
    lose_zone(&findings.resolvers[0], JUDGE_SILENT);
    findings.publics[0].is_reached = false;
    expect(DIAGNOSIS_CHECK_ZONE, "zone-failing");
    findings.zone[0] = '\0';
    lose_zone(&findings.resolvers[0], JUDGE_UNASKED);
    expect(DIAGNOSIS_CHECK_ZONE, "not-checked");
    /* One of two is enough to find it. */
    findings.resolver_count = 2;
    make_good_resolver(&findings.resolvers[1], "192.168.77.2:53");
    lose_zone(&findings.resolvers[0], JUDGE_SERVFAIL);
    expect(DIAGNOSIS_CHECK_ZONE, "zone-found");
}

static void drop(struct judge_resolver *resolver, bool ipv4, bool ipv6,
                 enum judge_reply reply, int ede)
{
    struct judge_answer answer = {.reply = reply, .ede = ede};
    if (ipv4) {
        resolver->answers[JUDGE_OWN] = resolver->answers[JUDGE_FRESH4] = answer;
        resolver->answers[JUDGE_STABLE] = resolver->answers[JUDGE_PROBE] = answer;
    }
    if (ipv6) {
        resolver->answers[JUDGE_FRESH6] = answer;
    }
}

static void test_filters(void **state)
{
    static const struct {
        enum judge_reply reply;
        int ede;
        enum diagnosis_router router;
    } filters[] = {
        {JUDGE_EMPTY, 15, DIAGNOSIS_ROUTER_DNSMASQ},
        {JUDGE_EMPTY, DNS_MESSAGE_NO_EDE, DIAGNOSIS_ROUTER_UNBOUND},
        {JUDGE_REFUSED, 18, DIAGNOSIS_ROUTER_KNOT},
        {JUDGE_REFUSED, DNS_MESSAGE_NO_EDE, DIAGNOSIS_ROUTER_ANY},
        {JUDGE_SERVFAIL, DNS_MESSAGE_NO_EDE, DIAGNOSIS_ROUTER_ANY},
        {JUDGE_NXDOMAIN, DNS_MESSAGE_NO_EDE, DIAGNOSIS_ROUTER_ANY},
        {JUDGE_SINKHOLE, DNS_MESSAGE_NO_EDE, DIAGNOSIS_ROUTER_ANY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        drop(&findings.resolvers[0], true, true, filters[i].reply, filters[i].ede);
        judge_now();
        assert_int_equal(diagnosis.router, filters[i].router);
        assert_int_equal(diagnosis.verdicts[DIAGNOSIS_CHECK_ZONE].code,
                         DIAGNOSIS_ZONE_FOUND);
        expect(DIAGNOSIS_CHECK_PRIVATE, "rebinding-filter");
    }
    drop(&findings.resolvers[0], true, false, JUDGE_EMPTY, 15);
    expect(DIAGNOSIS_CHECK_PRIVATE, "rebinding-filter-ipv4");
    drop(&findings.resolvers[0], false, true, JUDGE_EMPTY, 15);
    expect(DIAGNOSIS_CHECK_PRIVATE, "rebinding-filter-ipv6");
    /* Only the own network is dropped. */
    findings.resolvers[0].answers[JUDGE_OWN].reply = JUDGE_EMPTY;
    expect(DIAGNOSIS_CHECK_PRIVATE, "rebinding-filter-ipv4");
    findings.resolvers[0].answers[JUDGE_FRESH4].reply = JUDGE_SILENT;
    expect(DIAGNOSIS_CHECK_PRIVATE, "private-silent");
    findings.resolver_count = 2;
    make_good_resolver(&findings.resolvers[1], "192.168.77.2:53");
    drop(&findings.resolvers[1], true, true, JUDGE_EMPTY, 15);
    expect(DIAGNOSIS_CHECK_PRIVATE, "rebinding-filter-some");
}

static void test_routers_by_their_network(void **state)
{
    static const struct {
        const char *address;
        enum diagnosis_router router;
    } routers[] = {{"192.168.178.1:53", DIAGNOSIS_ROUTER_FRITZBOX},
                   {"192.168.86.1:53", DIAGNOSIS_ROUTER_GOOGLE},
                   {"192.168.178.10:53", DIAGNOSIS_ROUTER_UNBOUND}};
    (void)state;
    for (size_t i = 0; i < sizeof(routers) / sizeof(routers[0]); i++) {
        make_good_resolver(&findings.resolvers[0], routers[i].address);
        drop(&findings.resolvers[0], true, true, JUDGE_EMPTY, DNS_MESSAGE_NO_EDE);
        judge_now();
        assert_int_equal(diagnosis.router, routers[i].router);
        make_good();
    }
}

static void test_changed_answers(void **state)
{
    (void)state;
    findings.resolvers[0].answers[JUDGE_FRESH4].reply = JUDGE_OTHER;
    expect(DIAGNOSIS_CHECK_PRIVATE, "answers-changed");
    /* Also when it has no TXT to show. */
    lose_zone(&findings.resolvers[0], JUDGE_OTHER);
    findings.resolvers[0].answers[JUDGE_CONTROL].reply = JUDGE_EMPTY;
    expect(DIAGNOSIS_CHECK_PRIVATE, "answers-changed");
}

static void test_question(void **state)
{
    (void)state;
    findings.seen = 0;
    expect(DIAGNOSIS_CHECK_QUESTION, "question-not-arrived");
    findings.seen = JUDGE_SEEN_FAILED;
    expect(DIAGNOSIS_CHECK_QUESTION, "not-known");
    findings.seen = JUDGE_SEEN_UNASKED;
    expect(DIAGNOSIS_CHECK_QUESTION, "not-checked");
    findings.resolvers[0].answers[JUDGE_PROBE].reply = JUDGE_SILENT;
    expect(DIAGNOSIS_CHECK_QUESTION, "not-checked");
}

static void test_publics(void **state)
{
    (void)state;
    findings.publics[0].is_reached = false;
    expect(DIAGNOSIS_CHECK_PUBLIC, "public-unreachable");
    lose_zone(&findings.publics[0], JUDGE_NXDOMAIN);
    expect(DIAGNOSIS_CHECK_PUBLIC, "public-lost");
    findings.publics[0].answers[JUDGE_OWN].reply = JUDGE_EMPTY;
    expect(DIAGNOSIS_CHECK_PUBLIC, "public-filters");
    findings.public_count = 0;
    expect(DIAGNOSIS_CHECK_PUBLIC, "not-checked");
    /* One that works is enough. */
    findings.public_count = 2;
    make_good_resolver(&findings.publics[1], "https://8.8.8.8/dns-query");
    findings.publics[1].is_reached = true;
    lose_zone(&findings.publics[0], JUDGE_NXDOMAIN);
    expect(DIAGNOSIS_CHECK_PUBLIC, "public-answers");
}

static void fail_relay(int error)
{
    findings.relay = (struct judge_relay){.is_asked = true, .error = error};
    findings.relay.is_name_known = true;
}

static void test_relay_failures(void **state)
{
    (void)state;
    fail_relay(ERROR_IO);
    expect(DIAGNOSIS_CHECK_RELAY, "relay-unreachable");
    fail_relay(ERROR_TIMEOUT);
    findings.relay.is_name_known = false;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-name-unknown");
    fail_relay(ERROR_IO);
    findings.relay.is_connected = true;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-portal");
    fail_relay(ERROR_IO);
    findings.relay.is_proxy = true;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-proxy");
    fail_relay(ERROR_SIGNATURE);
    findings.relay.not_before_at = NOW_AT - 9;
    findings.relay.not_after_at = NOW_AT + 9;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-intercepted");
    fail_relay(ERROR_SIGNATURE);
    findings.relay.not_before_at = NOW_AT - 9;
    findings.relay.not_after_at = NOW_AT;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-expired");
}

static void test_relay_responses(void **state)
{
    (void)state;
    findings.relay.status = 503;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-down");
    findings.relay.status = 302;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-portal");
    findings.relay.is_acme = findings.relay.is_latchkey = false;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-portal");
    findings.relay.is_latchkey = false;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-other");
    findings.relay.verdict = RELAY_NOT_ITSELF;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-impostor");
    findings.relay.verdict = RELAY_ZONE_CHANGED;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-zone");
    findings.relay.verdict = RELAY_KEY_CHANGED;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-key");
    findings.relay.verdict = RELAY_ITSELF;
    findings.relay.has_pin = true;
    expect(DIAGNOSIS_CHECK_RELAY, "relay-answers");
    findings.relay.is_asked = false;
    expect(DIAGNOSIS_CHECK_RELAY, "not-checked");
}

static void test_served(void **state)
{
    (void)state;
    findings.port = JUDGE_SERVED_NOTHING;
    expect(DIAGNOSIS_CHECK_PORT, "port-closed");
    findings.port = JUDGE_SERVED_ANOTHER;
    expect(DIAGNOSIS_CHECK_PORT, "port-open");
    findings.served = JUDGE_SERVED_ANOTHER;
    expect(DIAGNOSIS_CHECK_SERVED, "served-other");
    findings.served = JUDGE_SERVED_NOTHING;
    expect(DIAGNOSIS_CHECK_SERVED, "served-nowhere");
    findings.served = JUDGE_SERVED_UNASKED;
    expect(DIAGNOSIS_CHECK_SERVED, "not-checked");
}

static void test_names(void **state)
{
    struct judge_answer *answer = &findings.resolvers[0].answers[JUDGE_STABLE];
    (void)state;
    answer->addresses[0].octets[3]++;
    expect(DIAGNOSIS_CHECK_NAMES, "names-old");
    answer->addresses[1] = answer->addresses[0];
    answer->addresses[1].octets[3]++;
    answer->address_count = 2;
    expect(DIAGNOSIS_CHECK_NAMES, "names-old");
    *answer = (struct judge_answer){.reply = JUDGE_EMPTY};
    expect(DIAGNOSIS_CHECK_NAMES, "names-missing");
    /* Behind a filter, the public resolver tells. */
    drop(&findings.resolvers[0], true, true, JUDGE_EMPTY, 15);
    expect(DIAGNOSIS_CHECK_NAMES, "names-current");
    drop(&findings.resolvers[0], true, true, JUDGE_EMPTY, 15);
    findings.public_count = 0;
    expect(DIAGNOSIS_CHECK_NAMES, "not-checked");
}

static void reply_with(struct dns_message_reply *reply, const char *text)
{
    struct lanname_address address;
    assert_true(lanname_address_parse(text, &address));
    *reply = (struct dns_message_reply){.ede = DNS_MESSAGE_NO_EDE, .address_count = 1};
    reply->addresses[0].family = address.family;
    memcpy(reply->addresses[0].octets, address.octets, sizeof(address.octets));
}

static void test_replies(void **state)
{
    static const struct {
        const char *address;
        enum judge_reply reply;
    } cases[] = {{"192.168.77.51", JUDGE_RIGHT}, {"192.168.77.52", JUDGE_OTHER},
                 {"0.0.0.0", JUDGE_SINKHOLE},    {"127.0.0.1", JUDGE_SINKHOLE},
                 {"::", JUDGE_SINKHOLE},         {"::1", JUDGE_SINKHOLE},
                 {"fd12::1", JUDGE_OTHER}};
    struct dns_message_reply reply;
    struct dns_message_reply expected;
    struct judge_answer answer;
    (void)state;
    reply_with(&expected, "192.168.77.51");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reply_with(&reply, cases[i].address);
        judge_reply_of(&reply, JUDGE_OWN, &expected.addresses[0], &answer);
        assert_int_equal(answer.reply, cases[i].reply);
    }
    reply = (struct dns_message_reply){.rcode = 5, .ede = 18};
    judge_reply_of(&reply, JUDGE_CONTROL, NULL, &answer);
    assert_int_equal(answer.reply, JUDGE_REFUSED);
    assert_int_equal(answer.ede, 18);
    reply.rcode = 3;
    judge_reply_of(&reply, JUDGE_CONTROL, NULL, &answer);
    assert_int_equal(answer.reply, JUDGE_NXDOMAIN);
    reply.rcode = 16;
    judge_reply_of(&reply, JUDGE_OWN, NULL, &answer);
    assert_int_equal(answer.reply, JUDGE_SERVFAIL);
    reply = (struct dns_message_reply){.ede = DNS_MESSAGE_NO_EDE};
    judge_reply_of(&reply, JUDGE_CONTROL, NULL, &answer);
    assert_int_equal(answer.reply, JUDGE_EMPTY);
    reply.has_text = true;
    judge_reply_of(&reply, JUDGE_CONTROL, NULL, &answer);
    assert_int_equal(answer.reply, JUDGE_RIGHT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all_good, set_up),
        cmocka_unit_test_setup(test_clock, set_up),
        cmocka_unit_test_setup(test_network, set_up),
        cmocka_unit_test_setup(test_resolvers, set_up),
        cmocka_unit_test_setup(test_zone, set_up),
        cmocka_unit_test_setup(test_filters, set_up),
        cmocka_unit_test_setup(test_routers_by_their_network, set_up),
        cmocka_unit_test_setup(test_changed_answers, set_up),
        cmocka_unit_test_setup(test_question, set_up),
        cmocka_unit_test_setup(test_publics, set_up),
        cmocka_unit_test_setup(test_relay_failures, set_up),
        cmocka_unit_test_setup(test_relay_responses, set_up),
        cmocka_unit_test_setup(test_served, set_up),
        cmocka_unit_test_setup(test_names, set_up),
        cmocka_unit_test_setup(test_replies, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
