/* The client's shared half: directory, account, nonces, and how each goes wrong. */
#include "acme/acme.h"

#include "base/core/json.h"
#include "tests/unit/acme/mock_ca.h"
#include "tests/unit/vector.h"

#define URN "urn:ietf:params:acme:error:"

struct fixture {
    struct mock_ca ca;
    struct key *key;
    struct acme_client *client;
};

static void open_with(struct fixture *fixture, const struct mock_ca_fault *faults,
                      const struct acme_client_options *more)
{
    struct acme_client_options options = {.may_create_account = true};

    if (more != NULL)
        options = *more;
    memset(fixture, 0, sizeof(*fixture));
    mock_ca_open(&fixture->ca);
    fixture->ca.faults = faults;
    assert_int_equal(key_generate(KEY_P256, &fixture->key), 0);
    options.directory_url = MOCK_CA "/directory";
    options.signer.key = fixture->key;
    assert_int_equal(acme_client_new(&options, &fixture->client), 0);
}

static void close_all(struct fixture *fixture)
{
    acme_client_free(fixture->client);
    key_free(fixture->key);
    mock_ca_close(&fixture->ca);
}

static void test_makes_an_account(void **state)
{
    struct fixture f;
    struct acme_step step;
    const char *contacts[] = {"mailto:a@b.test"};
    struct acme_client_options options = {
        .may_create_account = true, .contacts = contacts, .contact_count = 1};

    (void)state;
    open_with(&f, NULL, &options);
    assert_int_equal(acme_client_ready_count(f.client), 0);
    assert_null(acme_client_directory(f.client));
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(step.want, ACME_WANT_IDLE);
    assert_string_equal(acme_client_account_url(f.client), MOCK_CA "/account/1");
    assert_int_equal(f.ca.request_count, 3);
    /* The account's response brought a nonce, and one more may ask for another. */
    assert_int_equal(acme_client_ready_count(f.client), 2);
    assert_non_null(acme_client_directory(f.client));
    assert_false(acme_client_has_renewal_info(f.client));
    assert_false(acme_client_has_profile(f.client, "tlsserver"));
    close_all(&f);
}

static void test_asks_again_about_itself_only_when_due(void **state)
{
    struct fixture f;
    struct acme_step step;

    (void)state;
    open_with(&f, NULL, NULL);
    mock_ca_run_client(&f.ca, f.client, &step);
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(mock_ca_count(&f.ca, "/directory"), 1);
    f.ca.now.mono_ms += 25LL * 3600 * 1000;
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(mock_ca_count(&f.ca, "/directory"), 2);
    assert_int_equal(mock_ca_count(&f.ca, "/new-account"), 1);
    close_all(&f);
}

static void test_a_failed_refresh_keeps_the_old_directory(void **state)
{
    static const struct mock_ca_fault faults[] = {
        {.path = "/directory", .nth = 2, .status = 200, .body = "{}"}, {0}};
    struct fixture f;
    struct acme_step step;

    (void)state;
    open_with(&f, faults, NULL);
    mock_ca_run_client(&f.ca, f.client, &step);
    f.ca.now.mono_ms += 25LL * 3600 * 1000;
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(step.want, ACME_WANT_IDLE);
    assert_int_equal(mock_ca_count(&f.ca, "/directory"), 2);
    assert_non_null(json_get_text(acme_client_directory(f.client), "newOrder"));
    close_all(&f);
}

static void test_a_known_account_url_is_used_without_asking(void **state)
{
    struct fixture f;
    struct acme_step step;
    struct acme_client_options options = {.account_url = MOCK_CA "/account/7"};

    (void)state;
    open_with(&f, NULL, &options);
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(step.want, ACME_WANT_IDLE);
    assert_int_equal(f.ca.request_count, 1);
    assert_string_equal(acme_client_account_url(f.client), MOCK_CA "/account/7");
    close_all(&f);
}

static void test_without_leave_it_only_looks_for_the_account(void **state)
{
    struct fixture f;
    struct acme_step step;
    struct acme_client_options options = {.may_create_account = false};

    (void)state;
    open_with(&f, NULL, &options);
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(step.want, ACME_WANT_FAILED);
    assert_int_equal(step.error->type, ACME_ERROR_ACCOUNT);
    assert_int_equal(step.error->scope, ACME_SCOPE_OPERATOR);
    assert_int_equal(step.error->retry_at, 0);
    assert_null(f.ca.account);
    assert_true(acme_client_ready_count(f.client) == SIZE_MAX);
    /* It stays failed until somebody acts. */
    f.ca.now.at += 1000000;
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(step.want, ACME_WANT_FAILED);
    f.ca.account = key_ref(f.key);
    acme_client_retry(f.client);
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(step.want, ACME_WANT_IDLE);
    close_all(&f);
}

static void test_refuses_bad_options(void **state)
{
    struct key *key = NULL;
    static const struct {
        const char *directory, *account;
        int error;
    } rows[] = {
        {"http://ca.test/directory", NULL, ERROR_SYNTAX},
        {"ca.test", NULL, ERROR_SYNTAX},
        {"https://ca.test/d", "https://other.test/acct/1", ERROR_SYNTAX},
        {"https://ca.test/d", "acct/1", ERROR_SYNTAX},
    };

    (void)state;
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct acme_client *client = NULL;
        struct acme_client_options options = {.directory_url = rows[i].directory,
                                              .account_url = rows[i].account,
                                              .signer = {.key = key}};

        assert_int_equal(acme_client_new(&options, &client), rows[i].error);
    }
    key_free(key);
}

static const struct {
    struct mock_ca_fault fault;
    enum acme_error_type type; /* NONE: it gets ready all the same */
    enum acme_error_scope scope;
    int64_t retry_s; /* about; 0: never */
} wrong_answers[] = {
    {{.path = "/directory", .status = 200, .body = "<html>"},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600},
    {{.path = "/directory", .status = 200, .body = ""},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600},
    {{.path = "/directory", .status = 200, .body = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[["},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600},
    {{.path = "/directory",
      .status = 200,
      .body = "{\"newNonce\":\"https://evil.test/\",\"newAccount\":\"" MOCK_CA
              "/a\",\"newOrder\":\"" MOCK_CA "/o\"}"},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600},
    {{.path = "/directory", .status = 302, .headers = {"Location", MOCK_CA "/x"}},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600},
    {{.path = "/directory",
      .status = 503,
      .headers = {"Retry-After", "120"},
      .body = "<html>busy</html>"},
     ACME_ERROR_SERVER,
     ACME_SCOPE_CA,
     120},
    {{.path = "/directory", .nth = 1, .status = 503, .headers = {"Retry-After", "2"}},
     ACME_ERROR_NONE,
     0,
     0},
    {{.path = "/directory", .nth = 1, .status = 500}, ACME_ERROR_NONE, 0, 0},
    {{.path = "/directory", .status = 500}, ACME_ERROR_SERVER, ACME_SCOPE_CA, 60},
    {{.path = "/directory", .nth = 1, .status = 0}, ACME_ERROR_NONE, 0, 0},
    {{.path = "/directory", .status = 0}, ACME_ERROR_NET, ACME_SCOPE_CA, 60},
    {{.path = "/directory", .nth = 1, .status = 0, .error = ERROR_SIGNATURE},
     ACME_ERROR_NET,
     ACME_SCOPE_CA,
     60},
    {{.path = "/nonce", .status = 503, .headers = {"Retry-After", "77"}},
     ACME_ERROR_SERVER,
     ACME_SCOPE_CA,
     77},
    {{.path = "/nonce",
      .status = 503,
      .headers = {"Retry-After", "3600"},
      .body = "{\"type\":\"" URN "rateLimited\",\"detail\":\"Service busy\"}"},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_CA,
     3600},
    {{.path = "/nonce", .status = 200, .is_without_nonce = true},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600},
    {{.path = "/nonce",
      .status = 200,
      .is_without_nonce = true,
      .headers = {"Replay-Nonce", "not a nonce!"}},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600},
    {{.path = "/new-account",
      .nth = 1,
      .status = 400,
      .body = "{\"type\":\"" URN "badNonce\"}"},
     ACME_ERROR_NONE,
     0,
     0},
    {{.path = "/new-account", .status = 400, .body = "{\"type\":\"" URN "badNonce\"}"},
     ACME_ERROR_SERVER,
     ACME_SCOPE_CA,
     60},
    {{.path = "/new-account", .status = 201, .body = "{\"status\":\"valid\"}"},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600},
    {{.path = "/new-account",
      .status = 201,
      .body = "{\"status\":\"valid\"}",
      .headers = {"Location", "http://ca.test/acct"}},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600},
    {{.path = "/new-account",
      .status = 200,
      .body = "{\"status\":\"revoked\"}",
      .headers = {"Location", MOCK_CA "/acct"}},
     ACME_ERROR_ACCOUNT,
     ACME_SCOPE_OPERATOR,
     0},
    {{.path = "/new-account",
      .status = 201,
      .body = "no json",
      .headers = {"Location", MOCK_CA "/acct"}},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600},
    {{.path = "/new-account",
      .status = 403,
      .body = "{\"type\":\"" URN "externalAccountRequired\"}"},
     ACME_ERROR_EAB,
     ACME_SCOPE_OPERATOR,
     0},
    {{.path = "/new-account",
      .status = 403,
      .body = "{\"type\":\"" URN "userActionRequired\",\"instance\":\"https://ca/t\"}"},
     ACME_ERROR_USER_ACTION,
     ACME_SCOPE_OPERATOR,
     0},
    {{.path = "/new-account",
      .status = 403,
      .body = "{\"type\":\"" URN "unauthorized\"}"},
     ACME_ERROR_ACCOUNT,
     ACME_SCOPE_ACCOUNT,
     600},
    {{.path = "/new-account", .status = 429, .headers = {"Retry-After", "1080"}},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_ACCOUNT,
     1080},
    {{.path = "/new-account", .nth = 1, .status = 0}, ACME_ERROR_NONE, 0, 0},
};

/* One wrong answer each, and what must come of it. */
static void test_wrong_answers(void **state)
{

    (void)state;
    for (size_t i = 0; i < sizeof(wrong_answers) / sizeof(wrong_answers[0]); i++) {
        struct mock_ca_fault faults[2] = {wrong_answers[i].fault, {0}};
        struct fixture f;
        struct acme_step step;
        enum acme_error_type type;
        int64_t retry_s;

        open_with(&f, faults, NULL);
        mock_ca_run_client(&f.ca, f.client, &step);
        type = step.want == ACME_WANT_FAILED ? step.error->type : ACME_ERROR_NONE;
        if (type != wrong_answers[i].type)
            fail_msg("row %zu: %s", i, acme_error_type_text(type));
        if (type != ACME_ERROR_NONE) {
            retry_s = step.error->retry_at == 0 ? 0 : step.error->retry_at - f.ca.now.at;
            if (step.error->scope != wrong_answers[i].scope ||
                retry_s != wrong_answers[i].retry_s)
                fail_msg("row %zu: %s, retry in %lld", i,
                         acme_error_scope_text(step.error->scope), (long long)retry_s);
            assert_true(step.error->text[0] != '\0');
        }
        /* Once the CA answers rightly again, and the time has come, it gets ready. */
        f.ca.faults = NULL;
        f.ca.now.at += 90000;
        if (type != ACME_ERROR_NONE && wrong_answers[i].retry_s == 0)
            acme_client_retry(f.client);
        mock_ca_run_client(&f.ca, f.client, &step);
        assert_int_equal(step.want, ACME_WANT_IDLE);
        assert_non_null(acme_client_account_url(f.client));
        close_all(&f);
    }
}

static void test_bad_nonces_are_retried_ten_times_in_a_row(void **state)
{
    struct mock_ca_fault faults[LIMIT_NONCE_TRIES + 1] = {{0}};
    struct fixture f;
    struct acme_step step;

    (void)state;
    for (unsigned i = 0; i < LIMIT_NONCE_TRIES; i++)
        faults[i] = (struct mock_ca_fault){.path = "/new-account",
                                           .nth = i + 1,
                                           .status = 400,
                                           .body = "{\"type\":\"" URN "badNonce\"}"};
    open_with(&f, faults, NULL);
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(step.want, ACME_WANT_IDLE);
    assert_int_equal(mock_ca_count(&f.ca, "/new-account"), LIMIT_NONCE_TRIES + 1);
    /* The nonce of each refusal was used: none had to be fetched. */
    assert_int_equal(mock_ca_count(&f.ca, "/nonce"), 1);
    assert_in_range(f.ca.waited_ms, 1000, 20000);
    close_all(&f);
}

static void test_two_nonces_and_any_case_of_names_are_fine(void **state)
{
    static const struct mock_ca_fault faults[] = {
        {.path = "/new-account",
         .status = 201,
         .body = "{}",
         .headers = {"lOcAtIoN", MOCK_CA "/account/1", "replay-nonce", "abc"}},
        {0}};
    struct fixture f;
    struct acme_step step;

    (void)state;
    open_with(&f, faults, NULL);
    mock_ca_run_client(&f.ca, f.client, &step);
    assert_int_equal(step.want, ACME_WANT_IDLE);
    assert_int_equal(acme_client_ready_count(f.client), 3);
    close_all(&f);
}

static void test_sends_a_binding_only_when_it_may_create(void **state)
{
    static const uint8_t key[] = "0123456789abcdef";
    struct eab_credentials eab = {"kid", {key, 16}, DIGEST_SHA384};
    struct acme_client_options options = {.eab = &eab, .may_create_account = true};

    (void)state;
    for (int may = 0; may < 2; may++) {
        struct fixture f;
        struct acme_step step;
        struct acme_response response;
        struct jws *jws = NULL;
        struct eab *bound = NULL;
        struct acme_problem problem;
        json_t *payload = NULL;

        options.may_create_account = may;
        open_with(&f, NULL, &options);
        for (int i = 0; i < 3; i++) {
            acme_client_next(f.client, f.ca.now, &step);
            assert_int_equal(step.want, ACME_WANT_REQUEST);
            if (i < 2) {
                mock_ca_answer(&f.ca, step.request, &response);
                acme_client_response(f.client, &response, f.ca.now);
            }
        }
        assert_int_equal(
            jws_parse(step.request->body.data, step.request->body.size, &jws, &problem),
            0);
        assert_int_equal(jws_payload_object(jws, &payload, &problem), 0);
        assert_int_equal(json_get_bool(payload, "onlyReturnExisting", false), !may);
        assert_int_equal(json_get_bool(payload, "termsOfServiceAgreed", false), may);
        if (may) {
            assert_int_equal(eab_parse(json_get_object(payload, "externalAccountBinding"),
                                       f.key, jws_url(jws), &bound, &problem),
                             0);
            assert_int_equal(eab_verify(bound, key, 16, &problem), 0);
            eab_free(bound);
        } else {
            assert_null(json_get_object(payload, "externalAccountBinding"));
        }
        json_decref(payload);
        jws_free(jws);
        close_all(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_makes_an_account),
        cmocka_unit_test(test_asks_again_about_itself_only_when_due),
        cmocka_unit_test(test_a_failed_refresh_keeps_the_old_directory),
        cmocka_unit_test(test_a_known_account_url_is_used_without_asking),
        cmocka_unit_test(test_without_leave_it_only_looks_for_the_account),
        cmocka_unit_test(test_refuses_bad_options),
        cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_bad_nonces_are_retried_ten_times_in_a_row),
        cmocka_unit_test(test_two_nonces_and_any_case_of_names_are_fine),
        cmocka_unit_test(test_sends_a_binding_only_when_it_may_create),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
