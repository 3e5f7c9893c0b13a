/* What a captured front could write into front.db: the signed bytes with another row,
 * key, name, number or url around them, or other bytes. Each alteration must be refused,
 * and the honest row accepted. */
#include "relay/issuer/verify.h"

#include "base/core/json.h"
#include "relay/store/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define BASE "https://relay.lan.example.com"
#define NUMBER "00112233445566778899aabbccddeeff"
#define OTHER_NUMBER "ffeeddccbbaa99887766554433221100"

enum { NAME_CAPACITY = 128 };

static const struct verify_context context = {.zone = ZONE, .base_url = BASE};

struct device {
    struct key *key;
    char id[KEY_ID_SIZE + 1];
    char kid[LIMIT_URL_BYTES];
    char name[NAME_CAPACITY]; /* *.<id>.Z */
    struct buffer jwk;
};

struct fixture {
    struct device alice;
    struct device mallory;
    struct key *tls_key;
};

static void make_device(struct device *device)
{
    json_t *jwk = NULL;

    assert_int_equal(key_generate(KEY_P256, &device->key), 0);
    assert_int_equal(key_id(device->key, device->id), 0);
    assert_true(url_account(BASE, device->id, device->kid));
    assert_true(
        text_format(device->name, sizeof(device->name), "*.%s." ZONE, device->id));
    device->jwk = buffer_init(4096);
    assert_int_equal(key_to_jwk(device->key, &jwk), 0);
    assert_int_equal(json_dump(jwk, &device->jwk), 0);
    json_decref(jwk);
}

static void free_device(struct device *device)
{
    key_free(device->key);
    buffer_free(&device->jwk);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    make_device(&fixture->alice);
    make_device(&fixture->mallory);
    assert_int_equal(key_generate(KEY_P256, &fixture->tls_key), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    free_device(&fixture->alice);
    free_device(&fixture->mallory);
    key_free(fixture->tls_key);
    free(fixture);
    return 0;
}

/* A JWS by KEY; the caller frees the buffer. */
static struct buffer sign(struct key *key, const char *kid, const char *url,
                          const char *payload)
{
    struct jws_signer signer = {.key = key};
    struct buffer jws = buffer_init(LIMIT_JWS_BYTES);

    assert_int_equal(
        jws_make(&signer, kid, "bm9uY2U", url, payload, strlen(payload), &jws), 0);
    return jws;
}

static void url_of_order(char ret_url[static LIMIT_URL_BYTES])
{
    assert_true(url_new_order(BASE, ret_url));
}

/* ---- orders ---- */

static int try_order(const struct verify_row *row, struct verify_order *ret_order,
                     enum acme_problem_type *ret_type)
{
    struct acme_problem problem = {0};
    int error = verify_order(&context, row, ret_order, &problem);

    *ret_type = problem.type;
    if (error != 0) {
        assert_int_not_equal(problem.type, ACME_PROBLEM_NONE);
    }
    return error;
}

static int try_payload(const struct device *device, const char *payload,
                       struct verify_order *ret_order, enum acme_problem_type *ret_type)
{
    char url[LIMIT_URL_BYTES];
    struct buffer jws = {0};
    int error = 0;

    url_of_order(url);
    jws = sign(device->key, device->kid, url, payload);
    error = try_order(&(struct verify_row){NUMBER, device->id, buffer_text(&jws),
                                           buffer_text(&device->jwk)},
                      ret_order, ret_type);
    buffer_free(&jws);
    return error;
}

static void test_order_good(void **state)
{
    const struct fixture *fixture = *state;
    const struct device *alice = &fixture->alice;
    struct verify_order order = {0};
    enum acme_problem_type type = ACME_PROBLEM_NONE;
    char payload[1024];
    char names[VERIFY_NAMES_MAX];

    assert_true(text_format(payload, sizeof(payload),
                            "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"},"
                            "{\"type\":\"dns\",\"value\":\"%s." ZONE "\"}],"
                            "\"profile\":\"tlsserver\",\"replaces\":\"a.b\",\"new\":{}}",
                            alice->name, alice->id));
    assert_int_equal(try_payload(alice, payload, &order, &type), 0);
    assert_true(text_format(names, sizeof(names), "%s %s." ZONE, alice->name, alice->id));
    assert_string_equal(order.id, alice->id);
    assert_string_equal(order.names, names);
    assert_string_equal(order.profile, "tlsserver");
    assert_string_equal(order.replaces, "a.b");
}

/* Payloads that the device itself signed, and that ask for what it may not have. */
static void test_order_names(void **state)
{
    const struct fixture *fixture = *state;
    const struct device *alice = &fixture->alice;
    struct verify_order order = {0};
    enum acme_problem_type type = ACME_PROBLEM_NONE;
    char payload[2048];
    char upper[NAME_CAPACITY];
    const struct {
        const char *value; /* the one identifier */
        enum acme_problem_type type;
    } cases[] = {
        {fixture->mallory.name, ACME_PROBLEM_REJECTED_IDENTIFIER},
        {ZONE, ACME_PROBLEM_REJECTED_IDENTIFIER},
        {"*." ZONE, ACME_PROBLEM_REJECTED_IDENTIFIER},
        {"relay." ZONE, ACME_PROBLEM_REJECTED_IDENTIFIER},
        {"example.org", ACME_PROBLEM_REJECTED_IDENTIFIER},
        {"", ACME_PROBLEM_REJECTED_IDENTIFIER},
        {upper, ACME_PROBLEM_REJECTED_IDENTIFIER},
    };

    assert_true(text_format(upper, sizeof(upper), "%s", alice->name));
    upper[2] = (char)(upper[2] >= 'a' ? upper[2] - 32 : upper[2]);
    upper[sizeof("*.") - 1 + KEY_ID_SIZE + 1] = 'L';
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(text_format(payload, sizeof(payload),
                                "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}]}",
                                cases[i].value));
        assert_int_not_equal(try_payload(alice, payload, &order, &type), 0);
        assert_int_equal(type, cases[i].type);
        /* Beside its own name it is refused as well. */
        assert_true(text_format(payload, sizeof(payload),
                                "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"},"
                                "{\"type\":\"dns\",\"value\":\"%s\"}]}",
                                alice->name, cases[i].value));
        assert_int_not_equal(try_payload(alice, payload, &order, &type), 0);
    }
}

static void test_order_payloads(void **state)
{
    const struct fixture *fixture = *state;
    const char *name = fixture->alice.name;
    struct verify_order order = {0};
    enum acme_problem_type type = ACME_PROBLEM_NONE;
    char payload[2048];
    static const char *const formats[] = {
        "{}",
        "[]",
        "{\"identifiers\":[]}",
        "{\"identifiers\":{\"type\":\"dns\",\"value\":\"%s\"}}",
        "{\"identifiers\":[{\"type\":\"ip\",\"value\":\"%s\"}]}",
        "{\"identifiers\":[{\"value\":\"%s\"}]}",
        "{\"identifiers\":[{\"type\":\"dns\"}]}",
        "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%1$s\"},"
        "{\"type\":\"dns\",\"value\":\"%1$s\"}]}",
        "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}],\"identifiers\":[]}",
        "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}]",
    };

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct buffer text = buffer_init(sizeof(payload));
        const char *at = formats[i];

        /* "%s" and "%1$s" stand for the name. */
        while (*at != '\0') {
            if (strncmp(at, "%s", 2) == 0 || strncmp(at, "%1$s", 4) == 0) {
                buffer_append_text(&text, name);
                at += at[1] == 's' ? 2 : 4;
            } else {
                buffer_append(&text, at++, 1);
            }
        }
        assert_int_not_equal(
            try_payload(&fixture->alice, buffer_text(&text), &order, &type), 0);
        buffer_free(&text);
    }
}

/* The honest JWS in rows that say something else, and JWSes that were not meant for this. */
static void test_order_rows(void **state)
{
    const struct fixture *fixture = *state;
    const struct device *alice = &fixture->alice;
    const struct device *mallory = &fixture->mallory;
    const char *alice_jwk = buffer_text(&alice->jwk);
    const char *mallory_jwk = buffer_text(&mallory->jwk);
    struct verify_order order = {0};
    enum acme_problem_type type = ACME_PROBLEM_NONE;
    char url[LIMIT_URL_BYTES];
    char payload[512];
    struct buffer good = {0};
    struct buffer by_mallory = {0};
    struct buffer other_url = {0};
    struct buffer other_relay = {0};
    struct buffer with_jwk = {0};

    url_of_order(url);
    assert_true(text_format(payload, sizeof(payload),
                            "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}]}",
                            alice->name));
    good = sign(alice->key, alice->kid, url, payload);
    by_mallory = sign(mallory->key, alice->kid, url, payload);
    other_url = sign(alice->key, alice->kid, BASE "/acme/revoke-cert", payload);
    other_relay =
        sign(alice->key, alice->kid, "https://relay.example.org/acme/new-order", payload);
    with_jwk = sign(alice->key, NULL, url, payload);
    {
        const struct {
            struct verify_row row;
            bool good;
        } cases[] = {
            {{NUMBER, alice->id, buffer_text(&good), alice_jwk}, true},
            {{NUMBER, mallory->id, buffer_text(&good), alice_jwk}, false},
            {{NUMBER, "", buffer_text(&good), alice_jwk}, false},
            {{NUMBER, alice->id, buffer_text(&good), mallory_jwk}, false},
            {{NUMBER, mallory->id, buffer_text(&good), mallory_jwk}, false},
            {{NUMBER, alice->id, buffer_text(&good), "{}"}, false},
            {{NUMBER, alice->id, buffer_text(&good), ""}, false},
            {{NUMBER, alice->id, buffer_text(&by_mallory), alice_jwk}, false},
            {{NUMBER, alice->id, buffer_text(&by_mallory), mallory_jwk}, false},
            {{NUMBER, alice->id, buffer_text(&other_url), alice_jwk}, false},
            {{NUMBER, alice->id, buffer_text(&other_relay), alice_jwk}, false},
            {{NUMBER, alice->id, buffer_text(&with_jwk), alice_jwk}, false},
            {{NUMBER, alice->id, "", alice_jwk}, false},
            {{NUMBER, alice->id, "{\"protected\":1}", alice_jwk}, false},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            int error = try_order(&cases[i].row, &order, &type);

            if ((error == 0) != cases[i].good) {
                fail_msg("case %zu: %s", i, error_text(error));
            }
        }
    }
    buffer_free(&good);
    buffer_free(&by_mallory);
    buffer_free(&other_url);
    buffer_free(&other_relay);
    buffer_free(&with_jwk);
}

/* Every single character of the signed parts, changed. */
static void test_order_every_character(void **state)
{
    const struct fixture *fixture = *state;
    const struct device *alice = &fixture->alice;
    struct verify_order order = {0};
    enum acme_problem_type type = ACME_PROBLEM_NONE;
    char url[LIMIT_URL_BYTES];
    char payload[512];
    struct buffer good = {0};
    char *text = NULL;
    size_t size = 0;

    url_of_order(url);
    assert_true(text_format(payload, sizeof(payload),
                            "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}]}",
                            alice->name));
    good = sign(alice->key, alice->kid, url, payload);
    size = good.size;
    text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++) {
        memcpy(text, buffer_text(&good), size + 1);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        assert_int_not_equal(try_order(&(struct verify_row){NUMBER, alice->id, text,
                                                            buffer_text(&alice->jwk)},
                                       &order, &type),
                             0);
    }
    free(text);
    buffer_free(&good);
}

/* The hash is of what was signed: other JSON around it is the same order. */
static void test_order_hash(void **state)
{
    const struct fixture *fixture = *state;
    const struct device *alice = &fixture->alice;
    struct verify_order first = {0};
    struct verify_order again = {0};
    enum acme_problem_type type = ACME_PROBLEM_NONE;
    char url[LIMIT_URL_BYTES];
    char payload[512];
    struct buffer good = {0};
    struct buffer spaced = buffer_init(LIMIT_JWS_BYTES);

    url_of_order(url);
    assert_true(text_format(payload, sizeof(payload),
                            "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}]}",
                            alice->name));
    good = sign(alice->key, alice->kid, url, payload);
    assert_int_equal(buffer_printf(&spaced, " \n%s\t ", buffer_text(&good)), 0);
    assert_int_equal(try_order(&(struct verify_row){NUMBER, alice->id, buffer_text(&good),
                                                    buffer_text(&alice->jwk)},
                               &first, &type),
                     0);
    assert_int_equal(
        try_order(&(struct verify_row){OTHER_NUMBER, alice->id, buffer_text(&spaced),
                                       buffer_text(&alice->jwk)},
                  &again, &type),
        0);
    assert_string_equal(first.hash, again.hash);
    buffer_free(&good);
    buffer_free(&spaced);
}

/* ---- finalize ---- */

/* {"csr": ...} for NAMES by KEY. */
static struct buffer csr_payload(const struct key *key, const char *const *names,
                                 size_t count)
{
    struct buffer der = buffer_init(LIMIT_CSR_BYTES);
    struct buffer payload = buffer_init(LIMIT_CSR_BYTES * 2);
    char text[LIMIT_CSR_BYTES];

    assert_int_equal(csr_make(key, names, count, &der), 0);
    assert_true(TEXT_BASE64URL_SIZE(der.size) < sizeof(text));
    text_base64url(der.data, der.size, text);
    assert_int_equal(buffer_printf(&payload, "{\"csr\":\"%s\"}", text), 0);
    buffer_free(&der);
    return payload;
}

struct finalize_case {
    const char *signed_number; /* in the url that was signed */
    const char *row_number;
    const struct device *row_device;
    const struct device *signer;
    const struct device *order_device; /* whose order it is */
    const char *csr_name;
    const char *extra_name; /* NULL: none */
    const struct key *csr_key;
    bool good;
};

static void check_finalize(size_t index, const struct finalize_case *test)
{
    const char *names[] = {test->csr_name, test->extra_name};
    struct buffer payload =
        csr_payload(test->csr_key, names, test->extra_name == NULL ? 1 : 2);
    struct verify_csr csr = {0};
    struct acme_problem problem = {0};
    struct buffer jws = {0};
    char url[LIMIT_URL_BYTES];
    int error = 0;

    assert_true(url_finalize(BASE, test->signer->id, test->signed_number, url));
    jws = sign(test->signer->key, test->signer->kid, url, buffer_text(&payload));
    error = verify_finalize(
        &context,
        &(struct verify_row){test->row_number, test->row_device->id, buffer_text(&jws),
                             buffer_text(&test->row_device->jwk)},
        test->order_device->id, test->order_device->name, &csr, &problem);
    if ((error == 0) != test->good) {
        fail_msg("case %zu: %s: %s", index, error_text(error), problem.detail);
    }
    if (error == 0) {
        assert_true(key_equal(csr.key, test->csr_key));
        assert_int_equal(strlen(csr.csr_hash), 64);
        assert_int_equal(strlen(csr.spki_hash), 64);
    } else {
        assert_int_not_equal(problem.type, ACME_PROBLEM_NONE);
    }
    verify_csr_free(&csr);
    buffer_free(&jws);
    buffer_free(&payload);
}

static void test_finalize(void **state)
{
    const struct fixture *fixture = *state;
    const struct device *a = &fixture->alice;
    const struct device *m = &fixture->mallory;
    const struct key *tls = fixture->tls_key;
    const struct finalize_case cases[] = {
        {NUMBER, NUMBER, a, a, a, a->name, NULL, tls, true},
        /* replayed under another number; signed for another number */
        {NUMBER, OTHER_NUMBER, a, a, a, a->name, NULL, tls, false},
        {OTHER_NUMBER, NUMBER, a, a, a, a->name, NULL, tls, false},
        /* another device's signature, row or order */
        {NUMBER, NUMBER, a, m, a, a->name, NULL, tls, false},
        {NUMBER, NUMBER, m, m, a, a->name, NULL, tls, false},
        {NUMBER, NUMBER, m, a, a, a->name, NULL, tls, false},
        {NUMBER, NUMBER, a, a, m, a->name, NULL, tls, false},
        {NUMBER, NUMBER, m, m, m, a->name, NULL, tls, false},
        /* names that are not the order's */
        {NUMBER, NUMBER, a, a, a, m->name, NULL, tls, false},
        {NUMBER, NUMBER, a, a, a, a->name, m->name, tls, false},
        {NUMBER, NUMBER, a, a, a, "example.org", NULL, tls, false},
        {NUMBER, NUMBER, a, a, a, "*." ZONE, NULL, tls, false},
        /* the identity key as certificate key */
        {NUMBER, NUMBER, a, a, a, a->name, NULL, a->key, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_finalize(i, &cases[i]);
    }
}

static void test_finalize_payloads(void **state)
{
    const struct fixture *fixture = *state;
    const struct device *alice = &fixture->alice;
    static const char *const payloads[] = {"{}",
                                           "",
                                           "[]",
                                           "{\"csr\":1}",
                                           "{\"csr\":\"\"}",
                                           "{\"csr\":\"AAAA\"}",
                                           "{\"csr\":\"not+base64url/\"}"};
    char url[LIMIT_URL_BYTES];

    assert_true(url_finalize(BASE, alice->id, NUMBER, url));
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct buffer jws = sign(alice->key, alice->kid, url, payloads[i]);
        struct verify_csr csr = {0};
        struct acme_problem problem = {0};

        assert_int_not_equal(
            verify_finalize(&context,
                            &(struct verify_row){NUMBER, alice->id, buffer_text(&jws),
                                                 buffer_text(&alice->jwk)},
                            alice->id, alice->name, &csr, &problem),
            0);
        assert_int_not_equal(problem.type, ACME_PROBLEM_NONE);
        verify_csr_free(&csr);
        buffer_free(&jws);
    }
}

/* ---- registrations ---- */

static int try_registration(const char *jws, const struct device *device,
                            struct eab **ret_eab)
{
    struct acme_problem problem = {0};

    return verify_registration(&context, jws, buffer_text(&device->jwk), ret_eab,
                               &problem);
}

static void test_registration(void **state)
{
    const struct fixture *fixture = *state;
    const struct device *alice = &fixture->alice;
    static const uint8_t mac_key[] = "0123456789abcdef0123456789abcdef!";
    struct eab_credentials credentials = {
        .kid = "kid-1", .mac_key = {mac_key, sizeof(mac_key) - 1}, .hash = DIGEST_SHA256};
    struct acme_problem problem = {0};
    struct buffer plain = {0};
    struct buffer bound = {0};
    struct buffer payload = buffer_init(LIMIT_JWS_BYTES);
    struct eab *eab = NULL;
    json_t *object = json_object();
    json_t *binding = NULL;
    char url[LIMIT_URL_BYTES];

    assert_true(url_new_account(BASE, url));
    plain = sign(alice->key, NULL, url, "{\"termsOfServiceAgreed\":true}");
    assert_int_equal(try_registration(buffer_text(&plain), alice, &eab), 0);
    assert_null(eab);
    assert_int_not_equal(try_registration(buffer_text(&plain), &fixture->mallory, &eab),
                         0);

    assert_int_equal(eab_make(&credentials, alice->key, url, &binding), 0);
    assert_int_equal(json_set_take(object, "externalAccountBinding", binding), 0);
    assert_int_equal(json_dump(object, &payload), 0);
    bound = sign(alice->key, NULL, url, buffer_text(&payload));
    assert_int_equal(try_registration(buffer_text(&bound), alice, &eab), 0);
    assert_non_null(eab);
    assert_string_equal(eab_kid(eab), "kid-1");
    assert_int_equal(eab_verify(eab, mac_key, sizeof(mac_key) - 1, &problem), 0);
    assert_int_not_equal(eab_verify(eab, mac_key, sizeof(mac_key) - 2, &problem), 0);
    eab_free(eab);
    eab = NULL;
    /* Mallory can't carry Alice's binding into an account of her own. */
    buffer_free(&bound);
    bound = sign(fixture->mallory.key, NULL, url, buffer_text(&payload));
    assert_int_not_equal(try_registration(buffer_text(&bound), &fixture->mallory, &eab),
                         0);
    /* A registration for another URL. */
    buffer_free(&bound);
    bound = sign(alice->key, NULL, BASE "/acme/new-order", "{}");
    assert_int_not_equal(try_registration(buffer_text(&bound), alice, &eab), 0);
    json_decref(object);
    buffer_free(&plain);
    buffer_free(&bound);
    buffer_free(&payload);
}

/* ---- leaving ---- */

static void test_leave(void **state)
{
    const struct fixture *fixture = *state;
    const struct device *alice = &fixture->alice;
    const struct device *mallory = &fixture->mallory;
    const struct {
        const struct device *signer;
        const char *kid;
        const char *url;
        const char *payload;
        bool good;
    } cases[] = {
        {alice, alice->kid, alice->kid, "{\"status\":\"deactivated\"}", true},
        {alice, alice->kid, alice->kid, "{\"status\":\"valid\"}", false},
        {alice, alice->kid, alice->kid, "{\"contact\":[]}", false},
        {alice, alice->kid, alice->kid, "[]", false},
        {alice, alice->kid, BASE "/acme/new-order", "{\"status\":\"deactivated\"}",
         false},
        {mallory, alice->kid, alice->kid, "{\"status\":\"deactivated\"}", false},
        {mallory, mallory->kid, alice->kid, "{\"status\":\"deactivated\"}", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer jws =
            sign(cases[i].signer->key, cases[i].kid, cases[i].url, cases[i].payload);
        struct verify_row row = {NUMBER, alice->id, buffer_text(&jws),
                                 buffer_text(&alice->jwk)};
        struct acme_problem problem = {0};

        assert_int_equal(verify_leave(&context, &row, &problem) == 0, cases[i].good);
        assert_int_equal(problem.type == ACME_PROBLEM_NONE, cases[i].good);
        buffer_free(&jws);
    }
}

/* ---- revocations ---- */

static struct buffer revoke_payload(const struct cert *cert, const char *reason)
{
    struct bytes der = cert_leaf_der(cert);
    struct buffer payload = buffer_init(LIMIT_CSR_BYTES * 2);
    char text[LIMIT_CSR_BYTES];

    assert_true(TEXT_BASE64URL_SIZE(der.size) < sizeof(text));
    text_base64url(der.data, der.size, text);
    assert_int_equal(
        buffer_printf(&payload, "{\"certificate\":\"%s\"%s%s}", text,
                      reason == NULL ? "" : ",\"reason\":", reason == NULL ? "" : reason),
        0);
    return payload;
}

/* KID NULL: signed by the certificate's key or whatever KEY is. */
static int try_revocation(struct key *key, const char *kid, const char *url,
                          const struct buffer *payload, const char *row_id,
                          const char *row_jwk, struct verify_revocation *ret_revocation)
{
    struct acme_problem problem = {0};
    struct buffer jws = sign(key, kid, url, buffer_text(payload));
    int error = verify_revocation(
        &context, &(struct verify_row){NUMBER, row_id, buffer_text(&jws), row_jwk},
        ret_revocation, &problem);

    if (error != 0) {
        assert_int_not_equal(problem.type, ACME_PROBLEM_NONE);
    }
    buffer_free(&jws);
    return error;
}

static void test_revocation(void **state)
{
    const struct fixture *fixture = *state;
    const struct device *alice = &fixture->alice;
    const char *names[] = {alice->name};
    const char *jwk = buffer_text(&alice->jwk);
    struct cert *identity = NULL;
    struct cert *leaf = NULL;
    struct buffer payload = {0};
    struct verify_revocation revocation = {0};
    static const char *const bad_reasons[] = {"2",  "6",          "7",    "9",
                                              "-1", "4294967297", "\"1\""};
    char url[LIMIT_URL_BYTES];

    assert_true(url_revoke(BASE, url));
    assert_int_equal(cert_make_identity(alice->key, "test", names, 1, &identity), 0);
    assert_int_equal(cert_make_leaf(identity, alice->key, fixture->tls_key, names, 1,
                                    NULL, 0, 1000000000, 2000000000, &leaf),
                     0);
    payload = revoke_payload(leaf, "1");
    assert_int_equal(try_revocation(alice->key, alice->kid, url, &payload, alice->id, jwk,
                                    &revocation),
                     0);
    assert_string_equal(revocation.id, alice->id);
    assert_int_equal(revocation.reason, 1);
    verify_revocation_free(&revocation);
    /* By the certificate's own key, which stands in the JWS. */
    assert_int_equal(
        try_revocation(fixture->tls_key, NULL, url, &payload, "", jwk, &revocation), 0);
    assert_string_equal(revocation.id, "");
    verify_revocation_free(&revocation);
    /* A key's signature passed off as an account's; another key; another url. */
    assert_int_not_equal(try_revocation(fixture->tls_key, NULL, url, &payload, alice->id,
                                        jwk, &revocation),
                         0);
    verify_revocation_free(&revocation);
    assert_int_not_equal(
        try_revocation(fixture->mallory.key, NULL, url, &payload, "", jwk, &revocation),
        0);
    verify_revocation_free(&revocation);
    assert_int_not_equal(try_revocation(alice->key, alice->kid, BASE "/acme/new-order",
                                        &payload, alice->id, jwk, &revocation),
                         0);
    verify_revocation_free(&revocation);
    buffer_free(&payload);
    for (size_t i = 0; i < sizeof(bad_reasons) / sizeof(bad_reasons[0]); i++) {
        payload = revoke_payload(leaf, bad_reasons[i]);
        assert_int_not_equal(try_revocation(alice->key, alice->kid, url, &payload,
                                            alice->id, jwk, &revocation),
                             0);
        verify_revocation_free(&revocation);
        buffer_free(&payload);
    }
    cert_free(identity);
    cert_free(leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_payloads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_every_character, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_hash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finalize, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finalize_payloads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_registration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_leave, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_revocation, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
