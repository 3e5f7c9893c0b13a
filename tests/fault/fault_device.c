/* Every allocation of the device's own code fails once on a path that would succeed. */
#include "device/agent_state.h"
#include "device/bundle.h"
#include "device/device_config.h"
#include "device/fallback.h"
#include "device/page_status.h"
#include "device/signing_rules.h"
#include "device/worker_protocol.h"

#include "base/core/text.h"
#include "device/clock_floor.h"
#include "tests/fault/allocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* After the standard headers it needs. */
#include <cmocka.h>

static char folder[] = "/tmp/latchkey-fault-XXXXXX";
static struct identity identity;

static const char *file(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static int use_messages(void)
{
    struct buffer wire = buffer_init(4096);
    struct worker_message message = {.body = NULL};
    struct worker_message back = {.body = NULL};
    int error = worker_message_new(WORKER_SIGN_JWS, &message);
    if (error == 0) {
        error = json_set_text(message.body, "input", "e30.e30");
    }
    if (error == 0) {
        error = worker_message_write(&message, &wire);
    }
    if (error == 0) {
        error = worker_message_take(&wire, &back);
    }
    if (error == 0) {
        assert_string_equal(json_get_text(back.body, "input"), "e30.e30");
    }
    worker_message_free(&message);
    worker_message_free(&back);
    buffer_free(&wire);
    return error;
}

static int use_state(void)
{
    struct agent_state state = {.zone = "lan.example.com", .counter = 5};
    struct agent_state back = {.counter = 0};
    struct buffer text = buffer_init(LIMIT_STATE_BYTES);
    state.published.count = 1;
    assert_true(lanname_address_parse("192.168.1.51", &state.published.at[0]));
    int error = agent_state_set_order(&state, "{}");
    if (error == 0) {
        error = agent_state_dump(&state, &text);
    }
    if (error == 0) {
        error = agent_state_parse(text.data, text.size, &back);
    }
    if (error == 0) {
        assert_string_equal(back.order, "{}");
        assert_int_equal(back.counter, 5);
        assert_true(own_addresses_equal(&back.published, &state.published));
    }
    agent_state_free(&state);
    agent_state_free(&back);
    buffer_free(&text);
    return error;
}

static int use_config(void)
{
    struct device_config config;
    struct buffer report = buffer_init(4096);
    int error = device_config_parse(
        "x", "[device]\nrelay = https://relay/acme/directory\naddress = 192.168.1.51\n",
        &config, &report);
    if (error == 0) {
        assert_string_equal(config.relays[0].directory, "https://relay/acme/directory");
        assert_int_equal(config.addresses.count, 1);
    }
    device_config_free(&config);
    buffer_free(&report);
    return error;
}

/* A failed allocation must refuse to sign, never allow. */
static int use_rules(void)
{
    static const char header[] =
        "{\"alg\":\"ES256\",\"kid\":\"https://relay/acct\",\"nonce\":\"n\","
        "\"url\":\"https://relay/order\"}";
    static const char payload[] = "{\"status\":\"deactivated\"}";
    char input[512];
    char reason[128];
    struct signing_rules rules = {.key = identity.key,
                                  .id = identity.id,
                                  .directory = "https://relay/acme/directory",
                                  .csr = ""};
    size_t size = TEXT_BASE64URL_SIZE(sizeof(header) - 1);
    text_base64url(header, sizeof(header) - 1, input);
    input[size] = '.';
    text_base64url(payload, sizeof(payload) - 1, input + size + 1);
    assert_int_equal(
        signing_rules_check(&rules, input, strlen(input), reason, sizeof(reason)),
        ERROR_DENIED);
    input[size + 1] = '\0';
    int error = signing_rules_check(&rules, input, strlen(input), reason, sizeof(reason));
    return error == ERROR_DENIED ? ERROR_MEMORY : error;
}

static int use_page(void)
{
    struct own_addresses addresses = {.count = 1};
    struct buffer html = buffer_init(64 << 10);
    json_t *object = NULL;
    assert_true(lanname_address_parse("192.168.1.51", &addresses.at[0]));
    struct device_status status = {
        .now_at = CLOCK_FLOOR_AT,
        .id = identity.id,
        .pin = identity.pin,
        .zone = "lan.example.com",
        .label = "home",
        .local_name = "camera.local",
        .directory = "https://relay/acme/directory",
        .account_url = "",
        .addresses = &addresses,
        .port = 443,
        .failure_code = "net",
        .failure_text = "no route",
        .failure_at = CLOCK_FLOOR_AT,
        .fallback = {.is_present = true, .not_after_at = CLOCK_FLOOR_AT},
    };
    struct brand brand = brand_init();
    struct page_html_frame frame = {.brand = &brand, .csrf = ""};
    struct page_status_visit visit = {.by_name = true, .is_trusted = true};
    int error = page_status_render(&status, &visit, &frame, &html);
    if (error == 0) {
        assert_non_null(strstr(buffer_text(&html), "</html>"));
        error = device_status_to_json(&status, &object);
    }
    if (error == 0) {
        assert_non_null(json_get_object(object, "failure"));
    }
    json_decref(object);
    buffer_free(&html);
    return error;
}

static int use_fallback(void)
{
    struct agent_state state = {.counter = 0};
    struct bundle bundle = {.key = NULL};
    struct bundle back = {.key = NULL};
    bool made = false;
    bool written = false;
    struct fallback_subject subject = {.identity = &identity,
                                       .zone = "lan.example.com",
                                       .local_name = "camera.local"};
    int error = fallback_open(file("fallback.pem"), &subject, CLOCK_FLOOR_AT, &state,
                              &bundle, &made, &written);
    if (error == 0) {
        assert_non_null(bundle.cert);
        assert_true(made);
        error = written ? bundle_load(file("fallback.pem"), &back) : ERROR_MEMORY;
    }
    bundle_free(&bundle);
    bundle_free(&back);
    return error;
}

/* Whatever fails, the name is the same afterwards. */
static int use_identity(void)
{
    struct identity again = {.key = NULL};
    int error = identity_open(folder, &again, NULL);
    if (error == 0) {
        assert_string_equal(again.id, identity.id);
    }
    identity_free(&again);
    return error;
}

static void test_own_code(void **state)
{
    (void)state;
    assert_true(allocation_each(use_messages, false) > 5);
    assert_true(allocation_each(use_state, false) > 5);
    assert_true(allocation_each(use_config, false) > 5);
    assert_true(allocation_each(use_rules, false) > 3);
    assert_true(allocation_each(use_page, false) > 5);
}

/* Nearly all of the thousands of allocations are OpenSSL's own, which fault_crypto fails one by
 * one: here every STRIDE-th. */
static size_t sample(int (*operation)(void), size_t stride)
{
    size_t failed = 0;
    bool is_reached = true;
    assert_int_equal(operation(), 0);
    for (size_t at = 0; is_reached; at += stride) {
        allocation_fail_at(at);
        int error = operation();
        is_reached = allocation_stop();
        assert_true(is_reached || error == 0);
        failed += error != 0 ? 1 : 0;
    }
    return failed;
}

static void test_keys_and_certificates(void **state)
{
    (void)state;
    assert_true(sample(use_identity, 7) > 5);
    assert_true(sample(use_fallback, 97) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_code),
        cmocka_unit_test(test_keys_and_certificates),
    };
    allocation_hook();
    if (mkdtemp(folder) == NULL || identity_open(folder, &identity, NULL) != 0) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    identity_free(&identity);
    unlink(file("fallback.pem"));
    unlink(file("identity.pem"));
    rmdir(folder);
    return failed;
}
