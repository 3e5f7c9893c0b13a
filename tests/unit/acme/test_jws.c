/* JSON Web Signatures: what is made verifies, and what is refused is refused for its reason. */
#include "acme/jws.h"

#include "base/core/json.h"
#include "base/core/text.h"
#include "tests/unit/vector.h"

#define JWK_A3                                                                           \
    "{\"kty\":\"EC\",\"crv\":\"P-256\","                                                 \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                             \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define REST "\"nonce\":\"bm9uY2U\",\"url\":\"https://relay.test/acme/new-order\""
#define KID "\"kid\":\"https://relay.test/acme/acct/1\""

static struct key *vector_key(const char *suite, const char *name)
{
    struct key *key = NULL;
    struct buffer pem = vector_file(suite, name, "private.pem");

    assert_int_equal(key_from_pem(pem.data, pem.size, &key), 0);
    buffer_free(&pem);
    return key;
}

static void round_trip(struct key *key, enum jws_alg alg)
{
    static const char payload[] = "{\"a\":1}";
    struct jws_signer signer = {.key = key};
    struct jws *jws = NULL;
    struct acme_problem problem;
    struct key *other = NULL;
    json_t *object = NULL;

    assert_int_equal(key_generate(KEY_P256, &other), 0);
    for (int with_kid = 0; with_kid < 2; with_kid++) {
        struct buffer body = buffer_init(LIMIT_JWS_BYTES);

        assert_int_equal(jws_make(&signer, with_kid ? "https://relay.test/acct/1" : NULL,
                                  "bm9uY2U", "https://relay.test/x", payload,
                                  strlen(payload), &body),
                         0);
        assert_int_equal(jws_parse(body.data, body.size, &jws, &problem), 0);
        assert_int_equal(jws_alg(jws), alg);
        assert_string_equal(jws_nonce(jws), "bm9uY2U");
        assert_string_equal(jws_url(jws), "https://relay.test/x");
        assert_true((jws_kid(jws) != NULL) == with_kid);
        assert_true((jws_key(jws) == NULL) == with_kid);
        if (!with_kid)
            assert_true(key_equal(jws_key(jws), key));
        assert_false(jws_is_post_as_get(jws));
        assert_int_equal(jws_verify(jws, key, &problem), 0);
        assert_int_equal(jws_payload_object(jws, &object, &problem), 0);
        assert_int_equal(json_get_i64(object, "a", 0), 1);
        json_decref(object);
        /* Another key: of the same kind the signature is wrong, of another the algorithm. */
        assert_int_equal(jws_verify(jws, other, &problem), ERROR_SIGNATURE);
        assert_int_equal(problem.type, alg == JWS_ES256
                                           ? ACME_PROBLEM_UNAUTHORIZED
                                           : ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM);
        jws_free(jws);
        buffer_free(&body);
    }
    key_free(other);
}

static void test_made_ones_verify(void **state)
{
    static const struct {
        const char *suite, *name;
        enum jws_alg alg;
    } rows[] = {
        {"jws", "es384", JWS_ES384},
        {"jws", "rs256", JWS_RS256},
        {"jws", "rfc8037-a4-eddsa", JWS_EDDSA},
        {"jws", "es256-padded", JWS_ES256},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct key *key = vector_key(rows[i].suite, rows[i].name);

        round_trip(key, rows[i].alg);
        key_free(key);
    }
}

static int counted_sign(void *arg, const void *data, size_t size, uint8_t *ret_signature,
                        size_t *ret_size)
{
    struct key **key = arg;

    /* The signer sees the signing input: two base64url parts. */
    assert_non_null(memchr(data, '.', size));
    return key_sign(*key, data, size, ret_signature, ret_size);
}

static int failing_sign(void *arg, const void *data, size_t size, uint8_t *ret_signature,
                        size_t *ret_size)
{
    (void)arg, (void)data, (void)size, (void)ret_signature, (void)ret_size;
    return ERROR_IO;
}

static void test_signs_through_the_callback_alone(void **state)
{
    struct key *pair = NULL, *public = NULL;
    struct jws_signer signer;
    struct buffer body = buffer_init(LIMIT_JWS_BYTES);
    struct jws *jws = NULL;
    struct acme_problem problem;

    (void)state;
    assert_int_equal(key_generate(KEY_P256, &pair), 0);
    assert_int_equal(key_from_spki(key_spki(pair).data, key_spki(pair).size, &public), 0);
    assert_false(key_is_private(public));
    signer = (struct jws_signer){public, counted_sign, &pair};
    assert_int_equal(jws_make(&signer, NULL, "bm8", "https://r.test/", NULL, 0, &body),
                     0);
    assert_int_equal(jws_parse(body.data, body.size, &jws, &problem), 0);
    assert_true(jws_is_post_as_get(jws));
    assert_int_equal(jws_verify(jws, public, &problem), 0);
    jws_free(jws);
    buffer_reset(&body);
    signer.sign = failing_sign;
    assert_int_equal(jws_make(&signer, NULL, "bm8", "https://r.test/", NULL, 0, &body),
                     ERROR_IO);
    /* Without a callback, and without a private half. */
    signer.sign = NULL;
    assert_int_not_equal(
        jws_make(&signer, NULL, "bm8", "https://r.test/", NULL, 0, &body), 0);
    buffer_free(&body);
    key_free(public);
    key_free(pair);
}

static void append_base64url(struct buffer *buffer, const void *data, size_t size)
{
    char *text = malloc(TEXT_BASE64URL_SIZE(size) + 1);

    assert_non_null(text);
    text_base64url(data, size, text);
    assert_int_equal(buffer_append_text(buffer, text), 0);
    free(text);
}

/* A JWS with this header, put together by hand; EXTRA are more members. */
static struct buffer by_hand(const char *header, const char *extra)
{
    struct buffer body = buffer_init(4 * LIMIT_JWS_BYTES);
    uint8_t signature[64] = {1};

    (void)buffer_append_text(&body, "{\"protected\":\"");
    append_base64url(&body, header, strlen(header));
    (void)buffer_append_text(&body, "\",\"payload\":\"e30\",\"signature\":\"");
    append_base64url(&body, signature, sizeof(signature));
    (void)buffer_append_text(&body, "\"");
    (void)buffer_append_text(&body, extra);
    assert_int_equal(buffer_append_text(&body, "}"), 0);
    return body;
}

static const struct {
    const char *header, *extra;
    enum acme_problem_type type; /* NONE: accepted */
} headers[] = {
    {"{\"alg\":\"ES256\",\"jwk\":" JWK_A3 "," REST "}", "", ACME_PROBLEM_NONE},
    {"{\"alg\":\"ES256\"," KID "," REST "}", "", ACME_PROBLEM_NONE},
    {"{\"alg\":\"ES256\",\"typ\":\"JOSE\"," KID "," REST "}", "", ACME_PROBLEM_NONE},
    {"{\"alg\":\"none\"," KID "," REST "}", "", ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM},
    {"{\"alg\":\"HS256\"," KID "," REST "}", "", ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM},
    {"{\"alg\":\"ES512\"," KID "," REST "}", "", ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM},
    {"{\"alg\":\"es256\"," KID "," REST "}", "", ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM},
    {"{\"alg\":\"RS256\",\"jwk\":" JWK_A3 "," REST "}", "",
     ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM},
    {"{\"alg\":\"ES384\",\"jwk\":" JWK_A3 "," REST "}", "",
     ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM},
    {"{\"alg\":1," KID "," REST "}", "", ACME_PROBLEM_MALFORMED},
    {"{" KID "," REST "}", "", ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\",\"jwk\":" JWK_A3 "," KID "," REST "}", "",
     ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," REST "}", "", ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\",\"kid\":\"\"," REST "}", "", ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\",\"kid\":7," REST "}", "", ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}," REST "}", "",
     ACME_PROBLEM_BAD_PUBLIC_KEY},
    {"{\"alg\":\"ES256\",\"jwk\":\"x\"," REST "}", "", ACME_PROBLEM_BAD_PUBLIC_KEY},
    {"{\"alg\":\"ES256\",\"crit\":[\"exp\"]," KID "," REST "}", "",
     ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\",\"b64\":false," KID "," REST "}", "", ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\",\"alg\":\"none\"," KID "," REST "}", "", ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," KID ",\"url\":\"https://r.test/\"}", "",
     ACME_PROBLEM_BAD_NONCE},
    {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"a b\",\"url\":\"https://r.test/\"}", "",
     ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"\",\"url\":\"https://r.test/\"}", "",
     ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"a\"}", "", ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"a\",\"url\":\"\"}", "",
     ACME_PROBLEM_MALFORMED},
    {"[\"alg\"]", "", ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," KID "," REST "} x", "", ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," KID "," REST "}", ",\"header\":{\"alg\":\"none\"}",
     ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," KID "," REST "}", ",\"header\":null", ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," KID "," REST "}", ",\"signatures\":[]",
     ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," KID "," REST "}", ",\"payload\":\"e30\"",
     ACME_PROBLEM_MALFORMED},
    {"{\"alg\":\"ES256\"," KID "," REST "}", ",\"resource\":\"x\"",
     ACME_PROBLEM_MALFORMED},
};

static void test_refuses_bad_headers(void **state)
{

    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct buffer body = by_hand(headers[i].header, headers[i].extra);
        struct jws *jws = NULL;
        struct acme_problem problem = {0};
        int error = jws_parse(body.data, body.size, &jws, &problem);

        if ((error == 0) != (headers[i].type == ACME_PROBLEM_NONE) ||
            problem.type != headers[i].type)
            fail_msg("%s %s: %d %s", headers[i].header, headers[i].extra, error,
                     acme_problem_type_text(problem.type));
        if (error == 0) {
            if (jws_key(jws) != NULL)
                assert_int_equal(jws_verify(jws, jws_key(jws), &problem),
                                 ERROR_SIGNATURE);
            jws_free(jws);
        } else {
            assert_null(jws);
            assert_true(problem.detail[0] != '\0');
        }
        buffer_free(&body);
    }
}

static void test_refuses_bad_texts(void **state)
{
    static const char *const rows[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"protected\":\"e30=\",\"payload\":\"\",\"signature\":\"\"}",
        "{\"protected\":\"e3\",\"payload\":\"\",\"signature\":\"\"}",
        "{\"protected\":1,\"payload\":\"\",\"signature\":\"\"}",
        "{\"protected\":\"e30\",\"payload\":\"\"}",
        "{\"protected\":\"e30\",\"payload\":\"+/\",\"signature\":\"\"}",
        "{\"protected\":\"e30\",\"payload\":\"\",\"signature\":\"\"} {}",
        "{\"payload\":\"e30\",\"signatures\":[{\"protected\":\"e30\",\"signature\":\"\"}]"
        "}",
        "e30.e30.AA",
    };
    struct acme_problem problem;
    struct jws *jws = NULL;
    struct buffer large = buffer_init(4 * LIMIT_JWS_BYTES);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_not_equal(jws_parse(rows[i], strlen(rows[i]), &jws, &problem), 0);
        assert_int_equal(problem.type, ACME_PROBLEM_MALFORMED);
        assert_int_equal(problem.status, 400);
    }
    for (size_t i = 0; i < LIMIT_JWS_BYTES; i++)
        (void)buffer_append_text(&large, "[");
    assert_int_not_equal(jws_parse(large.data, 2000, &jws, &problem), 0);
    assert_int_equal(problem.type, ACME_PROBLEM_MALFORMED);
    assert_int_equal(buffer_append_text(&large, "[["), 0);
    assert_int_not_equal(jws_parse(large.data, large.size, &jws, &problem), 0);
    assert_int_equal(problem.type, ACME_PROBLEM_MALFORMED);
    buffer_free(&large);
}

/* One altered octet anywhere in the signed parts or the signature is noticed. */
static void test_altered_ones_do_not_verify(void **state)
{
    struct key *key = NULL;
    struct buffer body = buffer_init(LIMIT_JWS_BYTES);
    struct jws_signer signer;
    size_t refused = 0;

    (void)state;
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    signer = (struct jws_signer){.key = key};
    assert_int_equal(jws_make(&signer, "https://r.test/1", "bm8", "https://r.test/",
                              "{\"x\":1}", 7, &body),
                     0);
    for (size_t i = 0; i < body.size; i++) {
        struct jws *jws = NULL;
        struct acme_problem problem;
        uint8_t before = body.data[i];

        body.data[i] = before == 'A' ? 'B' : 'A';
        if (jws_parse(body.data, body.size, &jws, &problem) == 0) {
            assert_int_equal(jws_verify(jws, key, &problem), ERROR_SIGNATURE);
            jws_free(jws);
            refused++;
        }
        body.data[i] = before;
    }
    assert_true(refused > 50);
    buffer_free(&body);
    key_free(key);
}

static void test_payload_must_be_an_object_without_duplicates(void **state)
{
    static const char *const rows[] = {"",    "[]",     "7", "{\"a\":1,\"a\":2}",
                                       "{}x", "{\"a\":"};
    struct key *key = NULL;
    struct jws_signer signer;

    (void)state;
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    signer = (struct jws_signer){.key = key};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer body = buffer_init(LIMIT_JWS_BYTES);
        struct jws *jws = NULL;
        struct acme_problem problem;
        json_t *object = NULL;

        assert_int_equal(jws_make(&signer, NULL, "bm8", "https://r.test/", rows[i],
                                  strlen(rows[i]), &body),
                         0);
        assert_int_equal(jws_parse(body.data, body.size, &jws, &problem), 0);
        assert_int_not_equal(jws_payload_object(jws, &object, &problem), 0);
        assert_int_equal(problem.type, ACME_PROBLEM_MALFORMED);
        jws_free(jws);
        buffer_free(&body);
    }
    key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_ones_verify),
        cmocka_unit_test(test_signs_through_the_callback_alone),
        cmocka_unit_test(test_refuses_bad_headers),
        cmocka_unit_test(test_refuses_bad_texts),
        cmocka_unit_test(test_altered_ones_do_not_verify),
        cmocka_unit_test(test_payload_must_be_an_object_without_duplicates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
