/* What changes in the view shows in answers, and is bounded. */
#include "dns/view.h"

#include "tests/unit/dns/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CHALLENGE(name) "_acme-challenge." name "." FIXTURE_ZONE

static struct fixture fixture;

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&fixture);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

static const struct dns_challenge *challenge_of(const char *id)
{
    uint8_t key[LANNAME_ID_SIZE + 1] = {LANNAME_ID_SIZE};
    memcpy(key + 1, id, LANNAME_ID_SIZE);
    return dns_view_challenge(&fixture.view, key, sizeof(key));
}

static const struct dns_device *device_of(const char *id)
{
    return dns_view_device(&fixture.view, (const uint8_t *)id);
}

static int put_value(const char *name, const char *value, int64_t expires_at)
{
    return dns_view_put_challenge(&fixture.view, name, value, expires_at, FIXTURE_NOW_AT);
}

static void test_challenge_values(void **state)
{
    (void)state;
    assert_int_equal(challenge_of(FIXTURE_ID)->count, 2);
    /* The same value again is one value, with the newer end. */
    assert_int_equal(put_value(CHALLENGE(FIXTURE_ID), "one", FIXTURE_NOW_AT + 90), 0);
    assert_int_equal(challenge_of(FIXTURE_ID)->count, 2);
    assert_int_equal(
        dns_view_end_challenge(&fixture.view, CHALLENGE(FIXTURE_ID), "three"), 0);
    assert_int_equal(challenge_of(FIXTURE_ID)->count, 2);
    assert_int_equal(dns_view_end_challenge(&fixture.view, CHALLENGE(FIXTURE_ID), "one"),
                     0);
    assert_int_equal(challenge_of(FIXTURE_ID)->count, 1);
    size_t names = fixture.view.challenges.count;
    assert_int_equal(dns_view_end_challenge(&fixture.view, CHALLENGE(FIXTURE_ID), "two"),
                     0);
    assert_null(challenge_of(FIXTURE_ID));
    assert_int_equal(fixture.view.challenges.count, names - 1);
}

static void test_challenge_limits(void **state)
{
    char value[DNS_VIEW_VALUE_MAX + 2];
    (void)state;
    memset(value, 'x', sizeof(value));
    value[DNS_VIEW_VALUE_MAX + 1] = '\0';
    assert_int_equal(put_value(CHALLENGE(FIXTURE_ID), value, FIXTURE_NOW_AT + 9),
                     ERROR_RANGE);
    assert_int_equal(put_value(CHALLENGE(FIXTURE_ID), "", FIXTURE_NOW_AT + 9),
                     ERROR_RANGE);
    for (int i = 2; i < LIMIT_CHALLENGE_VALUES; i++) {
        snprintf(value, sizeof(value), "%d", i);
        assert_int_equal(put_value(CHALLENGE(FIXTURE_ID), value, FIXTURE_NOW_AT + 9), 0);
    }
    assert_int_equal(put_value(CHALLENGE(FIXTURE_ID), "more", FIXTURE_NOW_AT + 9),
                     ERROR_LIMIT);
    /* Those that have expired make room. */
    assert_int_equal(dns_view_put_challenge(&fixture.view, CHALLENGE(FIXTURE_ID), "more",
                                            FIXTURE_NOW_AT + 99, FIXTURE_NOW_AT + 9),
                     0);
    assert_int_equal(challenge_of(FIXTURE_ID)->count, 3);
}

static void test_names_of_challenges(void **state)
{
    static const char *const refused[] = {
        "",
        "_acme-challenge",
        "_acme-challenge." FIXTURE_ZONE,
        "_acme-challenge.." FIXTURE_ZONE,
        "acme-challenge." FIXTURE_ID "." FIXTURE_ZONE,
        FIXTURE_ID "." FIXTURE_ZONE,
        "_acme-challenge." FIXTURE_ID ".example.org",
        "_acme-challenge." FIXTURE_ID ".xlan.example.com",
        "_acme-challenge." FIXTURE_ID "lan.example.com",
        "_acme-challenge." FIXTURE_ID ".lan.example.comm",
        "_acme-challenge." FIXTURE_ID ".lan-example.com",
        "_acme-challenge.x." FIXTURE_ID "." FIXTURE_ID "." FIXTURE_ZONE,
    };
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(put_value(refused[i], "v", FIXTURE_NOW_AT + 9), ERROR_RANGE);
        assert_int_equal(dns_view_end_challenge(&fixture.view, refused[i], "v"),
                         ERROR_RANGE);
    }
    assert_int_equal(put_value(CHALLENGE("a.b-c"), "v", FIXTURE_NOW_AT + 9), 0);
    assert_non_null(dns_view_challenge(&fixture.view, (const uint8_t *)"\1a\3b-c", 6));
}

/* A full table forgets values that have expired without anybody ending them. */
static void test_expired_challenges_are_swept(void **state)
{
    char name[128];
    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "_acme-challenge.h%d.%s", i, FIXTURE_ZONE);
        assert_int_equal(dns_view_put_challenge(&fixture.view, name, "v",
                                                FIXTURE_NOW_AT + i + 300,
                                                FIXTURE_NOW_AT + i),
                         0);
    }
    assert_true(fixture.view.challenges.count <= 1000);
    /* With nothing to sweep it is full. */
    int result = 0;
    for (int i = 0; i < 1001 && result == 0; i++) {
        snprintf(name, sizeof(name), "_acme-challenge.i%d.%s", i, FIXTURE_ZONE);
        result = dns_view_put_challenge(&fixture.view, name, "v", FIXTURE_NOW_AT + 90000,
                                        FIXTURE_NOW_AT + 2000);
    }
    assert_int_equal(result, ERROR_LIMIT);
}

static void test_addresses(void **state)
{
    const struct dns_device *device = device_of(FIXTURE_ID);
    (void)state;
    /* Public and loopback addresses were left out (fixture.c). */
    assert_int_equal(device->address_count, 3);
    assert_int_equal(
        dns_view_put_addresses(&fixture.view, FIXTURE_ID,
                               "10.0.0.1 10.0.0.1 nonsense fd00::1 fd00:0::1 "
                               "999.1.1.1 100.64.0.1 10.0.0.2 "),
        0);
    device = device_of(FIXTURE_ID);
    assert_int_equal(device->address_count, 3);
    /* 32 characters of an id in upper case are the same id. */
    assert_int_equal(dns_view_put_addresses(
                         &fixture.view, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "10.0.0.7"),
                     0);
    assert_int_equal(device_of(FIXTURE_ID)->address_count, 1);
    assert_int_equal(dns_view_put_addresses(&fixture.view, "no-id", "10.0.0.7"),
                     ERROR_RANGE);
    assert_int_equal(dns_view_put_addresses(
                         &fixture.view, FIXTURE_ID,
                         "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 "
                         "10.0.0.8 10.0.0.9 10.0.0.10"),
                     0);
    assert_int_equal(device_of(FIXTURE_ID)->address_count, LIMIT_PUBLISHED_ADDRESSES);
}

static void test_devices_that_say_nothing_are_not_kept(void **state)
{
    struct dns_view *view = &fixture.view;
    size_t count = view->devices.count;
    (void)state;
    assert_int_equal(dns_view_put_block(view, FIXTURE_BLOCKED, false), 0);
    assert_int_equal(dns_view_put_certificate(view, FIXTURE_BLOCKED, 0), 0);
    assert_non_null(device_of(FIXTURE_BLOCKED));
    assert_int_equal(dns_view_put_addresses(view, FIXTURE_BLOCKED, ""), 0);
    assert_null(device_of(FIXTURE_BLOCKED));
    assert_int_equal(view->devices.count, count - 1);
    /* Taking away from who is not there makes nothing. */
    assert_int_equal(dns_view_put_block(view, FIXTURE_BLOCKED, false), 0);
    assert_int_equal(dns_view_put_certificate(view, FIXTURE_BLOCKED, 0), 0);
    assert_int_equal(view->devices.count, count - 1);
}

/* Forgets in as many steps as it takes; how many there were. */
static size_t forget(struct dns_view *view, struct dns_view_forget forget)
{
    size_t steps = 1;
    while (dns_view_forget(view, &forget)) {
        steps++;
    }
    return steps;
}

static void test_forget(void **state)
{
    struct dns_view *view = &fixture.view;
    (void)state;
    forget(view, (struct dns_view_forget){.front = true});
    assert_int_equal(device_of(FIXTURE_ID)->address_count, 0);
    assert_int_equal(device_of(FIXTURE_ID)->holds_id_until_at, FIXTURE_NOW_AT + 60);
    assert_null(device_of(FIXTURE_WITHOUT)); /* it had nothing but addresses */
    assert_true(device_of(FIXTURE_BLOCKED)->blocked);
    forget(view, (struct dns_view_forget){.issuer = true});
    assert_null(device_of(FIXTURE_ID));
    assert_int_equal(view->challenges.count, 0);
    assert_int_equal(view->ca_count, 0);
    forget(view, (struct dns_view_forget){.admin = true});
    assert_int_equal(view->devices.count, 0);
}

static void make_id(unsigned number, char ret_id[static LANNAME_ID_SIZE + 1])
{
    memcpy(ret_id, FIXTURE_ID, LANNAME_ID_SIZE + 1);
    for (size_t i = 0; i < 6; i++, number /= 26) {
        ret_id[i] = (char)('a' + number % 26);
    }
}

static void put_many(struct dns_view *view, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char id[LANNAME_ID_SIZE + 1];
        char name[128];
        make_id(i, id);
        assert_int_equal(dns_view_put_addresses(view, id, "10.0.0.1"), 0);
        assert_int_equal(dns_view_put_block(view, id, i % 3 == 0), 0);
        snprintf(name, sizeof(name), "_acme-challenge.%s.%s", id, FIXTURE_ZONE);
        assert_int_equal(
            dns_view_put_challenge(view, name, "v", FIXTURE_NOW_AT + 9, FIXTURE_NOW_AT),
            0);
    }
}

/* Of many names a step forgets a shard's at most, and all steps together each of them. */
static void test_forget_in_steps(void **state)
{
    enum { MANY = 20000 };
    struct dns_view view;
    (void)state;
    assert_int_equal(
        dns_view_init(&view, fixture.template, &fixture.view.policy, MANY, MANY), 0);
    put_many(&view, MANY);
    size_t shards = view.devices.shard_count;
    assert_true(shards > 4);
    struct dns_view_forget step = {.front = true};
    assert_true(dns_view_forget(&view, &step));
    assert_in_range(view.devices.count, MANY - 3 * MANY / shards, MANY - 1);
    assert_in_range(forget(&view, step), shards / 2, shards);
    assert_int_equal(view.devices.count, (MANY + 2) / 3);
    assert_int_equal(view.challenges.count, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        char id[LANNAME_ID_SIZE + 1];
        make_id(i, id);
        const struct dns_device *device = dns_view_device(&view, (const uint8_t *)id);
        assert_int_equal(device != NULL, i % 3 == 0);
        assert_true(device == NULL || (device->blocked && device->address_count == 0));
    }
    assert_in_range(forget(&view, (struct dns_view_forget){.issuer = true}), shards,
                    2 * shards);
    assert_int_equal(view.challenges.count, 0);
    forget(&view, (struct dns_view_forget){.admin = true});
    assert_int_equal(view.devices.count, 0);
    dns_view_free(&view);
}

static void test_caa(void **state)
{
    struct dns_view *view = &fixture.view;
    char ca[] = "https://a.test/dir";
    (void)state;
    assert_int_equal(view->caa_record_count, 1);
    assert_int_equal(dns_view_put_caa(view, "https://ca.test/dir", ""), 0);
    assert_int_equal(view->caa_record_count, 1); /* issue ";" */
    assert_int_equal(view->caa.data[view->caa.size - 1], ';');
    assert_int_equal(dns_view_put_caa(view, "https://unknown.test/dir", ""), 0);
    for (int i = 0; i < DNS_VIEW_CAA_MAX; i++) {
        ca[8] = (char)('a' + i);
        char value[] = "ca; accounturi=0";
        assert_int_equal(dns_view_put_caa(view, ca, "the same"), 0);
        assert_int_equal(view->caa_record_count, i + 1);
        value[15] = (char)('0' + i);
        assert_int_equal(dns_view_put_caa(view, ca, value), 0);
        assert_int_equal(view->caa_record_count, i + 1);
    }
    ca[8] = 'a';
    assert_int_equal(dns_view_put_caa(view, ca, "ca; accounturi=1"), 0); /* as another */
    assert_int_equal(view->caa_record_count, DNS_VIEW_CAA_MAX - 1);
    assert_int_equal(dns_view_put_caa(view, ca, "ca; accounturi=0"), 0);
    ca[8] = 'z';
    assert_int_equal(dns_view_put_caa(view, ca, "one"), ERROR_LIMIT);
    assert_int_equal(view->caa_record_count, DNS_VIEW_CAA_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_challenge_values),
        TEST(test_challenge_limits),
        TEST(test_names_of_challenges),
        TEST(test_expired_challenges_are_swept),
        TEST(test_addresses),
        TEST(test_devices_that_say_nothing_are_not_kept),
        TEST(test_forget),
        TEST(test_forget_in_steps),
        TEST(test_caa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
