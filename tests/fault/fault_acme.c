/* Every allocation of acme/ and base/, and of jansson below, fails once while an order goes its
 * whole way: nothing leaks or is used twice, the failure is told as ours, and after it the
 * same order comes to its chain. */
#include "acme/acme.h"
#include "base/core/json.h"

#include "tests/fault/allocation.h"
#include "tests/unit/acme/order_fixture.h"
#include "tests/unit/vector.h"

static struct order_fixture f;
static unsigned resumed_count;
static unsigned rest_depth;

int __real_json_parse(const void *data, size_t size, size_t max_bytes,
                      json_t **ret_value);
int __wrap_json_parse(const void *data, size_t size, size_t max_bytes,
                      json_t **ret_value);

static void rest(bool is_resting)
{
    rest_depth += is_resting ? 1 : -1U;
    allocation_pause(rest_depth > 0);
}

/* jansson 2.14 does not look whether its text buffer could grow, and then copies past the
 * end of a string: while it parses, nothing may fail but the parsing as a whole. */
int __wrap_json_parse(const void *data, size_t size, size_t max_bytes, json_t **ret_value)
{
    void *probe = malloc(16);
    int error;

    if (probe == NULL)
        return ERROR_MEMORY;
    free(probe);
    rest(true);
    error = __real_json_parse(data, size, max_bytes, ret_value);
    rest(false);
    return error;
}

static int prepare(void **state)
{
    (void)state;
    order_fixture_open(&f, NULL, NULL);
    acme_order_free(f.order);
    acme_client_free(f.client);
    f.order = NULL;
    f.client = NULL;
    f.ca.saved = NULL;
    f.ca.on_own_work = rest;
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    order_fixture_close(&f);
    return 0;
}

static int run(struct acme_client *client, struct acme_order *order)
{
    struct acme_step step;

    (void)mock_ca_run_order(&f.ca, client, order, 0, &step);
    if (step.want == ACME_WANT_DONE)
        return 0;
    assert_true(step.error->text[0] != '\0');
    if (step.error->type != ACME_ERROR_MEMORY)
        fail_msg("not told as memory: %s", step.error->text);
    if (!step.error->resumable)
        fail_msg("not resumable: %s", step.error->text);
    resumed_count++;
    acme_client_retry(client);
    acme_order_retry(order);
    (void)mock_ca_run_order(&f.ca, client, order, 0, &step);
    assert_int_equal(step.want, ACME_WANT_DONE);
    return ERROR_MEMORY;
}

static int run_order(void)
{
    static const uint8_t mac_key[] = "0123456789abcdef";
    static const char *const contacts[] = {"mailto:a@b.test"};
    struct eab_credentials eab = {"token", {mac_key, 16}, DIGEST_SHA256};
    struct acme_client_options options = {
        .directory_url = MOCK_CA "/directory",
        .signer.key = f.key,
        .eab = &eab,
        .contacts = contacts,
        .contact_count = 1,
        .may_create_account = true,
    };
    struct acme_client *client = NULL;
    struct acme_order *order = NULL;
    int error;

    rest(true);
    mock_ca_forget(&f.ca);
    f.options.replaces = "aYhb.AIdl";
    rest(false);
    error = acme_client_new(&options, &client);
    if (error == 0)
        error = acme_order_new(client, &f.options, f.ca.now, &order);
    if (error == 0)
        error = run(client, order);
    acme_order_free(order);
    acme_client_free(client);
    return error;
}

static int save_and_load(void)
{
    struct acme_client_options options = {.directory_url = MOCK_CA "/directory",
                                          .signer.key = f.key};
    struct buffer json = buffer_init(ACME_ORDER_SAVE_MAX);
    struct acme_client *client = NULL;
    struct acme_order *order = NULL, *loaded = NULL;
    int error = acme_client_new(&options, &client);

    if (error == 0)
        error = acme_order_new(client, &f.options, f.ca.now, &order);
    if (error == 0)
        error = acme_order_save(order, &json);
    if (error == 0)
        error =
            acme_order_load(client, &f.options, json.data, json.size, f.ca.now, &loaded);
    acme_order_free(loaded);
    acme_order_free(order);
    acme_client_free(client);
    buffer_free(&json);
    return error;
}

/* What a server does with a newAccount. */
static int serve(void)
{
    static const uint8_t mac_key[] = "0123456789abcdef";
    struct eab_credentials eab = {"token", {mac_key, 16}, DIGEST_SHA512};
    struct jws_signer signer = {.key = f.key};
    struct buffer payload = buffer_init(LIMIT_JWS_BYTES);
    struct buffer body = buffer_init(LIMIT_JWS_BYTES);
    struct buffer answer = buffer_init(LIMIT_JWS_BYTES);
    struct acme_problem problem = {0};
    struct jws *jws = NULL;
    struct eab *bound = NULL;
    json_t *object = NULL, *binding = NULL, *read = NULL;
    int error = eab_make(&eab, f.key, "https://r.test/a", &binding);

    if (error == 0 && (object = json_object()) == NULL)
        error = ERROR_MEMORY;
    if (error == 0)
        error = json_set_take(object, "externalAccountBinding", json_incref(binding));
    if (error == 0)
        error = json_dump(object, &payload);
    if (error == 0)
        error = jws_make(&signer, NULL, "bm8", "https://r.test/a", payload.data,
                         payload.size, &body);
    if (error == 0)
        error = jws_parse(body.data, body.size, &jws, &problem);
    if (error == 0)
        error = jws_verify(jws, jws_key(jws), &problem);
    if (error == 0)
        error = jws_payload_object(jws, &read, &problem);
    if (error == 0)
        error = eab_parse(json_get_object(read, "externalAccountBinding"), jws_key(jws),
                          jws_url(jws), &bound, &problem);
    if (error == 0)
        error = eab_verify(bound, mac_key, 16, &problem);
    if (error == 0) {
        acme_problem_set(&problem, ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM, "no");
        acme_problem_add(&problem, ACME_PROBLEM_CAA, "a.test", "no");
        error = acme_problem_dump(&problem, &answer);
    } else {
        /* A server always has an answer. */
        assert_true(problem.type != ACME_PROBLEM_NONE || jws == NULL);
    }
    eab_free(bound);
    jws_free(jws);
    json_decref(read);
    json_decref(binding);
    json_decref(object);
    buffer_free(&answer);
    buffer_free(&body);
    buffer_free(&payload);
    return error;
}

static void test_an_order_survives_each_failure(void **state)
{
    (void)state;
    assert_true(allocation_each(run_order, false) > 200);
    assert_true(resumed_count > 200);
}

static void test_save_and_load_fail_cleanly(void **state)
{
    (void)state;
    assert_true(allocation_each(save_and_load, false) > 20);
}

static void test_a_server_has_an_answer_to_each_failure(void **state)
{
    (void)state;
    assert_true(allocation_each(serve, false) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_order_survives_each_failure),
        cmocka_unit_test(test_save_and_load_fail_cleanly),
        cmocka_unit_test(test_a_server_has_an_answer_to_each_failure),
    };

    /* Ours and jansson's only: OpenSSL's fail in fault_crypto, and are too many here. */
    json_set_alloc_funcs(malloc, free);
    return cmocka_run_group_tests(tests, prepare, clean_up);
}
