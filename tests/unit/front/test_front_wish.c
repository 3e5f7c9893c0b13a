/* What devices ask for, payload by payload: orders, contacts, CSRs, addresses,
 * revocations; and renewal windows. */
#include "base/core/json.h"
#include "base/core/text.h"
#include "base/crypto/csr.h"
#include "relay/front/account.h"
#include "relay/front/addresses.h"
#include "relay/front/finalize.h"
#include "relay/front/order.h"
#include "relay/front/probe.h"
#include "relay/front/renewal.h"
#include "relay/front/revocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER "baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ZONE "lan.test"
#define DNS(name) "{\"type\":\"dns\",\"value\":\"" name "\"}"

static json_t *payload_of(const char *text)
{
    json_t *payload = NULL;

    assert_int_equal(json_parse(text, strlen(text), LIMIT_JSON_BYTES, &payload), 0);
    return payload;
}

static void check_order(const char *text, const char *names, enum acme_problem_type type)
{
    json_t *payload = payload_of(text);
    struct order_wish wish = {.names = ""};
    struct acme_problem problem;
    bool good = order_read_wish(payload, ID, ZONE, &wish, &problem);

    if (names != NULL) {
        assert_true(good);
        assert_string_equal(wish.names, names);
    } else {
        assert_false(good);
        assert_int_equal(problem.type, type);
        assert_true(problem.detail[0] != '\0');
    }
    json_decref(payload);
}

static void test_order_names(void **state)
{
    (void)state;
    check_order("{\"identifiers\":[" DNS("*." ID "." ZONE) "]}", "*." ID "." ZONE, 0);
    check_order("{\"identifiers\":[" DNS(ID "." ZONE) "," DNS("*." ID "." ZONE) "]}",
                "*." ID "." ZONE " " ID "." ZONE, 0);
    check_order("{\"identifiers\":[" DNS(
                    "*." ID
                    "." ZONE) "],\"profile\":\"tlsserver\","
                              "\"replaces\":\"a.b\",\"notBefore\":\"\",\"unknown\":1}",
                "*." ID "." ZONE, 0);
    check_order("{\"identifiers\":[" DNS("*." OTHER "." ZONE) "]}", NULL,
                ACME_PROBLEM_REJECTED_IDENTIFIER);
    check_order("{\"identifiers\":[" DNS("192-168-1-2." ID "." ZONE) "]}", NULL,
                ACME_PROBLEM_REJECTED_IDENTIFIER);
    check_order("{\"identifiers\":[" DNS("*." ID "." ZONE) "," DNS("example.com") "]}",
                NULL, ACME_PROBLEM_REJECTED_IDENTIFIER);
    check_order("{\"identifiers\":[" DNS("*." ID "." ZONE ".") "]}", NULL,
                ACME_PROBLEM_REJECTED_IDENTIFIER);
    check_order("{\"identifiers\":[" DNS("*.*." ID "." ZONE) "]}", NULL,
                ACME_PROBLEM_REJECTED_IDENTIFIER);
    check_order("{\"identifiers\":[{\"type\":\"ip\",\"value\":\"192.168.1.2\"}]}", NULL,
                ACME_PROBLEM_UNSUPPORTED_IDENTIFIER);
    check_order("{\"identifiers\":[{\"type\":\"dns\"}]}", NULL, ACME_PROBLEM_MALFORMED);
    check_order("{\"identifiers\":[5]}", NULL, ACME_PROBLEM_MALFORMED);
    check_order("{\"identifiers\":[]}", NULL, ACME_PROBLEM_MALFORMED);
    check_order("{\"identifiers\":{}}", NULL, ACME_PROBLEM_MALFORMED);
    check_order("{}", NULL, ACME_PROBLEM_MALFORMED);
    check_order("{\"identifiers\":[" DNS(ID "." ZONE) "," DNS(ID "." ZONE) "]}", NULL,
                ACME_PROBLEM_MALFORMED);
    check_order("{\"identifiers\":[1,2,3,4,5]}", NULL, ACME_PROBLEM_MALFORMED);
}

static void test_order_wishes(void **state)
{
    (void)state;
    check_order(
        "{\"identifiers\":[" DNS(ID "." ZONE) "],\"notAfter\":\"2030-01-01T00:00:00Z\"}",
        NULL, ACME_PROBLEM_MALFORMED);
    check_order("{\"identifiers\":[" DNS(ID "." ZONE) "],\"notBefore\":5}", NULL,
                ACME_PROBLEM_MALFORMED);
    check_order("{\"identifiers\":[" DNS(ID "." ZONE) "],\"profile\":\"a b\"}", NULL,
                ACME_PROBLEM_INVALID_PROFILE);
    check_order("{\"identifiers\":[" DNS(ID "." ZONE) "],\"profile\":\"\"}", ID "." ZONE,
                0);
}

/* Every bad name is said at once, each in its own subproblem. */
static void test_order_subproblems(void **state)
{
    json_t *payload = payload_of("{\"identifiers\":[" DNS("a.example") "," DNS(
        "*." ID "." ZONE) "," DNS("*." OTHER "." ZONE) "]}");
    struct order_wish wish = {.names = ""};
    struct acme_problem problem;

    (void)state;
    assert_false(order_read_wish(payload, ID, ZONE, &wish, &problem));
    assert_int_equal(problem.subproblem_count, 2);
    assert_string_equal(problem.subproblems[0].identifier, "a.example");
    assert_string_equal(problem.subproblems[1].identifier, "*." OTHER "." ZONE);
    json_decref(payload);
}

static void check_contact(const char *text, const char *expected)
{
    json_t *payload = payload_of(text);
    struct acme_problem problem;
    char *contact = NULL;
    bool good = account_read_contact(payload, &contact, &problem);

    assert_int_equal(good, expected != NULL);
    if (good) {
        assert_string_equal(contact, expected);
    } else {
        assert_int_equal(problem.type, ACME_PROBLEM_INVALID_CONTACT);
    }
    free(contact);
    json_decref(payload);
}

static void test_contact(void **state)
{
    char text[512];

    (void)state;
    check_contact("{}", "[]");
    check_contact("{\"contact\":null}", "[]");
    check_contact("{\"contact\":[]}", "[]");
    check_contact("{\"contact\":[\"mailto:a@example.com\",\"x\"]}",
                  "[\"mailto:a@example.com\",\"x\"]");
    check_contact("{\"contact\":\"mailto:a@example.com\"}", NULL);
    check_contact("{\"contact\":[5]}", NULL);
    check_contact("{\"contact\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}", NULL);
    snprintf(text, sizeof(text), "{\"contact\":[\"%0321d\"]}", 0);
    check_contact(text, NULL);
}

static void check_csr(const char *names, const char *const *csr_names, size_t count,
                      enum acme_problem_type type)
{
    struct buffer der = buffer_init(LIMIT_CSR_BYTES);
    struct key *key = NULL;
    struct acme_problem problem;
    char id[KEY_ID_SIZE + 1];
    char key_id_text[KEY_ID_SIZE + 1];
    char text[LIMIT_CSR_BYTES];
    json_t *payload = NULL;

    assert_int_equal(key_generate(KEY_P256, &key), 0);
    assert_int_equal(key_id(key, key_id_text), 0);
    assert_int_equal(csr_make(key, csr_names, count, &der), 0);
    text_base64url(der.data, der.size, text);
    payload = json_pack("{s:s}", "csr", text);
    if (type == ACME_PROBLEM_NONE) {
        assert_true(finalize_read_csr(payload, names, id, &problem));
        assert_string_equal(id, key_id_text);
    } else {
        assert_false(finalize_read_csr(payload, names, id, &problem));
        assert_int_equal(problem.type, type);
    }
    json_decref(payload);
    key_free(key);
    buffer_free(&der);
}

static void check_raw_csr(const char *text, enum acme_problem_type type)
{
    json_t *payload = payload_of(text);
    struct acme_problem problem;
    char id[KEY_ID_SIZE + 1];

    assert_false(finalize_read_csr(payload, "a.test", id, &problem));
    assert_int_equal(problem.type, type);
    json_decref(payload);
}

static void test_csr(void **state)
{
    const char *both[] = {"b.test", "*.a.test"};
    const char *one[] = {"b.test"};
    const char *longer[] = {"b.test", "b.testa"};

    (void)state;
    check_csr("*.a.test b.test", both, 2, ACME_PROBLEM_NONE);
    check_csr("b.test", one, 1, ACME_PROBLEM_NONE);
    check_csr("b.test", both, 2, ACME_PROBLEM_BAD_CSR);
    check_csr("*.a.test b.test", one, 1, ACME_PROBLEM_BAD_CSR);
    check_csr("b.test", longer, 2, ACME_PROBLEM_BAD_CSR);
    check_csr("b.testa", one, 1, ACME_PROBLEM_BAD_CSR);
    check_csr("b.tes", one, 1, ACME_PROBLEM_BAD_CSR);
    check_raw_csr("{}", ACME_PROBLEM_MALFORMED);
    check_raw_csr("{\"csr\":5}", ACME_PROBLEM_MALFORMED);
    check_raw_csr("{\"csr\":\"\"}", ACME_PROBLEM_BAD_CSR);
    check_raw_csr("{\"csr\":\"AAAA\"}", ACME_PROBLEM_BAD_CSR);
    check_raw_csr("{\"csr\":\"AAA=\"}", ACME_PROBLEM_BAD_CSR);
}

static void check_addresses(const char *text, bool loopback, int64_t counter,
                            const char *expected)
{
    struct lanname_policy policy = {.loopback = loopback};
    json_t *payload = payload_of(text);
    struct addresses_wish wish = {.text = ""};
    struct acme_problem problem;
    bool good = addresses_read(payload, &policy, &wish, &problem);

    if (expected != NULL) {
        assert_true(good);
        assert_string_equal(wish.text, expected);
        assert_int_equal(wish.counter, counter);
    } else {
        assert_false(good);
        assert_int_equal(problem.type, ACME_PROBLEM_MALFORMED);
    }
    json_decref(payload);
}

static void test_addresses(void **state)
{
    (void)state;
    check_addresses("{\"counter\":7,\"addresses\":[]}", false, 7, "");
    check_addresses("{\"counter\":0,\"addresses\":[\"192.168.1.2\",\"FD12:0::1\"]}",
                    false, 0, "192.168.1.2 fd12::1");
    check_addresses("{\"counter\":9007199254740992,\"addresses\":[\"10.0.0.1\"]}", false,
                    INT64_C(1) << 53, "10.0.0.1");
    check_addresses("{\"counter\":1,\"addresses\":[\"127.0.0.1\"]}", true, 1,
                    "127.0.0.1");
    check_addresses("{\"counter\":1,\"addresses\":[\"127.0.0.1\"]}", false, 0, NULL);
    check_addresses("{\"counter\":1,\"addresses\":[\"8.8.8.8\"]}", true, 0, NULL);
    check_addresses("{\"counter\":1,\"addresses\":[\"169.254.169.254\"]}", true, 0, NULL);
    check_addresses("{\"counter\":1,\"addresses\":[\"fd00:ec2::254\"]}", true, 0, NULL);
    check_addresses("{\"counter\":1,\"addresses\":[\"10.0.0.1\",\"10.0.0.1\"]}", false, 0,
                    NULL);
    check_addresses("{\"counter\":1,\"addresses\":[\"10.0.0.1\",\"10.0.0.11\"]}", false,
                    1, "10.0.0.1 10.0.0.11");
    check_addresses("{\"counter\":1,\"addresses\":[\"10.0.0.1 10.0.0.2\"]}", false, 0,
                    NULL);
    check_addresses("{\"counter\":1,\"addresses\":[7]}", false, 0, NULL);
    check_addresses("{\"counter\":1,\"addresses\":\"10.0.0.1\"}", false, 0, NULL);
    check_addresses("{\"counter\":-1,\"addresses\":[]}", false, 0, NULL);
    check_addresses("{\"counter\":1.5,\"addresses\":[]}", false, 0, NULL);
    check_addresses("{\"counter\":9007199254740993,\"addresses\":[]}", false, 0, NULL);
    check_addresses("{\"counter\":1,\"addresses\":[],\"ttl\":5}", false, 0, NULL);
    check_addresses("{\"counter\":1}", false, 0, NULL);
    check_addresses(
        "{\"counter\":1,\"addresses\":[\"10.0.0.1\",\"10.0.0.2\",\"10.0.0.3\","
        "\"10.0.0.4\",\"10.0.0.5\",\"10.0.0.6\",\"10.0.0.7\",\"10.0.0.8\","
        "\"10.0.0.9\"]}",
        false, 0, NULL);
    /* Eight of the longest fit. */
    check_addresses("{\"counter\":1,\"addresses\":["
                    "\"fd11:1111:1111:1111:1111:1111:1111:1111\","
                    "\"fd11:1111:1111:1111:1111:1111:1111:1112\","
                    "\"fd11:1111:1111:1111:1111:1111:1111:1113\","
                    "\"fd11:1111:1111:1111:1111:1111:1111:1114\","
                    "\"fd11:1111:1111:1111:1111:1111:1111:1115\","
                    "\"fd11:1111:1111:1111:1111:1111:1111:1116\","
                    "\"fd11:1111:1111:1111:1111:1111:1111:1117\","
                    "\"fd11:1111:1111:1111:1111:1111:1111:1118\"]}",
                    false, 1,
                    "fd11:1111:1111:1111:1111:1111:1111:1111 "
                    "fd11:1111:1111:1111:1111:1111:1111:1112 "
                    "fd11:1111:1111:1111:1111:1111:1111:1113 "
                    "fd11:1111:1111:1111:1111:1111:1111:1114 "
                    "fd11:1111:1111:1111:1111:1111:1111:1115 "
                    "fd11:1111:1111:1111:1111:1111:1111:1116 "
                    "fd11:1111:1111:1111:1111:1111:1111:1117 "
                    "fd11:1111:1111:1111:1111:1111:1111:1118");
}

static void check_revocation(const char *text, enum acme_problem_type type)
{
    json_t *payload = payload_of(text);
    struct acme_problem problem;
    struct cert *cert = NULL;

    assert_false(revocation_read(payload, &cert, &problem));
    assert_int_equal(problem.type, type);
    assert_null(cert);
    json_decref(payload);
}

static void test_revocation(void **state)
{
    (void)state;
    check_revocation("{}", ACME_PROBLEM_MALFORMED);
    check_revocation("{\"certificate\":\"AAAA\"}", ACME_PROBLEM_MALFORMED);
    check_revocation("{\"certificate\":\"\"}", ACME_PROBLEM_MALFORMED);
    check_revocation("{\"certificate\":\"AAAA\",\"reason\":2}",
                     ACME_PROBLEM_BAD_REVOCATION_REASON);
    check_revocation("{\"certificate\":\"AAAA\",\"reason\":\"1\"}",
                     ACME_PROBLEM_BAD_REVOCATION_REASON);
    check_revocation("{\"certificate\":\"AAAA\",\"reason\":-1}",
                     ACME_PROBLEM_BAD_REVOCATION_REASON);
    check_revocation("{\"certificate\":\"AAAA\",\"reason\":6}",
                     ACME_PROBLEM_BAD_REVOCATION_REASON);
}

static void test_renewal_window(void **state)
{
    struct issuer_store_certificate row = {.not_before_at = 1000000,
                                           .not_after_at = 1000000 + 45 * 86400};
    int64_t start_at = 0;
    int64_t end_at = 0;

    (void)state;
    renewal_window(&row, 0, &start_at, &end_at);
    assert_true(start_at > row.not_before_at + 29 * 86400);
    assert_true(end_at < row.not_before_at + 31 * 86400 && end_at > start_at);
    assert_int_equal(renewal_retry_s(&row), 6 * 3600);
    row.ari_start_at = 5000;
    row.ari_end_at = 6000;
    renewal_window(&row, 0, &start_at, &end_at);
    assert_int_equal(start_at, 5000);
    assert_int_equal(end_at, 6000);
    row.revoked_at = 1;
    renewal_window(&row, 100000, &start_at, &end_at);
    assert_true(start_at < end_at && end_at < 100000);
    /* One that lives a minute, as in a test. */
    row = (struct issuer_store_certificate){.not_before_at = 1000, .not_after_at = 1060};
    renewal_window(&row, 0, &start_at, &end_at);
    assert_true(start_at >= 1029 && end_at > start_at && end_at <= 1032);
    assert_int_equal(renewal_retry_s(&row), 1);
}

static void test_seen(void **state)
{
    (void)state;
    assert_int_equal(probe_read_seen("seen=0"), 0);
    assert_int_equal(probe_read_seen("seen=17"), 17);
    assert_int_equal(probe_read_seen("seen="), -1);
    assert_int_equal(probe_read_seen("seen=-1"), -1);
    assert_int_equal(probe_read_seen("seen=1x"), -1);
    assert_int_equal(probe_read_seen(""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_names),
        cmocka_unit_test(test_order_wishes),
        cmocka_unit_test(test_order_subproblems),
        cmocka_unit_test(test_contact),
        cmocka_unit_test(test_csr),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_revocation),
        cmocka_unit_test(test_renewal_window),
        cmocka_unit_test(test_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
