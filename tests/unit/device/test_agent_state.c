#include "device/agent_state.h"

#include "base/core/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tests/unit/device/folder.h"

static struct agent_state full(void)
{
    struct agent_state state = {
        .zone = "lan.example.com",
        .directory = "https://relay/acme/directory",
        .account_url = "https://relay/acme/acct/x",
        .csr = "Q1NS",
        .counter = 1800000001,
        .published_at = 1800000002,
        .obtained_at = 1800000003,
        .hold_until_at = 1800000004,
        .fallback_fingerprint = "00ff",
        .fallback_names = "camera.local 192.168.1.51 ",
        .failure_code = "net",
        .failure_text = "no \"route\"",
        .failure_at = 1800000005,
    };
    state.published.count = 2;
    assert_true(lanname_address_parse("192.168.1.51", &state.published.at[0]));
    assert_true(lanname_address_parse("fd12::1", &state.published.at[1]));
    assert_int_equal(agent_state_set_order(&state, "{\"url\":\"x\"}"), 0);
    return state;
}

static void assert_equal(const struct agent_state *a, const struct agent_state *b)
{
    assert_string_equal(a->zone, b->zone);
    assert_string_equal(a->account_url, b->account_url);
    assert_string_equal(a->directory, b->directory);
    assert_string_equal(a->order, b->order);
    assert_string_equal(a->csr, b->csr);
    assert_int_equal(a->counter, b->counter);
    assert_true(own_addresses_equal(&a->published, &b->published));
    assert_int_equal(a->published_at, b->published_at);
    assert_int_equal(a->obtained_at, b->obtained_at);
    assert_int_equal(a->hold_until_at, b->hold_until_at);
    assert_string_equal(a->fallback_fingerprint, b->fallback_fingerprint);
    assert_string_equal(a->fallback_names, b->fallback_names);
    assert_string_equal(a->failure_code, b->failure_code);
    assert_string_equal(a->failure_text, b->failure_text);
    assert_int_equal(a->failure_at, b->failure_at);
}

static void test_round_trip_by_file(void **state)
{
    (void)state;
    struct agent_state saved = full();
    struct agent_state loaded;
    struct stat info;
    assert_int_equal(agent_state_save(folder_path("state.json"), &saved), 0);
    assert_int_equal(stat(folder_path("state.json"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(agent_state_load(folder_path("state.json"), &loaded), 0);
    assert_equal(&saved, &loaded);
    agent_state_free(&saved);
    agent_state_free(&loaded);
}

static void test_an_empty_one(void **state)
{
    (void)state;
    struct agent_state empty = {.counter = 0};
    struct agent_state loaded;
    struct buffer text = buffer_init(LIMIT_STATE_BYTES);
    assert_int_equal(agent_state_dump(&empty, &text), 0);
    assert_int_equal(agent_state_parse(text.data, text.size, &loaded), 0);
    assert_null(loaded.order);
    assert_string_equal(loaded.zone, "");
    buffer_free(&text);
    agent_state_free(&loaded);
}

static int parse(const char *text)
{
    struct agent_state loaded;
    memset(&loaded, 0x5a, sizeof(loaded));
    int error = agent_state_parse(text, strlen(text), &loaded);
    if (error < 0) {
        /* A failure leaves an empty state that may be used. */
        assert_null(loaded.order);
        assert_string_equal(loaded.zone, "");
    }
    agent_state_free(&loaded);
    return error;
}

static void test_damaged_files(void **state)
{
    (void)state;
    char text[512];
    assert_int_equal(parse("{\"version\":1}"), 0);
    assert_int_equal(parse("{\"version\":1,\"later\":true}"), 0);
    assert_int_equal(parse(""), ERROR_SYNTAX);
    assert_int_equal(parse("{\"version\":1"), ERROR_SYNTAX);
    assert_int_equal(parse("{}"), ERROR_RANGE);
    assert_int_equal(parse("[]"), ERROR_RANGE);
    assert_int_equal(parse("{\"version\":2}"), ERROR_RANGE);
    assert_int_equal(parse("{\"version\":1,\"counter\":-1}"), ERROR_RANGE);
    assert_int_equal(parse("{\"version\":1,\"published\":[\"192.168.1\"]}"), ERROR_RANGE);
    assert_int_equal(parse("{\"version\":1,\"published\":[7]}"), ERROR_RANGE);
    assert_int_equal(parse("{\"version\":1,\"published\":[1,2,3,4,5,6,7,8,9]}"),
                     ERROR_RANGE);
    snprintf(text, sizeof(text), "{\"version\":1,\"zone\":\"%0300d\"}", 0);
    assert_int_equal(parse(text), ERROR_RANGE);
}

static void test_another_relay(void **state)
{
    (void)state;
    struct agent_state agent = full();
    assert_false(agent_state_turn_to(&agent, "https://relay/acme/directory"));
    assert_non_null(agent.order);
    assert_true(agent_state_turn_to(&agent, "https://other/acme/directory"));
    assert_string_equal(agent.account_url, "");
    assert_null(agent.order);
    assert_int_equal(agent.hold_until_at, 0);
    assert_int_equal(agent.published.count, 0);
    /* The counter and the key in work are the device's own. */
    assert_int_equal(agent.counter, 1800000001);
    assert_string_equal(agent.csr, "Q1NS");
    assert_false(agent_state_turn_to(&agent, "https://other/acme/directory"));
    agent_state_free(&agent);
    struct agent_state fresh = {.counter = 0};
    assert_false(agent_state_turn_to(&fresh, "https://relay/acme/directory"));
    agent_state_free(&fresh);
}

static void test_no_file(void **state)
{
    (void)state;
    struct agent_state loaded;
    assert_int_equal(agent_state_load(folder_path("none"), &loaded), ERROR_NOT_FOUND);
    assert_int_equal(loaded.counter, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_by_file),
        cmocka_unit_test(test_an_empty_one),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_another_relay),
        cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
