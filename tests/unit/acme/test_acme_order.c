/* One order: the ways it goes well, and what a crash at any step costs. */
#include "acme/acme.h"

#include "base/core/json.h"
#include "base/crypto/csr.h"
#include "tests/unit/acme/order_fixture.h"
#include "tests/unit/vector.h"

static void test_goes_from_order_to_chain(void **state)
{
    struct order_fixture f;
    struct acme_step step;

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    assert_null(acme_order_url(f.order));
    assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    assert_int_equal(step.want, ACME_WANT_DONE);
    assert_int_equal(f.ca.saves, 2);
    assert_int_equal(f.ca.published, 1);
    assert_int_equal(f.ca.unpublished, 1);
    assert_string_equal(acme_order_url(f.order), MOCK_CA "/order/0");
    assert_int_equal(cert_name_count(acme_order_cert(f.order)), 2);
    assert_int_equal(cert_count(acme_order_cert(f.order)), 2);
    assert_true(acme_order_chain(f.order).size > 500);
    assert_int_equal(acme_order_alternate_count(f.order), 0);
    /* Directory, nonce, account; order, 2 authorizations, 2 challenges, order, finalize, chain. */
    assert_int_equal(f.ca.request_count, 3 + 8);
    assert_int_equal(mock_ca_count(&f.ca, "/nonce"), 1);
    /* Done stays done. */
    acme_order_next(f.order, f.ca.now, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    order_fixture_close(&f);
}

static void test_ready_orders_need_no_record(void **state)
{
    struct order_fixture f;
    struct acme_step step;

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    f.ca.is_reusing = true;
    assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    assert_int_equal(step.want, ACME_WANT_DONE);
    assert_int_equal(f.ca.saves, 1);
    assert_int_equal(f.ca.published + f.ca.unpublished, 0);
    assert_int_equal(mock_ca_count(&f.ca, "/authz"), 0);
    assert_int_equal(f.ca.request_count, 3 + 3);
    order_fixture_close(&f);
}

/* RFC 7515 A.3's key and RFC 8555's example token. */
static void test_record_has_the_published_value(void **state)
{
    static const char authz[] =
        "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"dev.test\"}"
        ","
        "\"challenges\":[{\"type\":\"dns-01\",\"url\":\"" MOCK_CA "/challenge/0/0\","
        "\"token\":\"evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA\"}]}";
    static const struct mock_ca_fault faults[] = {
        {.path = "/authz", .status = 200, .body = authz}, {0}};
    struct order_fixture f;
    struct acme_step step;
    struct buffer jwk = vector_file("jws", "rfc7515-a3-es256", "private.json");
    json_t *value = NULL;

    (void)state;
    assert_int_equal(json_parse(jwk.data, jwk.size, 4096, &value), 0);
    order_fixture_open_key(&f, faults, NULL, value);
    json_decref(value);
    buffer_free(&jwk);
    f.ca.stop_at = ACME_WANT_PUBLISH;
    assert_false(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    f.ca.stop_at = 0;
    /* Both names (dev.test and *.dev.test) got the same token here: one value. */
    assert_int_equal(step.record_count, 1);
    assert_string_equal(step.records[0].name, "_acme-challenge.dev.test");
    assert_string_equal(step.records[0].value,
                        "ZaJgFtIV4WA0t2MzN7kbSk0sfRd2GZjaxRqaSTAK6lI");
    order_fixture_close(&f);
}

/* Stopped after each step and loaded from what was last saved: the same order goes on. */
static void test_a_crash_at_any_step_resumes_the_same_order(void **state)
{
    unsigned steps = 0;
    bool is_whole = false;

    (void)state;
    while (!is_whole) {
        struct order_fixture f;
        struct acme_step step;

        order_fixture_open(&f, NULL, NULL);
        is_whole = mock_ca_run_order(&f.ca, f.client, f.order, ++steps, &step);
        if (!is_whole) {
            unsigned made = f.ca.order_count;
            bool was_saved = f.saved.size > 0;

            order_fixture_crash(&f);
            assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
            assert_int_equal(f.ca.order_count, was_saved ? 1 : made + 1);
        }
        assert_int_equal(step.want, ACME_WANT_DONE);
        /* What was shown is taken away again. */
        assert_true(f.ca.unpublished >= 1 || f.ca.published == 0);
        order_fixture_close(&f);
    }
    assert_true(steps >= 14);
}

static void test_saved_text_is_small_and_strict(void **state)
{
    static const struct {
        const char *text;
        int error;
    } rows[] = {
        {"", ERROR_SYNTAX},
        {"{}", ERROR_SYNTAX},
        {"[]", ERROR_SYNTAX},
        {"{\"version\":2}", ERROR_SYNTAX},
        {"{\"version\":1,\"directory\":\"https://other.test/"
         "d\",\"csr\":\"x\",\"restarts\":0}",
         ERROR_CONFLICT},
        {"{\"version\":1,\"directory\":\"" MOCK_CA
         "/directory\",\"csr\":\"x\",\"restarts\":0}",
         ERROR_CONFLICT},
    };
    struct order_fixture f;
    struct acme_step step;
    struct acme_order *order = NULL;
    json_t *value = NULL;
    struct buffer text = buffer_init(ACME_ORDER_SAVE_MAX);

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(acme_order_load(f.client, &f.options, rows[i].text,
                                         strlen(rows[i].text), f.ca.now, &order),
                         rows[i].error);
    (void)mock_ca_run_order(&f.ca, f.client, f.order, 11, &step);
    assert_in_range(f.saved.size, 100, 1500);
    /* A URL of another origin, and a record at a foreign name, are not believed. */
    assert_int_equal(json_parse(f.saved.data, f.saved.size, 8192, &value), 0);
    assert_int_equal(json_set_text(value, "url", "https://evil.test/order/0"), 0);
    assert_int_equal(json_dump(value, &text), 0);
    assert_int_equal(
        acme_order_load(f.client, &f.options, text.data, text.size, f.ca.now, &order),
        ERROR_SYNTAX);
    buffer_reset(&text);
    assert_int_equal(json_set_text(value, "url", MOCK_CA "/order/0"), 0);
    assert_int_equal(json_set_text(json_array_get(json_get_array(value, "records"), 0),
                                   "name", "_acme-challenge.bank.test"),
                     0);
    assert_int_equal(json_dump(value, &text), 0);
    assert_int_equal(
        acme_order_load(f.client, &f.options, text.data, text.size, f.ca.now, &order),
        ERROR_SYNTAX);
    json_decref(value);
    buffer_free(&text);
    order_fixture_close(&f);
}

static void test_refuses_bad_options(void **state)
{
    struct order_fixture f;
    struct acme_order *order = NULL;
    struct acme_order_options options;

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    options = f.options;
    options.replaces = "no dot";
    assert_int_equal(acme_order_new(f.client, &options, f.ca.now, &order), ERROR_SYNTAX);
    options.replaces = "a.b/c";
    assert_int_equal(acme_order_new(f.client, &options, f.ca.now, &order), ERROR_SYNTAX);
    options = f.options;
    options.csr.size--;
    assert_int_not_equal(acme_order_new(f.client, &options, f.ca.now, &order), 0);
    order_fixture_close(&f);
}

/* 40 orders over one client: requests of all are under way at once, none waits for ever. */
static void test_many_orders_share_the_nonces(void **state)
{
    enum { COUNT = 40 };
    struct order_fixture f;
    struct acme_order *orders[COUNT];
    struct acme_step step, client_step;
    struct acme_response response;
    unsigned done = 0;

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(acme_order_new(f.client, &f.options, f.ca.now, &orders[i]), 0);
    for (int round = 0; round < 2000 && done < COUNT; round++) {
        done = 0;
        for (int i = 0; i < COUNT; i++) {
            acme_order_next(orders[i], f.ca.now, &step);
            if (step.want == ACME_WANT_REQUEST) {
                mock_ca_answer(&f.ca, step.request, &response);
                acme_order_response(orders[i], &response, f.ca.now);
            } else if (step.want == ACME_WANT_SHARED) {
                mock_ca_run_client(&f.ca, f.client, &client_step);
            } else if (step.want == ACME_WANT_SAVE) {
                acme_order_saved(orders[i]);
            } else if (step.want == ACME_WANT_PUBLISH) {
                f.ca.published++;
                acme_order_published(orders[i]);
            } else if (step.want == ACME_WANT_UNPUBLISH) {
                acme_order_unpublished(orders[i]);
            } else if (step.want == ACME_WANT_WAIT) {
                f.ca.now.mono_ms += 50;
            } else {
                assert_int_equal(step.want, ACME_WANT_DONE);
                done++;
            }
        }
    }
    assert_int_equal(done, COUNT);
    assert_int_equal(f.ca.order_count, COUNT);
    for (int i = 0; i < COUNT; i++)
        acme_order_free(orders[i]);
    order_fixture_close(&f);
}

/* No nonce, nothing under way that could bring one: somebody must be woken all the same. */
static void test_a_lost_nonce_does_not_stall_the_others(void **state)
{
    struct order_fixture f;
    struct acme_order *other = NULL;
    struct acme_step step;
    struct acme_response lost = {.error = ERROR_IO};

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(acme_order_new(f.client, &f.options, f.ca.now, &other), 0);
    acme_order_next(f.order, f.ca.now, &step);
    assert_int_equal(step.want, ACME_WANT_REQUEST);
    acme_order_next(other, f.ca.now, &step);
    assert_int_equal(step.want, ACME_WANT_SHARED);
    acme_order_response(f.order, &lost, f.ca.now);
    assert_int_equal(acme_client_ready_count(f.client), 1);
    /* While a nonce is being fetched nobody needs to be woken. */
    acme_client_next(f.client, f.ca.now, &step);
    assert_int_equal(step.want, ACME_WANT_REQUEST);
    assert_int_equal(acme_client_ready_count(f.client), 0);
    acme_order_free(other);
    order_fixture_close(&f);
}

/* The driver only follows wants: nobody tells the client to try again. */
static void test_goes_on_by_itself_when_the_clients_failure_is_over(void **state)
{
    static const struct mock_ca_fault faults[] = {
        {.path = "/directory", .status = 503, .headers = {"Retry-After", "120"}}, {0}};
    struct order_fixture f;
    struct acme_step step;

    (void)state;
    order_fixture_open(&f, faults, NULL);
    assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    assert_int_equal(step.want, ACME_WANT_FAILED);
    assert_int_equal(step.error->type, ACME_ERROR_SERVER);
    assert_int_equal(step.error->retry_at, f.ca.now.at + 120);
    f.ca.faults = NULL;
    f.ca.now.at += 119;
    acme_order_retry(f.order);
    assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    assert_int_equal(step.want, ACME_WANT_FAILED);
    f.ca.now.at += 1;
    acme_order_retry(f.order);
    assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    assert_int_equal(step.want, ACME_WANT_DONE);
    order_fixture_close(&f);
}

static void test_the_ca_forgets_everything(void **state)
{
    struct order_fixture f;
    struct acme_step step;

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    f.ca.stop_at = ACME_WANT_PUBLISH;
    assert_false(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    f.ca.stop_at = 0;
    assert_int_equal(f.ca.order_count, 1);
    key_free(f.ca.account);
    f.ca.account = NULL;
    f.ca.orders[0].status[0] = '\0';
    assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    assert_int_equal(step.want, ACME_WANT_DONE);
    assert_int_equal(f.ca.order_count, 2);
    assert_string_equal(acme_client_account_url(f.client), MOCK_CA "/account/2");
    order_fixture_close(&f);
}

static void test_without_leave_a_forgotten_account_is_an_operators_case(void **state)
{
    struct order_fixture f;
    struct acme_step step;

    (void)state;
    order_fixture_open(
        &f, NULL,
        &(struct acme_client_options){.may_create_account = false,
                                      .account_url = MOCK_CA "/account/1"});
    assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    assert_int_equal(step.want, ACME_WANT_FAILED);
    assert_int_equal(step.error->type, ACME_ERROR_ACCOUNT);
    assert_int_equal(step.error->scope, ACME_SCOPE_OPERATOR);
    assert_int_equal(step.error->retry_at, 0);
    assert_true(step.error->resumable);
    /* The operator acts; the same order goes on. */
    f.ca.account = key_ref(f.key);
    f.ca.account_number = 1;
    acme_client_retry(f.client);
    acme_order_retry(f.order);
    assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    assert_int_equal(step.want, ACME_WANT_DONE);
    order_fixture_close(&f);
}

static void test_records_that_cant_be_shown_fail_resumably(void **state)
{
    struct order_fixture f;
    struct acme_step step;

    (void)state;
    order_fixture_open(&f, NULL, NULL);
    f.ca.stop_at = ACME_WANT_PUBLISH;
    assert_false(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    f.ca.stop_at = 0;
    acme_order_publish_failed(f.order, "ns2 shows nothing", f.ca.now);
    acme_order_next(f.order, f.ca.now, &step);
    assert_int_equal(step.want, ACME_WANT_FAILED);
    assert_int_equal(step.error->type, ACME_ERROR_PUBLISH);
    assert_string_equal(step.error->text, "ns2 shows nothing");
    assert_true(step.error->resumable);
    acme_order_retry(f.order);
    assert_true(mock_ca_run_order(&f.ca, f.client, f.order, 0, &step));
    assert_int_equal(step.want, ACME_WANT_DONE);
    assert_int_equal(f.ca.order_count, 1);
    order_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_from_order_to_chain),
        cmocka_unit_test(test_ready_orders_need_no_record),
        cmocka_unit_test(test_record_has_the_published_value),
        cmocka_unit_test(test_a_crash_at_any_step_resumes_the_same_order),
        cmocka_unit_test(test_saved_text_is_small_and_strict),
        cmocka_unit_test(test_refuses_bad_options),
        cmocka_unit_test(test_many_orders_share_the_nonces),
        cmocka_unit_test(test_a_lost_nonce_does_not_stall_the_others),
        cmocka_unit_test(test_goes_on_by_itself_when_the_clients_failure_is_over),
        cmocka_unit_test(test_the_ca_forgets_everything),
        cmocka_unit_test(test_without_leave_a_forgotten_account_is_an_operators_case),
        cmocka_unit_test(test_records_that_cant_be_shown_fail_resumably),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
