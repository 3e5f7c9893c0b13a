/* Every allocation of liblatchkey, of what it is made of, and of jansson below, fails once on the
 * way from nothing to a trusted certificate and a publication: latchkey_new says so and leaves
 * nothing behind, or the handle goes on and gets there all the same. */
#include "tests/unit/library/fixture.h"

#include "base/core/json.h"
#include "tests/fault/allocation.h"

#include <stdlib.h>

static struct fixture f;
static unsigned rest_depth;
static unsigned refused_count;
static unsigned survived_count;

int __real_json_parse(const void *data, size_t size, size_t max_bytes,
                      json_t **ret_value);
int __wrap_json_parse(const void *data, size_t size, size_t max_bytes,
                      json_t **ret_value);

static void rest(bool is_resting)
{
    rest_depth += is_resting ? 1 : -1U;
    allocation_pause(rest_depth > 0);
}

/* As in fault_acme: jansson 2.14 can't bear a failure while it parses. */
int __wrap_json_parse(const void *data, size_t size, size_t max_bytes, json_t **ret_value)
{
    void *probe = malloc(16);
    if (probe == NULL) {
        return ERROR_MEMORY;
    }
    free(probe);
    rest(true);
    int error = __real_json_parse(data, size, max_bytes, ret_value);
    rest(false);
    return error;
}

static void begin(void)
{
    rest(true);
    mock_ca_forget(&f.ca);
    for (size_t i = 0; i < FIXTURE_ITEMS; i++) {
        buffer_free(&f.items[i].data);
        f.items[i].name[0] = '\0';
    }
    f.trusteds = 0;
    f.last_id = 0;
    rest(false);
}

/* From an empty storage, or from what a run before has left. */
static int live(bool is_restart)
{
    static const char *const addresses[] = {"192.168.1.51"};
    int error = latchkey_new(&f.options, &f.handle);
    if (error < 0) {
        assert_int_equal(error, LATCHKEY_ERROR_MEMORY);
        assert_null(f.handle);
        refused_count++;
        return ERROR_MEMORY;
    }
    assert_int_equal(latchkey_set_addresses(f.handle, addresses, 1), LATCHKEY_OK);
    for (int i = 0; f.trusteds == 0 || fixture_status(&f).published_at == 0; i++) {
        if (i > 500) {
            fail_msg("it never gets there: %s", fixture_status(&f).failure_text);
        }
        fixture_round(&f);
    }
    if (is_restart) {
        assert_int_equal(f.ca.order_count, 1);
    }
    assert_int_equal(fixture_status(&f).is_storage_failed, 0);
    survived_count++;
    fixture_stop(&f);
    return 0;
}

static int first_life(void)
{
    begin();
    return live(false);
}

static int second_life(void)
{
    f.trusteds = 0;
    return live(true);
}

static void test_the_first_certificate(void **state)
{
    (void)state;
    (void)allocation_each(first_life, false);
    assert_true(refused_count > 15);
    assert_true(survived_count > 500);
}

/* A restart does not lose what is there. */
static void test_a_restart(void **state)
{
    (void)state;
    refused_count = survived_count = 0;
    assert_int_equal(first_life(), 0);
    (void)allocation_each(second_life, false);
    assert_true(refused_count > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_certificate),
        cmocka_unit_test(test_a_restart),
    };
    json_set_alloc_funcs(malloc, free);
    fixture_open(&f);
    f.ca.on_own_work = rest;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_close(&f);
    return failed;
}
