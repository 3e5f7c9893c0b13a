#include "base/core/json.h"
#include "base/crypto/key.h"

#include "tests/unit/vector.h"

#include <openssl/err.h>

static json_t *read_json(const char *suite, const char *name, const char *file)
{
    json_t *value = NULL;
    struct buffer text = vector_file(suite, name, file);
    assert_int_equal(json_parse(text.data, text.size, 10000, &value), 0);
    buffer_free(&text);
    return value;
}

static void check_good(const char *suite, const char *name)
{
    uint8_t der[KEY_SPKI_MAX];
    struct key *key = NULL;
    json_t *again = NULL;
    json_t *jwk = read_json(suite, name, "jwk.json");
    size_t size = vector_hex(suite, name, "spki.hex", der, sizeof(der));
    assert_int_equal(key_from_jwk(jwk, &key), 0);
    assert_int_equal(key_spki(key).size, size);
    assert_memory_equal(key_spki(key).data, der, size);
    /* Written again, each of its members is what was read. */
    assert_int_equal(key_to_jwk(key, &again), 0);
    const char *member = NULL;
    json_t *value = NULL;
    json_object_foreach(again, member, value)
    {
        assert_true(json_equal(value, json_object_get(jwk, member)));
    }
    assert_true(json_object_size(again) >= 3);
    assert_int_equal(ERR_peek_error(), 0);
    key_free(key);
    json_decref(jwk);
    json_decref(again);
}

static void good_keys(void **state)
{
    (void)state;
    vector_each("key", 6, check_good);
}

static void check_bad(const char *suite, const char *name)
{
    struct key *key = NULL;
    if (!vector_has(suite, name, "jwk.json")) {
        return;
    }
    json_t *jwk = read_json(suite, name, "jwk.json");
    struct buffer expect = vector_file(suite, name, "expect");
    assert_int_equal(key_from_jwk(jwk, &key), vector_error(buffer_text(&expect)));
    assert_null(key);
    assert_int_equal(ERR_peek_error(), 0);
    buffer_free(&expect);
    json_decref(jwk);
}

static void bad_keys(void **state)
{
    (void)state;
    vector_each("bad-key", 30, check_bad);
}

static void what_is_no_object_is_no_key(void **state)
{
    (void)state;
    struct key *key = NULL;
    json_t *array = json_array();
    assert_int_equal(key_from_jwk(array, &key), ERROR_SYNTAX);
    assert_int_equal(key_from_jwk(NULL, &key), ERROR_SYNTAX);
    assert_int_equal(key_from_private_jwk(array, &key), ERROR_SYNTAX);
    json_decref(array);
}

static void check_private(const char *suite, const char *name)
{
    struct key *key = NULL;
    struct key *public_half = NULL;
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    if (!vector_has(suite, name, "private.json")) {
        return;
    }
    json_t *jwk = read_json(suite, name, "private.json");
    assert_int_equal(key_from_jwk(jwk, &key), ERROR_DENIED);
    assert_int_equal(key_from_private_jwk(jwk, &key), 0);
    assert_true(key_is_private(key));
    json_t *public_jwk = read_json(suite, name, "jwk.json");
    assert_int_equal(key_from_jwk(public_jwk, &public_half), 0);
    assert_true(key_equal(key, public_half));
    assert_int_equal(key_sign(key, "text", 4, signature, &size), 0);
    assert_int_equal(key_verify(public_half, "text", 4, signature, size), 0);
    assert_int_equal(ERR_peek_error(), 0);
    json_decref(jwk);
    json_decref(public_jwk);
    key_free(key);
    key_free(public_half);
}

static void private_keys(void **state)
{
    (void)state;
    vector_each("jws", 5, check_private);
}

/* Changes a character near the end of a member. */
static void break_member(json_t *jwk, const char *member)
{
    struct buffer text = buffer_init(2000);
    assert_int_equal(buffer_append_text(&text, json_get_text(jwk, member)), 0);
    text.data[text.size - 5] = text.data[text.size - 5] == 'A' ? 'B' : 'A';
    assert_int_equal(json_set_text(jwk, member, buffer_text(&text)), 0);
    buffer_free(&text);
}

static void broken_pairs_are_refused(void **state)
{
    (void)state;
    /* OpenSSL checks a CRT result and computes it again with "d" when it is wrong, so an
     * RSA key works with one of the two ways broken. Without both it is no pair. */
    static const struct {
        const char *name;
        const char *members[2];
    } cases[] = {{"rs256", {"n", NULL}},
                 {"rs256", {"d", "p"}},
                 {"rs256", {"d", "qi"}},
                 {"rfc7515-a3-es256", {"d", NULL}},
                 {"rfc7515-a3-es256", {"x", NULL}},
                 {"es384", {"d", NULL}}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct key *key = NULL;
        json_t *jwk = read_json("jws", cases[i].name, "private.json");
        for (size_t j = 0; j < 2 && cases[i].members[j] != NULL; j++) {
            break_member(jwk, cases[i].members[j]);
        }
        print_message("%zu\n", i);
        assert_true(key_from_private_jwk(jwk, &key) < 0);
        assert_null(key);
        assert_int_equal(ERR_peek_error(), 0);
        json_decref(jwk);
    }
}

static void missing_private_members_are_refused(void **state)
{
    (void)state;
    static const char *const members[] = {"n", "e", "d", "p", "q", "dp", "dq", "qi"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        struct key *key = NULL;
        json_t *jwk = read_json("jws", "rs256", "private.json");
        json_object_del(jwk, members[i]);
        assert_int_equal(key_from_private_jwk(jwk, &key), ERROR_SYNTAX);
        json_decref(jwk);
    }
    struct key *key = NULL;
    json_t *jwk = read_json("jws", "rfc7515-a3-es256", "jwk.json");
    assert_int_equal(key_from_private_jwk(jwk, &key), ERROR_SYNTAX);
    json_decref(jwk);
}

static void the_thumbprint_member_order_is_kept(void **state)
{
    (void)state;
    json_t *jwk = read_json("key", "rfc7515-a3-p256", "jwk.json");
    struct buffer dump = buffer_init(1000);
    struct key *key = NULL;
    json_t *again = NULL;
    assert_int_equal(key_from_jwk(jwk, &key), 0);
    assert_int_equal(key_to_jwk(key, &again), 0);
    assert_int_equal(json_dump(again, &dump), 0);
    assert_string_equal(buffer_text(&dump),
                        "{\"crv\":\"P-256\",\"kty\":\"EC\","
                        "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
    json_decref(jwk);
    json_decref(again);
    key_free(key);
    buffer_free(&dump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_keys),
        cmocka_unit_test(bad_keys),
        cmocka_unit_test(what_is_no_object_is_no_key),
        cmocka_unit_test(private_keys),
        cmocka_unit_test(broken_pairs_are_refused),
        cmocka_unit_test(missing_private_members_are_refused),
        cmocka_unit_test(the_thumbprint_member_order_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
