/* Calls: revocation, deactivation, renewalInfo, signed POSTs to extensions. */
#include "acme/acme.h"

#include "base/core/json.h"
#include "tests/unit/acme/order_fixture.h"
#include "tests/unit/vector.h"

#define URN "urn:ietf:params:acme:error:"
#define CERT_ID "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

static void test_posts_to_an_extension(void **state)
{
    struct order_fixture f;
    struct acme_step step;
    struct acme_call *call = NULL;
    json_t *payload = json_object();

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    assert_int_equal(json_set_i64(payload, "counter", 7), 0);
    assert_int_equal(
        acme_call_new_post(f.client, "https://evil.test/extension", payload, &call),
        ERROR_DENIED);
    assert_int_equal(acme_call_new_post(f.client, MOCK_CA "/extension", payload, &call),
                     0);
    json_decref(payload);
    mock_ca_run_call(&f.ca, f.client, call, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    assert_int_equal(acme_call_status(call), 200);
    assert_memory_equal(acme_call_body(call).data, "{\"seen\":true}", 13);
    assert_null(acme_call_retry_after(call));
    acme_call_free(call);
    order_fixture_close(&f);
}

static void test_revokes_once_or_twice(void **state)
{
    static const struct mock_ca_fault faults[] = {
        {.path = "/revoke",
         .nth = 2,
         .status = 400,
         .body = "{\"type\":\"" URN "alreadyRevoked\"}"},
        {.path = "/revoke",
         .nth = 3,
         .status = 403,
         .body = "{\"type\":\"" URN "unauthorized\"}"},
        {0}};
    struct order_fixture f;
    struct acme_step step;
    static const uint8_t der[] = {0x30, 0x00};
    struct bytes cert = {der, sizeof(der)};

    (void)state;
    order_fixture_open(&f, faults, NULL);
    for (int i = 0; i < 3; i++) {
        struct acme_call *call = NULL;

        assert_int_equal(acme_call_new_revoke(f.client, cert, i - 1, &call), 0);
        mock_ca_run_call(&f.ca, f.client, call, &step);
        assert_int_equal(step.want, i < 2 ? ACME_WANT_DONE : ACME_WANT_FAILED);
        if (i == 2)
            assert_int_equal(step.error->type, ACME_ERROR_ACCOUNT);
        acme_call_free(call);
    }
    order_fixture_close(&f);
}

static void test_deactivates_and_finds_the_account_again(void **state)
{
    struct order_fixture f;
    struct acme_step step;
    struct acme_call *call = NULL;

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    assert_int_equal(acme_call_new_deactivate(f.client, &call), 0);
    mock_ca_run_call(&f.ca, f.client, call, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    assert_int_equal(mock_ca_count(&f.ca, "/account/1"), 1);
    acme_call_free(call);
    /* The CA forgets the account: the call waits for the client, then goes to the new one. */
    key_free(f.ca.account);
    f.ca.account = NULL;
    assert_int_equal(acme_call_new_deactivate(f.client, &call), 0);
    mock_ca_run_call(&f.ca, f.client, call, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    assert_int_equal(mock_ca_count(&f.ca, "/account/2"), 1);
    acme_call_free(call);
    order_fixture_close(&f);
}

static void test_changes_the_key(void **state)
{
    struct order_fixture f;
    struct acme_step step;
    struct acme_call *call = NULL;
    struct acme_call *other = NULL;
    struct key *new_key = NULL;

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    assert_int_equal(key_generate(KEY_P256, &new_key), 0);
    assert_int_equal(acme_call_new_key_change(f.client, new_key, &call), 0);
    assert_int_equal(acme_call_new_deactivate(f.client, &other), 0);
    acme_client_hold(f.client, true);
    mock_ca_run_call(&f.ca, f.client, call, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    /* Nothing else is signed until the client has the new key. */
    acme_call_next(other, f.ca.now, &step);
    assert_int_equal(step.want, ACME_WANT_SHARED);
    acme_client_take_key(f.client, new_key);
    acme_client_hold(f.client, false);
    mock_ca_run_call(&f.ca, f.client, other, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    acme_call_free(other);
    acme_call_free(call);
    key_free(new_key);
    order_fixture_close(&f);
}

/* The CA has changed over, but its answer is lost: it is not simply sent again. */
static void test_a_lost_key_change_is_told(void **state)
{
    static const struct mock_ca_fault faults[] = {
        {.path = "/key", .nth = 1, .status = 0, .is_late = true}, {0}};
    struct order_fixture f;
    struct acme_step step;
    struct acme_call *call = NULL;
    struct key *new_key = NULL;

    (void)state;
    order_fixture_open(&f, faults, NULL);
    assert_int_equal(key_generate(KEY_P256, &new_key), 0);
    assert_int_equal(acme_call_new_key_change(f.client, new_key, &call), 0);
    mock_ca_run_call(&f.ca, f.client, call, &step);
    assert_int_equal(step.want, ACME_WANT_FAILED);
    assert_int_equal(step.error->type, ACME_ERROR_NET);
    assert_int_equal(mock_ca_count(&f.ca, "/key"), 1);
    assert_true(key_equal(f.ca.account, new_key));
    acme_call_free(call);
    key_free(new_key);
    order_fixture_close(&f);
}

static int run_renewal_info(const struct mock_ca_fault *fault, const char *extra,
                            struct acme_error *ret_error, struct acme_ari *ret_ari)
{
    struct mock_ca_fault faults[2] = {*fault, {0}};
    struct order_fixture f;
    struct acme_step step;
    struct acme_call *call = NULL;
    int error = 1;

    order_fixture_open(&f, faults, NULL);
    f.ca.directory_extra = extra;
    assert_int_equal(acme_call_new_renewal_info(f.client, CERT_ID, &call), 0);
    mock_ca_run_call(&f.ca, f.client, call, &step);
    if (step.want == ACME_WANT_DONE)
        error = acme_call_renewal_info(call, f.ca.now.at - 86400,
                                       f.ca.now.at + 90 * 86400, f.ca.now.at, ret_ari);
    else
        *ret_error = *step.error;
    if (step.want == ACME_WANT_DONE)
        assert_int_equal(ret_ari->poll_at - f.ca.now.at, 21600);
    acme_call_free(call);
    order_fixture_close(&f);
    return error;
}

static void test_asks_for_renewal_info(void **state)
{
    static const char extra[] = ",\"renewalInfo\":\"" MOCK_CA "/ari\"";
    static const struct mock_ca_fault good = {
        .path = "/ari/" CERT_ID,
        .status = 200,
        .headers = {"Retry-After", "21600"},
        .body = "{\"suggestedWindow\":{\"start\":\"2027-03-01T00:00:00Z\","
                "\"end\":\"2027-03-02T00:00:00Z\"},\"explanationURL\":\"https://ca.test/"
                "why\"}"};
    static const struct mock_ca_fault unknown = {.path = "/ari/", .status = 404};
    static const struct mock_ca_fault busy = {
        .path = "/ari/", .status = 503, .headers = {"Retry-After", "600"}};
    struct acme_error error;
    struct acme_ari ari = {0};

    (void)state;
    assert_int_equal(run_renewal_info(&good, extra, &error, &ari), 0);
    assert_int_equal(ari.end_at - ari.start_at, 86400);
    assert_string_equal(ari.explanation_url, "https://ca.test/why");
    assert_int_equal(run_renewal_info(&unknown, extra, &error, &ari), 1);
    assert_int_equal(error.problem.status, 404);
    assert_int_equal(run_renewal_info(&busy, extra, &error, &ari), 1);
    assert_int_equal(error.type, ACME_ERROR_SERVER);
    assert_int_equal(run_renewal_info(&good, NULL, &error, &ari), 1);
    assert_int_equal(error.type, ACME_ERROR_REJECTED);
    assert_int_equal(error.retry_at, 0);
}

static void test_renewal_info_needs_no_account(void **state)
{
    static const struct mock_ca_fault faults[] = {
        {.path = "/new-account",
         .status = 403,
         .body = "{\"type\":\"" URN "userActionRequired\"}"},
        {.path = "/ari/", .status = 200, .body = "{}"},
        {0}};
    struct order_fixture f;
    struct acme_step step;
    struct acme_call *call = NULL;

    (void)state;
    order_fixture_open(&f, faults, NULL);
    f.ca.directory_extra = ",\"renewalInfo\":\"" MOCK_CA "/ari/\"";
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(step.want, ACME_WANT_FAILED);
    assert_int_equal(acme_call_new_renewal_info(f.client, CERT_ID, &call), 0);
    mock_ca_run_call(&f.ca, f.client, call, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    assert_int_equal(mock_ca_count(&f.ca, "/ari/"), 1);
    acme_call_free(call);
    order_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts_to_an_extension),
        cmocka_unit_test(test_revokes_once_or_twice),
        cmocka_unit_test(test_deactivates_and_finds_the_account_again),
        cmocka_unit_test(test_changes_the_key),
        cmocka_unit_test(test_a_lost_key_change_is_told),
        cmocka_unit_test(test_asks_for_renewal_info),
        cmocka_unit_test(test_renewal_info_needs_no_account),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
