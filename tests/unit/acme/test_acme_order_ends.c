/* How orders end: by a wrong answer late on, by a deadline, without a wish that was refused, with
 * or without alternate chains. The numbers P9.. and M3, M4 are those of the project's list
 * of faults. */
#include "base/core/text.h"
#include "tests/unit/acme/order_row.h"

static const struct row bad_ends[] = {
    {{.path = "/order/", .status = 200, .body = ORDER("processing")},
     ACME_ERROR_ORDER,
     ACME_SCOPE_NAME,
     600,
     true,
     true},
    {{.path = "/order/", .status = 200, .body = ORDER("odd")},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600,
     false,
     true},
    {{.path = "/finalize/", .status = 200, .body = ORDER("pending")},
     ACME_ERROR_ORDER,
     ACME_SCOPE_NAME,
     600,
     false,
     true},
    {{.path = "/finalize/", .status = 200, .body = ORDER("ready")},
     ACME_ERROR_ORDER,
     ACME_SCOPE_NAME,
     600,
     false,
     true},
    {{.path = "/finalize/",
      .status = 200,
      .body = "{\"status\":\"invalid\"," NAMES "," AUTHZS "," FINALIZE
              ",\"error\":" PROBLEM("caa") "}"},
     ACME_ERROR_CAA,
     ACME_SCOPE_OPERATOR,
     3600,
     false,
     true},
    {{.path = "/order/", .status = 200, .body = ORDER("invalid")},
     ACME_ERROR_ORDER,
     ACME_SCOPE_NAME,
     600,
     false,
     true},
    {{.path = "/finalize/", .status = 400, .body = PROBLEM("badCSR")},
     ACME_ERROR_CSR,
     ACME_SCOPE_NAME,
     0,
     false,
     true},
    {{.path = "/finalize/", .status = 403, .body = PROBLEM("unauthorized")},
     ACME_ERROR_REJECTED,
     ACME_SCOPE_NAME,
     0,
     false,
     true},
    {{.path = "/finalize/", .nth = 1, .status = 403, .body = PROBLEM("orderNotReady")},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    {{.path = "/finalize/", .status = 403, .body = PROBLEM("orderNotReady")},
     ACME_ERROR_ORDER,
     ACME_SCOPE_NAME,
     600,
     false,
     true},
    {{.path = "/new-order", .status = 400, .body = PROBLEM("rejectedIdentifier")},
     ACME_ERROR_REJECTED,
     ACME_SCOPE_NAME,
     0,
     false,
     false},
    {{.path = "/new-order", .status = 403, .body = PROBLEM("unauthorized")},
     ACME_ERROR_ACCOUNT,
     ACME_SCOPE_ACCOUNT,
     600,
     false,
     false},
    /* Lost: made anew, once. */
    {{.path = "/order/", .nth = 1, .status = 404}, ACME_ERROR_NONE, 0, 0, 0, 0},
    {{.path = "/order/", .status = 404},
     ACME_ERROR_ORDER,
     ACME_SCOPE_NAME,
     600,
     false,
     true},
    {{.path = "/authz/", .nth = 1, .status = 404}, ACME_ERROR_NONE, 0, 0, 0, 0},
    {{.path = "/finalize/", .nth = 1, .status = 404}, ACME_ERROR_NONE, 0, 0, 0, 0},
    {{.path = "/new-order",
      .nth = 1,
      .status = 201,
      .headers = LOCATION,
      .body = "{\"status\":\"pending\",\"expires\":\"2020-01-01T00:00:00Z\"," NAMES
              "," AUTHZS "," FINALIZE "}"},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    {{.path = "/order/",
      .nth = 1,
      .status = 200,
      .body = ORDER("pending"),
      .headers = {"Retry-After", "2"}},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    {{.path = "/finalize/",
      .nth = 1,
      .status = 200,
      .body = ORDER("processing"),
      .headers = {"Retry-After", "3"},
      .is_late = true},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    /* P15 */
    {{.path = "/cert/", .status = 200, .body = "<html>"},
     ACME_ERROR_CHAIN,
     ACME_SCOPE_CA,
     600,
     false,
     true},
    {{.path = "/cert/", .status = 200, .body = ""},
     ACME_ERROR_CHAIN,
     ACME_SCOPE_CA,
     600,
     false,
     true},
};

/* P9, P13 */
static void test_orders_that_end_badly(void **state)
{

    (void)state;
    CHECK(bad_ends);
}

static void test_the_challenges_error_is_told(void **state)
{
    static const struct mock_ca_fault faults[] = {
        {.path = "/order/", .status = 200, .body = ORDER("invalid")},
        {.path = "/authz/0/1",
         .nth = 2,
         .status = 200,
         .body = AUTHZ("invalid", "{\"type\":\"dns-01\",\"error\":{\"type\":\"" URN
                                  "dns\",\"detail\":\"SERVFAIL\\u0007 looking up TXT\","
                                  "\"subproblems\":[{\"type\":\"" URN
                                  "dns\",\"detail\":\"\\u00e4\"}]}}")},
        {0}};
    struct order_fixture f;
    struct acme_step step;

    (void)state;
    order_fixture_open(&f, faults, NULL);
    (void)mock_ca_run_order(&f.ca, f.client, f.order, 0, &step);
    assert_int_equal(step.want, ACME_WANT_FAILED);
    assert_int_equal(step.error->type, ACME_ERROR_DNS);
    assert_string_equal(step.error->text, "authorization: dns: SERVFAIL? looking up TXT");
    assert_int_equal(step.error->problem.subproblem_count, 1);
    assert_int_equal(f.ca.unpublished, 1);
    order_fixture_close(&f);
}

/* P9: bounded in time and in requests. */
static void test_a_stuck_order_ends_at_its_deadline(void **state)
{
    static const struct mock_ca_fault faults[] = {
        {.path = "/order/", .status = 200, .body = ORDER("processing")}, {0}};
    struct order_fixture f;
    struct acme_step step;

    (void)state;
    order_fixture_open(&f, faults, NULL);
    order_fixture_reorder(&f, &(struct acme_order_options){.deadline_s = 120});
    (void)mock_ca_run_order(&f.ca, f.client, f.order, 0, &step);
    assert_int_equal(step.want, ACME_WANT_FAILED);
    assert_in_range(f.ca.waited_ms, 119000, 127000);
    assert_in_range(mock_ca_count(&f.ca, "/order/"), 20, 40);
    order_fixture_close(&f);
}

/* M3: exactly one retry without. */
static void test_replaces_is_dropped_once(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool is_dropped;
    } rows[] = {
        {409, PROBLEM("alreadyReplaced"), true},     {409, PROBLEM("conflict"), true},
        {404, PROBLEM("malformed"), true},           {404, "", true},
        {403, PROBLEM("unauthorized"), true},        {400, PROBLEM("malformed"), true},
        {400, PROBLEM("rejectedIdentifier"), false}, {429, PROBLEM("rateLimited"), false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned nth = 0; nth < 2; nth++) {
            struct mock_ca_fault faults[2] = {{.path = "/new-order",
                                               .nth = nth,
                                               .status = rows[i].status,
                                               .body = rows[i].body},
                                              {0}};
            struct order_fixture f;
            struct acme_step step;

            order_fixture_open(&f, faults, NULL);
            order_fixture_reorder(&f,
                                  &(struct acme_order_options){.replaces = "aYhb.AIdl"});
            (void)mock_ca_run_order(&f.ca, f.client, f.order, 0, &step);
            assert_int_equal(step.want, nth == 1 && rows[i].is_dropped
                                            ? ACME_WANT_DONE
                                            : ACME_WANT_FAILED);
            assert_int_equal(mock_ca_count(&f.ca, "/new-order"),
                             rows[i].is_dropped ? 2 : 1);
            assert_int_equal(acme_order_replaces(f.order), !rows[i].is_dropped);
            assert_string_equal(f.ca.last_replaces, "");
            order_fixture_close(&f);
        }
    }
}

static void test_replaces_is_sent(void **state)
{
    struct order_fixture f;
    struct acme_step step;

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    order_fixture_reorder(&f, &(struct acme_order_options){.replaces = "aYhb.AIdl"});
    (void)mock_ca_run_order(&f.ca, f.client, f.order, 0, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    assert_string_equal(f.ca.last_replaces, "aYhb.AIdl");
    assert_true(acme_order_replaces(f.order));
    order_fixture_close(&f);
}

/* M4 */
static void test_profiles_are_wishes(void **state)
{
    static const struct {
        const char *directory, *body;
        const char *sent;
        unsigned requests;
    } rows[] = {
        {",\"meta\":{\"profiles\":{\"tlsserver\":\"x\",\"classic\":\"y\"}}", NULL,
         "tlsserver", 1},
        {",\"meta\":{\"profiles\":{\"classic\":\"y\"}}", NULL, "", 1},
        {",\"meta\":{\"profiles\":[\"tlsserver\"]}", NULL, "", 1},
        {NULL, NULL, "", 1},
        {",\"meta\":{\"profiles\":{\"tlsserver\":\"x\"}}", PROBLEM("invalidProfile"), "",
         2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mock_ca_fault faults[2] = {
            {.path = "/new-order", .nth = 1, .status = 400, .body = rows[i].body}, {0}};
        struct order_fixture f;
        struct acme_step step;

        order_fixture_open(&f, rows[i].body != NULL ? faults : NULL, NULL);
        f.ca.directory_extra = rows[i].directory;
        order_fixture_reorder(&f, &(struct acme_order_options){.profile = "tlsserver"});
        (void)mock_ca_run_order(&f.ca, f.client, f.order, 0, &step);
        assert_int_equal(step.want, ACME_WANT_DONE);
        assert_string_equal(f.ca.last_profile, rows[i].sent);
        assert_int_equal(mock_ca_count(&f.ca, "/new-order"), rows[i].requests);
        assert_string_equal(
            acme_order_profile(f.order) ? acme_order_profile(f.order) : "", rows[i].sent);
        order_fixture_close(&f);
    }
}

/* P15: the chain must be for our key; another's is not taken, however valid. */
static void test_a_chain_for_another_key_is_refused(void **state)
{
    struct order_fixture f, other;
    struct acme_step step;
    struct mock_ca_fault faults[2] = {{.path = "/cert/", .status = 200}, {0}};

    (void)state;
    order_fixture_open(&other, NULL, NULL);
    (void)mock_ca_run_order(&other.ca, other.client, other.order, 0, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    faults[0].body = (const char *)acme_order_chain(other.order).data;
    order_fixture_open(&f, faults, NULL);
    (void)mock_ca_run_order(&f.ca, f.client, f.order, 0, &step);
    assert_int_equal(step.want, ACME_WANT_FAILED);
    assert_int_equal(step.error->type, ACME_ERROR_CHAIN);
    assert_null(acme_order_cert(f.order));
    assert_int_equal(acme_order_chain(f.order).size, 0);
    order_fixture_close(&f);
    order_fixture_close(&other);
}

/* P15: explanatory text and CRLF are fine, alternates are few and unique, a broken one is
 * left out. */
static void test_alternates_and_odd_pem(void **state)
{
    struct order_fixture f;
    struct acme_step step;
    struct mock_ca_fault faults[] = {
        {.path = "/cert/",
         .nth = 1,
         .status = 200,
         .is_late = true,
         .is_addition = true,
         .headers = {"Link",
                     "<" MOCK_CA "/cert/0>;rel=alternate, <" MOCK_CA
                     "/cert/0/1>;rel=\"alternate\", <" MOCK_CA
                     "/cert/0/1>;rel=\"alternate\", <https://evil.test/2>;rel=alternate",
                     "Link",
                     "<" MOCK_CA "/cert/0/2>;rel=\"alternate\", <" MOCK_CA
                     "/cert/0/3>;rel=\"alternate\", <" MOCK_CA
                     "/cert/0/4>;rel=\"alternate\""}},
        {.path = "/cert/0/2", .status = 200, .body = "<html>"},
        {.path = "/cert/0/3", .status = 404},
        {0}};

    (void)state;
    order_fixture_open(&f, faults, NULL);
    order_fixture_reorder(&f, &(struct acme_order_options){.alternates = 3});
    f.ca.is_odd_pem = true;
    assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    if (step.want != ACME_WANT_DONE)
        fail_msg("%s", step.error->text);
    assert_int_equal(acme_order_alternate_count(f.order), 1);
    assert_null(strchr((const char *)acme_order_chain(f.order).data, '\r'));
    assert_true(
        text_starts_with((const char *)acme_order_chain(f.order).data, "-----BEGIN"));
    assert_int_equal(acme_order_alternate(f.order, 1).size, 0);
    /* The first, and three alternates at most. */
    assert_int_equal(mock_ca_count(&f.ca, "/cert/"), 4);
    order_fixture_close(&f);
}

static void test_retry_after_of_a_poll_is_kept(void **state)
{
    static const struct mock_ca_fault faults[] = {{.path = "/finalize/",
                                                   .nth = 1,
                                                   .status = 200,
                                                   .body = ORDER("processing"),
                                                   .headers = {"Retry-After", "30"},
                                                   .is_late = true},
                                                  {0}};
    struct order_fixture f;
    struct acme_step step;

    (void)state;
    order_fixture_open(&f, faults, NULL);
    (void)mock_ca_run_order(&f.ca, f.client, f.order, 0, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    assert_int_equal(f.ca.waited_ms, 30000 + 100);
    order_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_that_end_badly),
        cmocka_unit_test(test_the_challenges_error_is_told),
        cmocka_unit_test(test_a_stuck_order_ends_at_its_deadline),
        cmocka_unit_test(test_replaces_is_dropped_once),
        cmocka_unit_test(test_replaces_is_sent),
        cmocka_unit_test(test_profiles_are_wishes),
        cmocka_unit_test(test_a_chain_for_another_key_is_refused),
        cmocka_unit_test(test_alternates_and_odd_pem),
        cmocka_unit_test(test_retry_after_of_a_poll_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
