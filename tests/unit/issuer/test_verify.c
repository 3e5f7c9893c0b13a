/* What a captured front could write into its database: each row of these tables is a
 * request whose signature is good, with one thing altered. The issuer must take the honest
 * one and refuse every other. */
#include "relay/issuer/verify.h"

#include "base/core/json.h"
#include "base/crypto/csr.h"
#include "relay/store/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define BASE "https://relay.lan.example.com"
#define NUMBER "00112233445566778899aabbccddeeff"
#define OTHER_NUMBER "ffeeddccbbaa99887766554433221100"

static const struct verify_context context = {ZONE, BASE};

struct fixture {
    struct key *account;
    struct key *stranger;
    struct key *tls;
    char id[KEY_ID_SIZE + 1];
    char stranger_id[KEY_ID_SIZE + 1];
    char *jwk;
    char *stranger_jwk;
};

static char *jwk_text(const struct key *key)
{
    json_t *jwk = NULL;
    struct buffer text = buffer_init(4096);
    assert_int_equal(key_to_jwk(key, &jwk), 0);
    assert_int_equal(json_dump(jwk, &text), 0);
    json_decref(jwk);
    return buffer_take(&text);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_int_equal(key_generate(KEY_P256, &fixture->account), 0);
    assert_int_equal(key_generate(KEY_P256, &fixture->stranger), 0);
    assert_int_equal(key_generate(KEY_P256, &fixture->tls), 0);
    assert_int_equal(key_id(fixture->account, fixture->id), 0);
    assert_int_equal(key_id(fixture->stranger, fixture->stranger_id), 0);
    fixture->jwk = jwk_text(fixture->account);
    fixture->stranger_jwk = jwk_text(fixture->stranger);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    key_free(fixture->account);
    key_free(fixture->stranger);
    key_free(fixture->tls);
    free(fixture->jwk);
    free(fixture->stranger_jwk);
    free(fixture);
    return 0;
}

/* A JWS by KEY as the account ID, for URL; free() it. */
static char *sign(struct key *key, const char *id, const char *url, const char *payload)
{
    char kid[LIMIT_URL_BYTES];
    struct buffer body = buffer_init(LIMIT_JWS_BYTES);
    struct jws_signer signer = {.key = key};
    assert_true(url_account(BASE, id, kid));
    assert_int_equal(
        jws_make(&signer, kid, "nonce", url, payload, strlen(payload), &body), 0);
    return buffer_take(&body);
}

static void order_payload(const char *names, char ret_payload[static 1024])
{
    size_t size = (size_t)snprintf(ret_payload, 1024, "{\"identifiers\":[");
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", names);
    char *rest = copy;
    for (char *name = strsep(&rest, " "); name != NULL; name = strsep(&rest, " ")) {
        size += (size_t)snprintf(ret_payload + size, 1024 - size,
                                 "%s{\"type\":\"dns\",\"value\":\"%s\"}",
                                 ret_payload[size - 1] == '[' ? "" : ",", name);
    }
    snprintf(ret_payload + size, 1024 - size, "]}");
}

static int verify_order_of(const struct fixture *fixture, const char *row_id,
                           const char *jwk, const char *jws, struct verify_order *order)
{
    struct acme_problem problem = {0};
    struct verify_row row = {.number = NUMBER, .id = row_id, .jws = jws, .jwk = jwk};
    (void)fixture;
    return verify_order(&context, &row, order, &problem);
}

static void test_an_honest_order(void **state)
{
    const struct fixture *fixture = *state;
    struct verify_order order = {0};
    char names[256];
    char payload[1024];
    snprintf(names, sizeof(names), "%s.%s *.%s.%s", fixture->id, ZONE, fixture->id, ZONE);
    order_payload(names, payload);
    char *jws = sign(fixture->account, fixture->id, BASE "/acme/new-order", payload);
    assert_int_equal(verify_order_of(fixture, fixture->id, fixture->jwk, jws, &order), 0);
    assert_string_equal(order.id, fixture->id);
    /* sorted: '*' stands before letters */
    snprintf(names, sizeof(names), "*.%s.%s %s.%s", fixture->id, ZONE, fixture->id, ZONE);
    assert_string_equal(order.names, names);
    free(jws);
}

/* One signature is one order: the same signed bytes in other JSON must count as the same. */
static void test_spacing_makes_no_second_order(void **state)
{
    const struct fixture *fixture = *state;
    struct verify_order order = {0};
    struct verify_order again = {0};
    char name[128];
    char payload[1024];
    snprintf(name, sizeof(name), "*.%s.%s", fixture->id, ZONE);
    order_payload(name, payload);
    char *jws = sign(fixture->account, fixture->id, BASE "/acme/new-order", payload);
    char spaced[4096];
    snprintf(spaced, sizeof(spaced), "{ \n%s", jws + 1);
    assert_int_equal(verify_order_of(fixture, fixture->id, fixture->jwk, jws, &order), 0);
    assert_int_equal(verify_order_of(fixture, fixture->id, fixture->jwk, spaced, &again),
                     0);
    assert_string_equal(order.hash, again.hash);
    free(jws);
}

static void test_altered_orders(void **state)
{
    const struct fixture *fixture = *state;
    struct verify_order order = {0};
    char name[128];
    char payload[1024];
    snprintf(name, sizeof(name), "*.%s.%s", fixture->id, ZONE);
    order_payload(name, payload);
    char *good = sign(fixture->account, fixture->id, BASE "/acme/new-order", payload);
    /* another id in the row, another key, both */
    assert_int_not_equal(
        verify_order_of(fixture, fixture->stranger_id, fixture->jwk, good, &order), 0);
    assert_int_not_equal(
        verify_order_of(fixture, fixture->id, fixture->stranger_jwk, good, &order), 0);
    assert_int_not_equal(verify_order_of(fixture, fixture->stranger_id,
                                         fixture->stranger_jwk, good, &order),
                         0);
    assert_int_not_equal(verify_order_of(fixture, fixture->id, "{}", good, &order), 0);
    assert_int_not_equal(
        verify_order_of(fixture, fixture->id, fixture->jwk, "{}", &order), 0);
    /* signed by somebody else in our name */
    char *forged = sign(fixture->stranger, fixture->id, BASE "/acme/new-order", payload);
    assert_int_not_equal(
        verify_order_of(fixture, fixture->id, fixture->jwk, forged, &order), 0);
    free(forged);
    /* every single character of the signed text */
    for (size_t i = 0; good[i] != '\0'; i++) {
        char kept = good[i];
        good[i] = kept == 'A' ? 'B' : 'A';
        assert_int_not_equal(
            verify_order_of(fixture, fixture->id, fixture->jwk, good, &order), 0);
        good[i] = kept;
    }
    assert_int_equal(verify_order_of(fixture, fixture->id, fixture->jwk, good, &order),
                     0);
    free(good);
}

static void test_foreign_names(void **state)
{
    const struct fixture *fixture = *state;
    /* %1$s: the device's id, %2$s: somebody else's */
    static const char *const names[] = {
        "*.%2$s." ZONE,
        "%2$s." ZONE,
        "*.%1$s." ZONE " *.%2$s." ZONE,
        "*." ZONE,
        ZONE,
        "home.%1$s." ZONE,
        "*.home.%1$s." ZONE,
        "192-168-1-51.%1$s." ZONE,
        "*.%1$s.example.com",
        "*.%1$s.lan.example.com.evil.example",
        "%1$s",
        "*.*.%1$s." ZONE,
        "*.%1$s." ZONE ".",
        "relay." ZONE,
        "*.%1$s." ZONE " *.%1$s." ZONE,
        "",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct verify_order order = {0};
        char text[400];
        char payload[1024];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), names[i], fixture->id, fixture->stranger_id);
#pragma GCC diagnostic pop
        order_payload(text, payload);
        char *jws = sign(fixture->account, fixture->id, BASE "/acme/new-order", payload);
        if (verify_order_of(fixture, fixture->id, fixture->jwk, jws, &order) == 0) {
            fail_msg("'%s' was taken", text);
        }
        free(jws);
    }
}

static void test_other_urls(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const urls[] = {BASE "/acme/new-account", BASE "/acme/new-order/",
                                       BASE "/acme/new-order?x",
                                       "https://evil.example/acme/new-order",
                                       "http://relay.lan.example.com/acme/new-order"};
    char name[128];
    char payload[1024];
    snprintf(name, sizeof(name), "*.%s.%s", fixture->id, ZONE);
    order_payload(name, payload);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct verify_order order = {0};
        char *jws = sign(fixture->account, fixture->id, urls[i], payload);
        assert_int_not_equal(
            verify_order_of(fixture, fixture->id, fixture->jwk, jws, &order), 0);
        free(jws);
    }
}

/* A finalize of NUMBER for NAME with a CSR of KEY; free() it. */
static char *sign_finalize(const struct fixture *fixture, struct key *signer,
                           const char *number, const struct key *key, const char *name)
{
    char url[LIMIT_URL_BYTES];
    char payload[4096];
    char text[2048];
    struct buffer der = buffer_init(LIMIT_CSR_BYTES);
    assert_int_equal(csr_make(key, &name, 1, &der), 0);
    text_base64url(der.data, der.size, text);
    snprintf(payload, sizeof(payload), "{\"csr\":\"%s\"}", text);
    buffer_free(&der);
    assert_true(url_finalize(BASE, fixture->id, number, url));
    return sign(signer, fixture->id, url, payload);
}

static int verify_finalize_of(const struct verify_row *row, const char *order_id,
                              const char *order_names)
{
    struct verify_csr csr = {0};
    struct acme_problem problem = {0};
    int result = verify_finalize(&context, row, order_id, order_names, &csr, &problem);
    verify_csr_free(&csr);
    return result;
}

static void test_finalize_is_for_one_order(void **state)
{
    const struct fixture *fixture = *state;
    char name[128];
    char other[128];
    snprintf(name, sizeof(name), "*.%s.%s", fixture->id, ZONE);
    snprintf(other, sizeof(other), "*.%s.%s", fixture->stranger_id, ZONE);
    char *jws = sign_finalize(fixture, fixture->account, NUMBER, fixture->tls, name);
    struct verify_row row = {
        .number = NUMBER, .id = fixture->id, .jws = jws, .jwk = fixture->jwk};
    assert_int_equal(verify_finalize_of(&row, fixture->id, name), 0);
    /* replayed under another number, id, key; against an order of another id or other names */
    row.number = OTHER_NUMBER;
    assert_int_not_equal(verify_finalize_of(&row, fixture->id, name), 0);
    row.number = NUMBER;
    row.id = fixture->stranger_id;
    assert_int_not_equal(verify_finalize_of(&row, fixture->id, name), 0);
    assert_int_not_equal(verify_finalize_of(&row, fixture->stranger_id, name), 0);
    row.id = fixture->id;
    row.jwk = fixture->stranger_jwk;
    assert_int_not_equal(verify_finalize_of(&row, fixture->id, name), 0);
    row.jwk = fixture->jwk;
    assert_int_not_equal(verify_finalize_of(&row, fixture->stranger_id, name), 0);
    assert_int_not_equal(verify_finalize_of(&row, fixture->id, other), 0);
    assert_int_not_equal(verify_finalize_of(&row, fixture->id, ""), 0);
    assert_int_equal(verify_finalize_of(&row, fixture->id, name), 0);
    free(jws);
}

static void test_finalize_with_a_wrong_csr(void **state)
{
    const struct fixture *fixture = *state;
    char name[128];
    char other[128];
    snprintf(name, sizeof(name), "*.%s.%s", fixture->id, ZONE);
    snprintf(other, sizeof(other), "*.%s.%s", fixture->stranger_id, ZONE);
    struct {
        struct key *signer;
        const struct key *key;
        const char *csr_name;
    } cases[] = {
        {fixture->account, fixture->tls, other}, /* a foreign name */
        {fixture->account, fixture->tls, ZONE},  /* the zone */
        {fixture->account, fixture->account,
         name},                                  /* the identity key as certificate key */
        {fixture->stranger, fixture->tls, name}, /* signed by somebody else */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *jws = sign_finalize(fixture, cases[i].signer, NUMBER, cases[i].key,
                                  cases[i].csr_name);
        struct verify_row row = {
            .number = NUMBER, .id = fixture->id, .jws = jws, .jwk = fixture->jwk};
        assert_int_not_equal(verify_finalize_of(&row, fixture->id, name), 0);
        free(jws);
    }
}

/* An order's JWS is no finalize, and the other way round. */
static void test_requests_do_not_stand_for_each_other(void **state)
{
    const struct fixture *fixture = *state;
    struct verify_order order = {0};
    char name[128];
    char payload[1024];
    snprintf(name, sizeof(name), "*.%s.%s", fixture->id, ZONE);
    order_payload(name, payload);
    char *jws = sign(fixture->account, fixture->id, BASE "/acme/new-order", payload);
    struct verify_row row = {
        .number = NUMBER, .id = fixture->id, .jws = jws, .jwk = fixture->jwk};
    assert_int_not_equal(verify_finalize_of(&row, fixture->id, name), 0);
    free(jws);
    jws = sign_finalize(fixture, fixture->account, NUMBER, fixture->tls, name);
    assert_int_not_equal(verify_order_of(fixture, fixture->id, fixture->jwk, jws, &order),
                         0);
    free(jws);
}

static void test_registration(void **state)
{
    const struct fixture *fixture = *state;
    static const char payload[] = "{\"termsOfServiceAgreed\":true}";
    struct acme_problem problem = {0};
    struct buffer body = buffer_init(LIMIT_JWS_BYTES);
    struct jws_signer signer = {.key = fixture->account};
    struct eab *eab = NULL;
    assert_int_equal(jws_make(&signer, NULL, "n", BASE "/acme/new-account", payload,
                              sizeof(payload) - 1, &body),
                     0);
    assert_int_equal(
        verify_registration(&context, buffer_text(&body), fixture->jwk, &eab, &problem),
        0);
    assert_null(eab); /* it holds no binding */
    assert_int_not_equal(verify_registration(&context, buffer_text(&body),
                                             fixture->stranger_jwk, &eab, &problem),
                         0);
    buffer_reset(&body);
    assert_int_equal(jws_make(&signer, NULL, "n", BASE "/acme/new-order", payload,
                              sizeof(payload) - 1, &body),
                     0);
    assert_int_not_equal(
        verify_registration(&context, buffer_text(&body), fixture->jwk, &eab, &problem),
        0);
    buffer_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_honest_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spacing_makes_no_second_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_altered_orders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_urls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finalize_is_for_one_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_finalize_with_a_wrong_csr, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_requests_do_not_stand_for_each_other, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_registration, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
