/* What a relay says of itself: read, and judged against what is known of it. */
#include "device/relay_facts.h"

#include "base/core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIRECTORY "https://relay.test/acme/directory"

static struct key *key;
static char pin[KEY_PIN_SIZE + 1];

static int set_up(void **state)
{
    (void)state;
    return key_generate(KEY_P256, &key) == 0 && statement_pin(key, pin) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    key_free(key);
    return 0;
}

static json_t *message(const char *zone, bool with_key)
{
    json_t *value = json_pack("{s:s,s:s}", "type", "relay", "zone", zone);
    json_t *jwk = NULL;
    if (with_key) {
        assert_int_equal(key_to_jwk(key, &jwk), 0);
        json_object_set_new(value, "relay_key", jwk);
    }
    return value;
}

static void test_read(void **state)
{
    struct relay_facts facts = {.key = NULL};
    char reason[128] = "";
    json_t *value = message("lan.example.com", true);
    (void)state;
    json_object_set_new(value, "time_url", json_string("https://relay.test/acme/time"));
    json_object_set_new(value, "moved_to", json_string("{}"));
    assert_int_equal(relay_facts_read(value, DIRECTORY, &facts, reason, sizeof(reason)),
                     0);
    assert_string_equal(facts.zone, "lan.example.com");
    assert_string_equal(facts.pin, pin);
    assert_string_equal(facts.time_url, "https://relay.test/acme/time");
    assert_string_equal(facts.moved_to, "{}");
    relay_facts_free(&facts);
    json_decref(value);
    value = message("lan.example.com", false);
    assert_int_equal(relay_facts_read(value, DIRECTORY, &facts, reason, sizeof(reason)),
                     0);
    assert_null(facts.key);
    assert_string_equal(facts.pin, "");
    relay_facts_free(&facts);
    json_decref(value);
}

static void test_wrong(void **state)
{
    static const char *const zones[] = {"",      "LAN.test", ".a",  "a.",          "a..b",
                                        "a b.c", "a/b",      "a\n", "evil/../zone"};
    struct relay_facts facts;
    char reason[128];
    (void)state;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        json_t *value = message(zones[i], true);
        reason[0] = '\0';
        assert_int_equal(
            relay_facts_read(value, DIRECTORY, &facts, reason, sizeof(reason)),
            ERROR_RANGE);
        assert_true(reason[0] != '\0');
        json_decref(value);
    }
    json_t *value = message("lan.test", true);
    json_object_set_new(value, "time_url", json_string("https://evil.test/acme/time"));
    assert_int_equal(relay_facts_read(value, DIRECTORY, &facts, reason, sizeof(reason)),
                     ERROR_RANGE);
    json_decref(value);
    value = message("lan.test", false);
    json_object_set_new(value, "relay_key", json_pack("{s:s}", "kty", "EC"));
    assert_int_equal(relay_facts_read(value, DIRECTORY, &facts, reason, sizeof(reason)),
                     ERROR_RANGE);
    json_decref(value);
}

static enum relay_verdict judge(bool with_key, const char *known_pin,
                                const char *remembered, const char *zone)
{
    struct relay_facts facts = {.key = NULL};
    struct relay_known known = {.pin = known_pin, .remembered = remembered, .zone = zone};
    char reason[256] = "";
    json_t *value = message("lan.test", with_key);
    assert_int_equal(relay_facts_read(value, DIRECTORY, &facts, reason, sizeof(reason)),
                     0);
    enum relay_verdict verdict =
        relay_facts_judge(&facts, &known, reason, sizeof(reason));
    assert_int_equal(reason[0] == '\0', verdict == RELAY_ITSELF);
    relay_facts_free(&facts);
    json_decref(value);
    return verdict;
}

static void test_judge(void **state)
{
    static const char other[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    (void)state;
    assert_int_equal(judge(true, "", "", ""), RELAY_ITSELF);
    assert_int_equal(judge(false, "", "", ""), RELAY_ITSELF);
    assert_int_equal(judge(true, pin, "", "lan.test"), RELAY_ITSELF);
    assert_int_equal(judge(true, "", pin, "lan.test"), RELAY_ITSELF);
    assert_int_equal(judge(true, other, "", ""), RELAY_NOT_ITSELF);
    assert_int_equal(judge(false, pin, "", ""), RELAY_NOT_ITSELF);
    assert_int_equal(judge(true, "", other, ""), RELAY_KEY_CHANGED);
    assert_int_equal(judge(false, "", pin, ""), RELAY_KEY_CHANGED);
    assert_int_equal(judge(true, pin, "", "other.test"), RELAY_ZONE_CHANGED);
    assert_int_equal(judge(true, "", other, "other.test"), RELAY_ZONE_CHANGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_judge),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
