#include "device/endorsement.h"

#include "base/core/json.h"
#include "base/core/text.h"
#include "device/clock_floor.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

enum { DAY_S = 86400 };
#define NOW (CLOCK_FLOOR_AT + 10 * DAY_S)
#define NAME "home.abc.lan.example.com"

static const char *const names[] = {"*.abc.lan.example.com"};
static struct key *identity;
static struct key *other;
static struct cert *cert;
static uint8_t pin[32];
static uint8_t other_pin[32];
static uint8_t tls_hash[32];
static struct buffer text;

static int make(void **state)
{
    (void)state;
    struct key *ca = NULL;
    struct key *tls = NULL;
    struct cert *root = NULL;
    text = buffer_init(16 << 10);
    int error = key_generate(KEY_P256, &identity) | key_generate(KEY_P256, &other) |
                key_generate(KEY_P256, &ca) | key_generate(KEY_P256, &tls) |
                cert_make_identity(ca, "ca", names, 1, &root) |
                cert_make_leaf(root, ca, tls, names, 1, NULL, 0, NOW - DAY_S,
                               NOW + 45 * DAY_S, &cert) |
                key_spki_sha256(identity, pin) | key_spki_sha256(other, other_pin) |
                key_spki_sha256(tls, tls_hash) | endorsement_make(identity, cert, &text);
    cert_free(root);
    key_free(ca);
    key_free(tls);
    return error;
}

static int clean(void **state)
{
    (void)state;
    key_free(identity);
    key_free(other);
    cert_free(cert);
    buffer_free(&text);
    return 0;
}

static struct endorsement_rules good_rules(void)
{
    return (struct endorsement_rules){.pin = pin,
                                      .tls_hash = tls_hash,
                                      .name = NAME,
                                      .now_at = NOW,
                                      .floor_at = CLOCK_FLOOR_AT};
}

static void expect(const struct endorsement_rules *rules, const struct buffer *what,
                   const char *reason)
{
    char said[200] = "";
    int64_t counter = -7;
    int error =
        endorsement_check(what->data, what->size, rules, &counter, said, sizeof(said));
    assert_int_equal(error, reason == NULL ? 0 : ERROR_DENIED);
    if (reason == NULL) {
        assert_true(counter == NOW - DAY_S);
    } else {
        assert_true(counter == -7);
        if (strstr(said, reason) == NULL) {
            fail_msg("'%s' is not in '%s'", reason, said);
        }
    }
}

static void test_good(void **state)
{
    (void)state;
    struct endorsement_rules rules = good_rules();
    expect(&rules, &text, NULL);
    rules.least_counter = NOW - DAY_S; /* the same again */
    expect(&rules, &text, NULL);
    rules.now_at = 0; /* a phone without a clock */
    expect(&rules, &text, NULL);
    rules.now_at = INT64_C(2145916800); /* ... or at 2038 */
    expect(&rules, &text, NULL);
}

static void test_rules(void **state)
{
    (void)state;
    struct endorsement_rules rules = good_rules();
    rules.least_counter = NOW - DAY_S + 1;
    expect(&rules, &text, "older than one that was seen");
    rules = good_rules();
    rules.now_at = NOW + 45 * DAY_S;
    expect(&rules, &text, "run out");
    rules = good_rules();
    rules.pin = other_pin;
    expect(&rules, &text, "another key than the pin's");
    rules = good_rules();
    rules.tls_hash = other_pin;
    expect(&rules, &text, "another key than the one that it serves with");
    static const char *const foreign[] = {"home.abd.lan.example.com",
                                          "abc.lan.example.com",
                                          "a.b.abc.lan.example.com",
                                          "",
                                          "abc",
                                          ".abc.x"};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        rules = good_rules();
        rules.name = foreign[i];
        expect(&rules, &text, "another name");
    }
}

/* The text with one member of the envelope replaced. */
static struct buffer with(const char *name, json_t *value)
{
    json_t *object = NULL;
    struct buffer changed = buffer_init(16 << 10);
    assert_int_equal(json_parse(text.data, text.size, 16 << 10, &object), 0);
    assert_int_equal(json_object_set_new(object, name, value), 0);
    assert_int_equal(json_dump(object, &changed), 0);
    json_decref(object);
    return changed;
}

static void test_altered(void **state)
{
    (void)state;
    struct endorsement_rules rules = good_rules();
    struct buffer forged = buffer_init(16 << 10);
    struct buffer changed = with("payloadType", json_string("application/json"));
    expect(&rules, &changed, "can't be understood");
    buffer_free(&changed);
    changed = with("more", json_integer(1));
    expect(&rules, &changed, "can't be understood");
    buffer_free(&changed);
    changed = with("signatures", json_array());
    expect(&rules, &changed, "can't be understood");
    buffer_free(&changed);
    changed = with("payload", json_string("e30"));
    expect(&rules, &changed, "another key than the pin's");
    buffer_free(&changed);
    changed = with("signatures", json_pack("[{s:s}]", "sig", "AAAA"));
    expect(&rules, &changed, "signature is wrong");
    buffer_free(&changed);
    /* All the same by another key: the payload names it, and so not ours. */
    assert_int_equal(endorsement_make(other, cert, &forged), 0);
    expect(&rules, &forged, "another key than the pin's");
    buffer_free(&forged);
    struct buffer empty = buffer_init(16);
    expect(&rules, &empty, "can't be understood");
    /* Each character of the payload counts. */
    char *payload = strstr((char *)text.data, "\"payload\":\"");
    assert_non_null(payload);
    payload += strlen("\"payload\":\"");
    for (size_t at = 0; payload[at] != '"'; at += 7) {
        char before = payload[at];
        char said[200];
        int64_t counter = 0;
        payload[at] = before == 'A' ? 'B' : 'A';
        assert_int_equal(
            endorsement_check(text.data, text.size, &rules, &counter, said, sizeof(said)),
            ERROR_DENIED);
        payload[at] = before;
    }
    expect(&rules, &text, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_altered),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
