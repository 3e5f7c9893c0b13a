/* External account binding: each size of MAC, and each way of being wrong. */
#include "acme/eab.h"

#include "base/core/json.h"
#include "base/core/text.h"
#include "tests/unit/vector.h"

#define URL "https://relay.test/acme/new-account"

static const uint8_t mac_key[] = "0123456789abcdef0123456789abcdef";

static struct eab_credentials credentials(enum digest_hash hash)
{
    return (struct eab_credentials){"token-1", {mac_key, sizeof(mac_key) - 1}, hash};
}

static void test_each_size_binds(void **state)
{
    struct key *key = NULL;
    size_t sizes[3];

    (void)state;
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    for (int hash = DIGEST_SHA256; hash <= DIGEST_SHA512; hash++) {
        struct eab_credentials made = credentials((enum digest_hash)hash);
        struct acme_problem problem;
        struct eab *eab = NULL;
        json_t *binding = NULL;

        assert_int_equal(eab_make(&made, key, URL, &binding), 0);
        sizes[hash] = strlen(json_get_text(binding, "signature"));
        assert_int_equal(eab_parse(binding, key, URL, &eab, &problem), 0);
        assert_string_equal(eab_kid(eab), "token-1");
        assert_int_equal(eab_verify(eab, mac_key, sizeof(mac_key) - 1, &problem), 0);
        assert_int_equal(eab_verify(eab, mac_key, sizeof(mac_key) - 2, &problem),
                         ERROR_SIGNATURE);
        assert_int_equal(problem.type, ACME_PROBLEM_UNAUTHORIZED);
        eab_free(eab);
        json_decref(binding);
    }
    assert_int_equal(sizes[0], TEXT_BASE64URL_SIZE(32));
    assert_int_equal(sizes[1], TEXT_BASE64URL_SIZE(48));
    assert_int_equal(sizes[2], TEXT_BASE64URL_SIZE(64));
    key_free(key);
}

static void test_binds_one_key_and_one_url(void **state)
{
    struct key *key = NULL, *other = NULL;
    struct eab_credentials made = credentials(DIGEST_SHA256);
    struct acme_problem problem;
    struct eab *eab = NULL;
    json_t *binding = NULL;

    (void)state;
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    assert_int_equal(key_generate(KEY_P256, &other), 0);
    assert_int_equal(eab_make(&made, key, URL, &binding), 0);
    assert_int_not_equal(eab_parse(binding, other, URL, &eab, &problem), 0);
    assert_int_equal(problem.type, ACME_PROBLEM_MALFORMED);
    assert_int_not_equal(eab_parse(binding, key, URL "x", &eab, &problem), 0);
    assert_int_equal(problem.type, ACME_PROBLEM_MALFORMED);
    assert_int_not_equal(eab_parse(NULL, key, URL, &eab, &problem), 0);
    assert_int_equal(problem.type, ACME_PROBLEM_MALFORMED);
    json_decref(binding);
    key_free(other);
    key_free(key);
}

static void set_part(json_t *object, const char *part, const char *text)
{
    char *encoded = malloc(TEXT_BASE64URL_SIZE(strlen(text)) + 1);

    assert_non_null(encoded);
    text_base64url(text, strlen(text), encoded);
    assert_int_equal(json_set_text(object, part, encoded), 0);
    free(encoded);
}

static void test_refuses_bad_headers(void **state)
{
#define GOOD_URL ",\"url\":\"" URL "\"}"
    static const struct {
        const char *header;
        enum acme_problem_type type;
    } rows[] = {
        {"{\"alg\":\"HS1\",\"kid\":\"k\"" GOOD_URL, ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM},
        {"{\"alg\":\"ES256\",\"kid\":\"k\"" GOOD_URL,
         ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM},
        {"{\"alg\":\"none\",\"kid\":\"k\"" GOOD_URL,
         ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM},
        {"{\"kid\":\"k\"" GOOD_URL, ACME_PROBLEM_MALFORMED},
        {"{\"alg\":\"HS256\"" GOOD_URL, ACME_PROBLEM_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":\"\"" GOOD_URL, ACME_PROBLEM_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":\"k\",\"nonce\":\"x\"" GOOD_URL,
         ACME_PROBLEM_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":\"k\",\"jwk\":{}" GOOD_URL, ACME_PROBLEM_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":\"k\",\"crit\":[]" GOOD_URL, ACME_PROBLEM_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":\"k\"}", ACME_PROBLEM_MALFORMED},
    };
    struct key *key = NULL;
    struct eab_credentials made = credentials(DIGEST_SHA256);

    (void)state;
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct acme_problem problem = {0};
        struct eab *eab = NULL;
        json_t *binding = NULL;

        assert_int_equal(eab_make(&made, key, URL, &binding), 0);
        set_part(binding, "protected", rows[i].header);
        assert_int_not_equal(eab_parse(binding, key, URL, &eab, &problem), 0);
        if (problem.type != rows[i].type)
            fail_msg("%s: %s", rows[i].header, acme_problem_type_text(problem.type));
        json_decref(binding);
    }
    key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_size_binds),
        cmocka_unit_test(test_binds_one_key_and_one_url),
        cmocka_unit_test(test_refuses_bad_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
