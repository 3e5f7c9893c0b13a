#include "device/fallback.h"

#include "base/core/text.h"
#include "device/clock_floor.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tests/unit/device/folder.h"

enum { DAY_S = 86400 };
#define NOW (CLOCK_FLOOR_AT + 100 * DAY_S)

static struct identity identity;

static int set_up(void **state)
{
    return folder_make(state) != 0 || identity_open(folder, &identity, NULL) != 0;
}

static int tear_down(void **state)
{
    identity_free(&identity);
    return folder_remove(state);
}

struct result {
    struct bundle bundle;
    bool made;
    bool written;
};

static struct result open_for(const char *zone, const char *local_name, int64_t now_at,
                              struct agent_state *state)
{
    struct result result = {.made = false};
    struct fallback_subject subject = {.identity = &identity,
                                       .zone = zone,
                                       .local_name = local_name};
    assert_int_equal(fallback_open(folder_path("fallback.pem"), &subject, now_at, state,
                                   &result.bundle, &result.made, &result.written),
                     0);
    assert_true(result.written);
    return result;
}

static bool is_made(const char *zone, const char *local_name, int64_t now_at,
                    struct agent_state *state)
{
    struct result result = open_for(zone, local_name, now_at, state);
    bundle_free(&result.bundle);
    return result.made;
}

static void test_kept_while_it_fits(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    assert_true(is_made("", "camera.local", NOW, &agent));
    assert_false(is_made("", "camera.local", NOW, &agent));
    assert_false(is_made("", "camera.local", NOW + 300 * DAY_S, &agent));
    assert_true(is_made("", "kitchen.local", NOW, &agent));
    assert_true(is_made("lan.example.com", "kitchen.local", NOW, &agent));
    assert_false(is_made("lan.example.com", "kitchen.local", NOW, &agent));
    assert_true(is_made("lan.example.com", "kitchen.local", NOW + 380 * DAY_S, &agent));
}

static void test_a_part_of_a_name_is_none(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    assert_true(is_made("lan.example.com", "my-camera.local", NOW, &agent));
    assert_true(is_made("lan.example.com", "camera.local", NOW, &agent));
}

static void test_what_it_holds(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    char wildcard[128];
    char mdns[64];
    struct stat info;
    struct result result = open_for("lan.example.com", "camera.local", NOW, &agent);
    snprintf(wildcard, sizeof(wildcard), "*.%s.lan.example.com", identity.id);
    assert_int_equal(cert_count(result.bundle.cert), 2);
    snprintf(mdns, sizeof(mdns), "latchkey-%.8s.local", identity.id);
    const char *const expected[] = {"camera.local", mdns, wildcard, wildcard + 2};
    assert_int_equal(cert_name_count(result.bundle.cert), 4);
    for (size_t i = 0; i < 4; i++) {
        bool found = false;
        for (size_t j = 0; j < 4; j++) {
            found = found || strcmp(cert_name(result.bundle.cert, j), expected[i]) == 0;
        }
        assert_true(found);
    }
    assert_false(key_equal(result.bundle.key, identity.key));
    assert_int_equal(stat(folder_path("fallback.pem"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    bundle_free(&result.bundle);
}

static void test_a_clock_of_1970(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    struct result result = open_for("", "camera.local", 12, &agent);
    assert_true(result.made);
    assert_true(cert_not_before_at(result.bundle.cert) <= 12);
    assert_true(cert_not_after_at(result.bundle.cert) >= CLOCK_FLOOR_AT + 300 * DAY_S);
    bundle_free(&result.bundle);
    assert_false(is_made("", "camera.local", 12, &agent));
}

static void test_a_clock_that_was_ahead(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    assert_true(is_made("", "camera.local", NOW + 4000 * (int64_t)DAY_S, &agent));
    assert_true(is_made("", "camera.local", NOW, &agent));
    assert_false(is_made("", "camera.local", NOW, &agent));
}

static void test_a_damaged_file_is_replaced(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    assert_true(is_made("", "camera.local", NOW, &agent));
    folder_write("fallback.pem", "garbage");
    assert_true(is_made("", "camera.local", NOW, &agent));
    /* Another certificate than the one that was noted (a crash between the two files). */
    text_copy(agent.fallback_fingerprint, sizeof(agent.fallback_fingerprint), "00");
    assert_true(is_made("", "camera.local", NOW, &agent));
}

static void test_a_disk_that_refuses(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    struct bundle bundle = {.key = NULL};
    bool made = false;
    bool written = true;
    struct fallback_subject subject = {.identity = &identity,
                                       .zone = "",
                                       .local_name = "camera.local"};
    assert_int_equal(fallback_open("/nonexistent/fallback.pem", &subject, NOW, &agent,
                                   &bundle, &made, &written),
                     0);
    assert_true(made);
    assert_false(written);
    assert_non_null(bundle.cert);
    bundle_free(&bundle);
}

static void test_local_name(void **state)
{
    (void)state;
    char name[80];
    fallback_local_name(name, sizeof(name));
    assert_true(text_ends_with(name, ".local"));
    assert_true(strlen(name) > 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_while_it_fits),
        cmocka_unit_test(test_what_it_holds),
        cmocka_unit_test(test_a_part_of_a_name_is_none),
        cmocka_unit_test(test_a_clock_of_1970),
        cmocka_unit_test(test_a_clock_that_was_ahead),
        cmocka_unit_test(test_a_damaged_file_is_replaced),
        cmocka_unit_test(test_a_disk_that_refuses),
        cmocka_unit_test(test_local_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
