/* Renewal information: reading it, and drawing a moment from it. */
#include "acme/acme_ari.h"

#include "base/core/json.h"
#include "base/core/text.h"
#include "base/crypto/random.h"
#include "tests/unit/vector.h"

enum { DAY = 86400, FROM = 1800000000, UNTIL = FROM + 90 * DAY, NOW = FROM + 10 * DAY };

static int parse(int64_t start_at, int64_t end_at, const char *retry_after,
                 struct acme_ari *ari)
{
    struct acme_ari made = {.start_at = start_at, .end_at = end_at};
    struct buffer body = buffer_init(4096);
    json_t *object = NULL;
    int error;

    assert_int_equal(acme_ari_to_json(&made, &object), 0);
    assert_int_equal(json_dump(object, &body), 0);
    error = acme_ari_parse(body.data, body.size, retry_after, FROM, UNTIL, NOW, ari);
    json_decref(object);
    buffer_free(&body);
    return error;
}

static void test_reads_windows(void **state)
{
    struct acme_ari ari;

    (void)state;
    assert_int_equal(parse(FROM + 60 * DAY, FROM + 62 * DAY, "21600", &ari), 0);
    assert_int_equal(ari.start_at, FROM + 60 * DAY);
    assert_int_equal(ari.end_at, FROM + 62 * DAY);
    assert_int_equal(ari.poll_at, NOW + 21600);
    /* In the past, as after a revocation: renew now. */
    assert_int_equal(parse(NOW - 3600, NOW - 1800, NULL, &ari), 0);
    assert_true(acme_ari_pick(&ari, random_below) < NOW);
    /* Asked again between an hour and a day later, whatever is said. */
    assert_int_equal(parse(NOW, NOW + DAY, "0", &ari), 0);
    assert_int_equal(ari.poll_at, NOW + 3600);
    assert_int_equal(parse(NOW, NOW + DAY, "2592000", &ari), 0);
    assert_int_equal(ari.poll_at, NOW + DAY);
    assert_int_equal(parse(NOW, NOW + DAY, "nonsense", &ari), 0);
    assert_int_equal(ari.poll_at, NOW + 6 * 3600);
}

static void test_refuses_absurd_windows(void **state)
{
    struct acme_ari ari;

    (void)state;
    assert_int_equal(parse(NOW + DAY, NOW, NULL, &ari), ERROR_RANGE);
    assert_int_equal(parse(NOW, NOW, NULL, &ari), ERROR_RANGE);
    assert_int_equal(parse(UNTIL + 1, UNTIL + DAY, NULL, &ari), ERROR_RANGE);
    assert_int_equal(parse(NOW + 50LL * 365 * DAY, NOW + 51LL * 365 * DAY, NULL, &ari),
                     ERROR_RANGE);
    assert_int_equal(parse(FROM - 50 * DAY, FROM - 49 * DAY, NULL, &ari), ERROR_RANGE);
}

static void test_refuses_what_is_no_window(void **state)
{
    static const char *const rows[] = {
        "",
        "[]",
        "{}",
        "{\"suggestedWindow\":[]}",
        "{\"suggestedWindow\":{}}",
        "{\"suggestedWindow\":{\"start\":\"2027-01-15T08:00:00Z\"}}",
        "{\"suggestedWindow\":{\"start\":1800000000,\"end\":1800000001}}",
        "{\"suggestedWindow\":{\"start\":\"2027-02-30T08:00:00Z\","
        "\"end\":\"2027-03-01T08:00:00Z\"}}",
        "<html>503</html>"};
    struct acme_ari ari;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(
            acme_ari_parse(rows[i], strlen(rows[i]), NULL, FROM, UNTIL, NOW, &ari),
            ERROR_SYNTAX);
}

/* The bug of a real client: half of its picks lay before the window. */
static void test_picks_lie_in_the_first_part_of_the_window(void **state)
{
    struct acme_ari ari = {.start_at = FROM, .end_at = FROM + 155520};
    unsigned tenths[10] = {0};

    (void)state;
    for (int i = 0; i < 100000; i++) {
        int64_t at = acme_ari_pick(&ari, random_below);

        assert_true(at >= ari.start_at);
        assert_true(at < ari.start_at + (ari.end_at - ari.start_at) * 60 / 100);
        tenths[(at - ari.start_at) * 10 / (155520 * 60 / 100)]++;
    }
    /* Uniform: each tenth holds 10,000, give or take eight standard deviations (95). */
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], 9240, 10760);
}

static void test_tiny_windows_have_a_pick(void **state)
{
    struct acme_ari ari = {.start_at = 5, .end_at = 6};

    (void)state;
    for (int64_t width = 1; width < 200; width++) {
        ari.end_at = ari.start_at + width;
        for (int i = 0; i < 50; i++)
            assert_in_range(acme_ari_pick(&ari, random_below), ari.start_at,
                            ari.end_at - 1);
    }
}

static void test_falls_back_to_the_life(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_in_range(acme_ari_fallback(FROM, FROM + 90 * DAY, random_below),
                        FROM + 60 * DAY, FROM + 60 * DAY + 90 * DAY / 20);
        assert_in_range(acme_ari_fallback(FROM, FROM + 6 * DAY, random_below),
                        FROM + 3 * DAY, FROM + 3 * DAY + 6 * DAY / 20);
    }
    assert_int_equal(acme_ari_fallback(FROM, FROM, random_below), FROM);
    assert_int_equal(acme_ari_fallback(FROM, FROM - 1, random_below), FROM);
    assert_in_range(acme_ari_fallback(FROM, FROM + 60, random_below), FROM + 30,
                    FROM + 33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_windows),
        cmocka_unit_test(test_refuses_absurd_windows),
        cmocka_unit_test(test_refuses_what_is_no_window),
        cmocka_unit_test(test_picks_lie_in_the_first_part_of_the_window),
        cmocka_unit_test(test_tiny_windows_have_a_pick),
        cmocka_unit_test(test_falls_back_to_the_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
