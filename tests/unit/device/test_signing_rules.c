#include "device/signing_rules.h"

#include "base/core/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct key *key;
static struct key *other;
static char id[KEY_ID_SIZE + 1];

static int set_up(void **state)
{
    (void)state;
    return key_generate(KEY_P256, &key) != 0 || key_generate(KEY_P256, &other) != 0 ||
           key_id(key, id) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    key_free(key);
    key_free(other);
    return 0;
}

#define DIRECTORY "https://relay.lan.example.com:8443/acme/directory"
#define URL "https://relay.lan.example.com:8443/acme/new-order"
#define KID "https://relay.lan.example.com:8443/acme/acct/1"
#define PROTECTED                                                                        \
    "{\"alg\":\"ES256\",\"kid\":\"" KID "\",\"nonce\":\"n\",\"url\":\"" URL "\"}"

static void add_part(struct buffer *input, const char *text)
{
    char encoded[4096];
    text_base64url(text, strlen(text), encoded);
    buffer_append_text(input, encoded);
}

static int check(const char *protected_header, const char *payload, char *reason)
{
    json_t *publication = json_pack("{s:i,s:[s],s:s}", "counter", 7, "addresses",
                                    "192.168.1.51", "receipt", "AAAAAAAAAAAAAAAAAAAAAA");
    struct signing_rules rules = {.key = key,
                                  .id = id,
                                  .directory = DIRECTORY,
                                  .csr = "Q1NS",
                                  .publication = publication,
                                  .nonce = "BBBBBBBBBBBBBBBBBBBBBA"};
    struct buffer input = buffer_init(8192);
    add_part(&input, protected_header);
    buffer_append_text(&input, ".");
    add_part(&input, payload);
    assert_int_equal(input.error, 0);
    text_copy(reason, 128, "untouched");
    int error =
        signing_rules_check(&rules, (const char *)input.data, input.size, reason, 128);
    buffer_free(&input);
    json_decref(publication);
    return error;
}

static void allows(const char *protected_header, const char *payload)
{
    char reason[128];
    if (check(protected_header, payload, reason) != 0) {
        fail_msg("refused %s %s: %s", protected_header, payload, reason);
    }
}

static void refuses(const char *protected_header, const char *payload)
{
    char reason[128];
    if (check(protected_header, payload, reason) != ERROR_DENIED) {
        fail_msg("allowed %s %s", protected_header, payload);
    }
    assert_string_not_equal(reason, "untouched");
}

static void test_only_the_given_publication(void **state)
{
    (void)state;
    allows(PROTECTED, "{\"addresses\":[\"192.168.1.51\"],\"counter\":7}");
    refuses(PROTECTED, "{\"counter\":9007199254740992,\"addresses\":[\"192.168.1.51\"]}");
    refuses(PROTECTED, "{\"counter\":7,\"addresses\":[\"192.168.1.99\"]}");
    refuses(PROTECTED, "{\"counter\":7,\"addresses\":[]}");
    refuses(PROTECTED, "{\"counter\":7}");
    refuses(PROTECTED, "{\"addresses\":[\"192.168.1.51\"]}");
}

static void test_only_the_given_receipt(void **state)
{
    (void)state;
    allows(PROTECTED, "{\"addresses\":[\"192.168.1.51\"],\"counter\":7,"
                      "\"receipt\":\"AAAAAAAAAAAAAAAAAAAAAA\"}");
    refuses(PROTECTED,
            "{\"addresses\":[\"192.168.1.51\"],\"counter\":7,\"receipt\":\"\"}");
    refuses(PROTECTED, "{\"receipt\":\"AAAAAAAAAAAAAAAAAAAAAA\"}");
}

static void test_only_the_given_question(void **state)
{
    (void)state;
    allows(PROTECTED, "{\"nonce\":\"BBBBBBBBBBBBBBBBBBBBBA\"}");
    refuses(PROTECTED, "{\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAA\"}");
    refuses(PROTECTED, "{\"nonce\":7}");
}

static void test_a_probe_alone(void **state)
{
    (void)state;
    allows(PROTECTED, "{\"token\":\"abcdefghijklmnopqrstuvwx23\"}");
    refuses(PROTECTED, "{\"token\":\"abcdefghijklmnopqrstuvwx234\"}");
    refuses(PROTECTED, "{\"token\":\"\"}");
    refuses(PROTECTED, "{\"token\":\"A.b\"}");
    refuses(PROTECTED, "{\"token\":7}");
    refuses(PROTECTED, "{\"token\":\"abc\",\"contact\":[]}");
}

static void with_jwk(const struct key *of, char *ret_header, size_t capacity)
{
    json_t *jwk = NULL;
    assert_int_equal(key_to_jwk(of, &jwk), 0);
    char *text = json_dumps(jwk, JSON_COMPACT);
    snprintf(ret_header, capacity,
             "{\"alg\":\"ES256\",\"jwk\":%s,\"nonce\":\"n\",\"url\":\"" URL "\"}", text);
    free(text);
    json_decref(jwk);
}

static void test_what_tasks_send(void **state)
{
    (void)state;
    char header[1024];
    char order[512];
    with_jwk(key, header, sizeof(header));
    allows(header, "{\"termsOfServiceAgreed\":true,\"contact\":[]}");
    allows(header, "{\"onlyReturnExisting\":true}");
    allows(PROTECTED, "");
    snprintf(order, sizeof(order),
             "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"*.%s.lan.example.com\"}],"
             "\"profile\":\"tlsserver\",\"replaces\":\"a.b\"}",
             id);
    allows(PROTECTED, order);
    allows(PROTECTED, "{\"csr\":\"Q1NS\"}");
    allows(PROTECTED, "{\"counter\":7,\"addresses\":[\"192.168.1.51\"]}");
}

static void test_wrong_headers(void **state)
{
    (void)state;
    char header[1024];
    with_jwk(other, header, sizeof(header));
    refuses(header, "{}");
#define HEADER(alg, kid, url)                                                            \
    "{\"alg\":\"" alg "\",\"kid\":\"" kid "\",\"nonce\":\"n\",\"url\":\"" url "\"}"
    allows(HEADER("ES256", KID, URL), "");
    refuses(HEADER("none", KID, URL), "");
    refuses(HEADER("HS256", KID, URL), "");
    refuses(HEADER("RS256", KID, URL), "");
    refuses(HEADER("ES256", "https://evil.example/acct/1", URL), "");
    refuses(HEADER("ES256", KID, "https://evil.example/new-order"), "");
    refuses(HEADER("ES256", KID, "http://relay.lan.example.com:8443/acme/new-order"), "");
    refuses(HEADER("ES256", KID, "https://relay.lan.example.com:84430/acme/new-order"),
            "");
    refuses(HEADER("ES256", KID, "https://relay.lan.example.com/acme/new-order"), "");
    refuses(HEADER("ES256", KID, "https://relay.lan.example.com:8443.evil.example/"), "");
    refuses(HEADER("ES256", KID, "https://relay.lan.example.com:8443@evil.example/"), "");
    refuses("{\"alg\":\"ES256\",\"kid\":\"" KID "\",\"url\":\"" URL "\"}", "");
    refuses("{\"alg\":\"ES256\",\"nonce\":\"n\",\"url\":\"" URL "\"}", "");
    refuses("{\"alg\":\"ES256\",\"kid\":\"" KID "\",\"nonce\":\"n\",\"url\":\"" URL
            "\",\"crit\":[]}",
            "");
    refuses("{\"alg\":\"ES256\",\"alg\":\"ES256\",\"kid\":\"" KID
            "\",\"nonce\":\"n\",\"url\":\"" URL "\"}",
            "");
    refuses("[]", "");
    refuses("", "");
    refuses("{", "");
}

static void test_wrong_payloads(void **state)
{
    (void)state;
    char order[512];
    refuses(PROTECTED, "{\"status\":\"deactivated\"}");
    refuses(PROTECTED, "{\"certificate\":\"AAAA\"}");
    refuses(PROTECTED, "{\"protected\":\"\",\"payload\":\"\",\"signature\":\"\"}");
    refuses(PROTECTED, "{\"csr\":\"Rm9yZWlnbg\"}");
    refuses(PROTECTED, "{\"csr\":7}");
    refuses(PROTECTED, "[]");
    refuses(PROTECTED, "{\"identifiers\":[]}");
    refuses(PROTECTED, "{\"identifiers\":\"x\"}");
    refuses(PROTECTED,
            "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"*.lan.example.com\"}]}");
    snprintf(order, sizeof(order),
             "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"*.%s.z\"},"
             "{\"type\":\"dns\",\"value\":\"example.com\"}]}",
             id);
    refuses(PROTECTED, order);
    snprintf(order, sizeof(order),
             "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%sx.z\"}]}", id);
    refuses(PROTECTED, order);
}

static void test_no_csr_no_finalization(void **state)
{
    (void)state;
    char reason[128];
    struct buffer input = buffer_init(8192);
    struct signing_rules rules = {
        .key = key, .id = id, .directory = DIRECTORY, .csr = ""};
    add_part(&input, PROTECTED);
    buffer_append_text(&input, ".");
    add_part(&input, "{\"csr\":\"\"}");
    assert_int_equal(signing_rules_check(&rules, buffer_text(&input), input.size, reason,
                                         sizeof(reason)),
                     ERROR_DENIED);
    buffer_free(&input);
}

/* The end of the account is signed for the owner's reset alone, and nothing beside it. */
static void test_leaving(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        bool may_leave;
        int expected;
    } rows[] = {
        {"{\"status\":\"deactivated\"}", true, 0},
        {"{\"status\":\"deactivated\"}", false, ERROR_DENIED},
        {"{\"status\":\"valid\"}", true, ERROR_DENIED},
        {"{\"status\":1}", true, ERROR_DENIED},
        {"{\"status\":\"deactivated\",\"csr\":\"Q1NS\"}", true, ERROR_DENIED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char reason[128];
        struct buffer input = buffer_init(8192);
        struct signing_rules rules = {.key = key,
                                      .id = id,
                                      .directory = DIRECTORY,
                                      .csr = "",
                                      .may_leave = rows[i].may_leave};
        add_part(&input, PROTECTED);
        buffer_append_text(&input, ".");
        add_part(&input, rows[i].payload);
        assert_int_equal(signing_rules_check(&rules, buffer_text(&input), input.size,
                                             reason, sizeof(reason)),
                         rows[i].expected);
        buffer_free(&input);
    }
}

static void test_no_signing_input(void **state)
{
    (void)state;
    char reason[128];
    struct signing_rules rules = {
        .key = key, .id = id, .directory = DIRECTORY, .csr = ""};
    static const char *const inputs[] = {"",     ".",       "abc",  "!!!.!!!",
                                         "e30.", "e30.e30", "a.b.c"};
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        assert_int_equal(signing_rules_check(&rules, inputs[i], strlen(inputs[i]), reason,
                                             sizeof(reason)),
                         ERROR_DENIED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_given_publication),
        cmocka_unit_test(test_only_the_given_receipt),
        cmocka_unit_test(test_only_the_given_question),
        cmocka_unit_test(test_a_probe_alone),
        cmocka_unit_test(test_what_tasks_send),
        cmocka_unit_test(test_wrong_headers),
        cmocka_unit_test(test_wrong_payloads),
        cmocka_unit_test(test_no_csr_no_finalization),
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_no_signing_input),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
