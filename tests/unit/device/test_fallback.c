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

static struct own_addresses addresses(const char *text)
{
    struct own_addresses list = {.count = 1};
    assert_true(lanname_address_parse(text, &list.at[0]));
    return list;
}

static struct result open_for(const char *zone, const char *address, int64_t now_at,
                              struct agent_state *state)
{
    struct own_addresses list = addresses(address);
    struct result result = {.made = false};
    struct fallback_subject subject = {.identity = &identity,
                                       .zone = zone,
                                       .local_name = "camera.local",
                                       .addresses = &list};
    assert_int_equal(fallback_open(folder_path("fallback.pem"), &subject, now_at, state,
                                   &result.bundle, &result.made, &result.written),
                     0);
    assert_true(result.written);
    return result;
}

static bool is_made(const char *zone, const char *address, int64_t now_at,
                    struct agent_state *state)
{
    struct result result = open_for(zone, address, now_at, state);
    bundle_free(&result.bundle);
    return result.made;
}

static void test_kept_while_it_fits(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    assert_true(is_made("", "192.168.1.51", NOW, &agent));
    assert_false(is_made("", "192.168.1.51", NOW, &agent));
    assert_false(is_made("", "192.168.1.51", NOW + 300 * DAY_S, &agent));
    assert_true(is_made("", "192.168.1.52", NOW, &agent));
    assert_true(is_made("lan.example.com", "192.168.1.52", NOW, &agent));
    assert_false(is_made("lan.example.com", "192.168.1.52", NOW, &agent));
    assert_true(is_made("lan.example.com", "192.168.1.52", NOW + 380 * DAY_S, &agent));
}

static void test_kept_when_an_address_goes(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    struct own_addresses list = addresses("192.168.1.5");
    struct bundle bundle = {.key = NULL};
    bool made = false;
    bool written = false;
    struct fallback_subject subject = {.identity = &identity,
                                       .zone = "lan.example.com",
                                       .local_name = "camera.local",
                                       .addresses = &list};
    list.count = 2;
    assert_true(lanname_address_parse("fd12::1", &list.at[1]));
    for (size_t count = 2; count + 1 > 0; count--) {
        list.count = count;
        assert_int_equal(fallback_open(folder_path("fallback.pem"), &subject, NOW, &agent,
                                       &bundle, &made, &written),
                         0);
        assert_int_equal(made, count == 2);
        bundle_free(&bundle);
    }
    /* A part of an address, or of a name, is none. */
    assert_true(is_made("lan.example.com", "192.168.1.51", NOW, &agent));
    assert_true(is_made("lan.example.com", "192.168.1.5", NOW, &agent));
}

static void test_what_it_holds(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    char wildcard[128];
    struct stat info;
    struct result result = open_for("lan.example.com", "192.168.1.51", NOW, &agent);
    snprintf(wildcard, sizeof(wildcard), "*.%s.lan.example.com", identity.id);
    assert_int_equal(cert_count(result.bundle.cert), 2);
    bool found = false;
    for (size_t i = 0; i < cert_name_count(result.bundle.cert); i++) {
        found = found || strcmp(cert_name(result.bundle.cert, i), wildcard) == 0;
    }
    assert_true(found);
    assert_false(key_equal(result.bundle.key, identity.key));
    assert_int_equal(stat(folder_path("fallback.pem"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    bundle_free(&result.bundle);
}

static void test_a_clock_of_1970(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    struct result result = open_for("", "192.168.1.77", 12, &agent);
    assert_true(result.made);
    assert_true(cert_not_before_at(result.bundle.cert) <= 12);
    assert_true(cert_not_after_at(result.bundle.cert) >= CLOCK_FLOOR_AT + 300 * DAY_S);
    bundle_free(&result.bundle);
    assert_false(is_made("", "192.168.1.77", 12, &agent));
}

static void test_a_clock_that_was_ahead(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    assert_true(is_made("", "192.168.1.88", NOW + 4000 * (int64_t)DAY_S, &agent));
    assert_true(is_made("", "192.168.1.88", NOW, &agent));
    assert_false(is_made("", "192.168.1.88", NOW, &agent));
}

static void test_a_damaged_file_is_replaced(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    assert_true(is_made("", "192.168.1.51", NOW, &agent));
    folder_write("fallback.pem", "garbage");
    assert_true(is_made("", "192.168.1.51", NOW, &agent));
    /* Another certificate than the one that was noted (a crash between the two files). */
    text_copy(agent.fallback_fingerprint, sizeof(agent.fallback_fingerprint), "00");
    assert_true(is_made("", "192.168.1.51", NOW, &agent));
}

static void test_a_disk_that_refuses(void **state)
{
    (void)state;
    struct agent_state agent = {.counter = 0};
    struct own_addresses list = addresses("192.168.1.51");
    struct bundle bundle = {.key = NULL};
    bool made = false;
    bool written = true;
    struct fallback_subject subject = {.identity = &identity,
                                       .zone = "",
                                       .local_name = "camera.local",
                                       .addresses = &list};
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
        cmocka_unit_test(test_kept_when_an_address_goes),
        cmocka_unit_test(test_a_clock_of_1970),
        cmocka_unit_test(test_a_clock_that_was_ahead),
        cmocka_unit_test(test_a_damaged_file_is_replaced),
        cmocka_unit_test(test_a_disk_that_refuses),
        cmocka_unit_test(test_local_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
