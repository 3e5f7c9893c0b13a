/* Which relays a device may use, and which one it is at. */
#include "base/core/text.h"
#include "device/relay_candidates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FIRST "https://first.example/acme/directory"
#define SECOND "https://second.example/acme/directory"
#define MOVED "https://moved.example/acme/directory"

static struct device_config config;

static struct relay_candidates list(const struct agent_state *state)
{
    struct relay_candidates candidates;
    relay_candidates_list(&config, state, &candidates);
    return candidates;
}

static void expect_current(const struct agent_state *state, const char *directory)
{
    struct relay_candidates candidates = list(state);
    assert_string_equal(relay_candidates_current(&candidates, state)->directory,
                        directory);
}

static void test_configured(void **unused)
{
    struct agent_state state = {.zone = ""};
    struct relay_candidates candidates = list(&state);
    (void)unused;
    assert_int_equal(candidates.count, 2);
    assert_int_equal(relay_candidates_find(&candidates, SECOND), 1);
    assert_int_equal(relay_candidates_find(&candidates, MOVED), 2);
    expect_current(&state, FIRST);
    text_copy(state.directory, sizeof(state.directory), SECOND);
    expect_current(&state, SECOND);
    /* It was taken out of the configuration meanwhile. */
    text_copy(state.directory, sizeof(state.directory), MOVED);
    expect_current(&state, FIRST);
}

static void test_moved(void **unused)
{
    struct agent_state state = {.zone = ""};
    struct relay_candidates candidates;
    (void)unused;
    text_copy(state.moved_from, sizeof(state.moved_from), FIRST);
    text_copy(state.moved_to, sizeof(state.moved_to), MOVED);
    text_copy(state.moved_pin, sizeof(state.moved_pin), "the-pin");
    text_copy(state.directory, sizeof(state.directory), MOVED);
    candidates = list(&state);
    assert_int_equal(candidates.count, 3);
    assert_string_equal(candidates.at[0].pin, "the-pin");
    expect_current(&state, MOVED);
    /* The old place is left alone once the new one has issued. */
    state.moved_issued_at = 1;
    candidates = list(&state);
    assert_int_equal(candidates.count, 2);
    assert_string_equal(candidates.at[1].directory, SECOND);
    /* A move of a relay that is not configured any more means nothing. */
    text_copy(state.moved_from, sizeof(state.moved_from), "https://gone.example/");
    assert_int_equal(list(&state).count, 2);
    expect_current(&state, FIRST);
}

static int open_config(void **unused)
{
    struct buffer report = buffer_init(4096);
    (void)unused;
    int error = device_config_parse("test", "[device]\nrelay = " FIRST " " SECOND "\n",
                                    &config, &report);
    buffer_free(&report);
    return error;
}

static int close_config(void **unused)
{
    (void)unused;
    device_config_free(&config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configured),
        cmocka_unit_test(test_moved),
    };
    return cmocka_run_group_tests(tests, open_config, close_config);
}
