/* One wrong or unlucky answer to an order at a time, up to the authorizations: what must
 * come of it, how long is waited, and that nothing is shown in DNS that should not be.
 * The numbers P1.. are those of the project's list of faults. */
#include "tests/unit/acme/order_row.h"

static const struct row rate_limits[] = {
    {{.path = "/new-order",
      .status = 429,
      .body = PROBLEM("rateLimited"),
      .headers = {"Retry-After", "7"}},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_ACCOUNT,
     7,
     true,
     false},
    {{.path = "/new-order",
      .status = 429,
      .body = PROBLEM("rateLimited"),
      .headers = {"Retry-After", "Fri, 15 Jan 2027 08:00:30 GMT"}},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_ACCOUNT,
     30,
     true,
     false},
    {{.path = "/new-order",
      .status = 429,
      .body = PROBLEM("rateLimited"),
      .headers = {"Retry-After", "-7"}},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_ACCOUNT,
     1,
     true,
     false},
    {{.path = "/new-order",
      .status = 429,
      .body = PROBLEM("rateLimited"),
      .headers = {"Retry-After", "99999999"}},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_ACCOUNT,
     86400,
     true,
     false},
    {{.path = "/new-order", .status = 429, .body = PROBLEM("rateLimited")},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_ACCOUNT,
     60,
     true,
     false},
    {{.path = "/new-order",
      .status = 429,
      .body = PROBLEM("rateLimited"),
      .headers = {"Retry-After", "in a while"}},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_ACCOUNT,
     60,
     true,
     false},
    {{.path = "/new-order",
      .status = 429,
      .body = "<html>",
      .headers = {"Retry-After", "9"}},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_ACCOUNT,
     9,
     true,
     false},
    {{.path = "/new-order",
      .status = 429,
      .body = "{\"type\":\"" URN "rateLimited\",\"detail\":\"too many certificates (5) "
              "already issued for this exact set of identifiers\"}",
      .headers = {"Retry-After", "3600"}},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_NAME,
     3600,
     true,
     false},
    {{.path = "/new-order",
      .status = 429,
      .body = "{\"type\":\"" URN "rateLimited\",\"detail\":\"paused, see "
              "https://ca.test/unpause/x\"}",
      .headers = {"Retry-After", "3600"}},
     ACME_ERROR_PAUSED,
     ACME_SCOPE_OPERATOR,
     0,
     true,
     false},
    {{.path = "/order/", .status = 429, .headers = {"Retry-After", "5"}},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_ACCOUNT,
     5,
     true,
     true},
    {{.path = "/finalize/", .status = 429, .headers = {"Retry-After", "5"}},
     ACME_ERROR_RATE_LIMIT,
     ACME_SCOPE_ACCOUNT,
     5,
     true,
     true},
};

/* P1 */
static void test_rate_limits(void **state)
{

    (void)state;
    CHECK(rate_limits);
}

static const struct row troubles[] = {
    {{.path = "/new-order",
      .status = 503,
      .body = "<html>",
      .headers = {"Retry-After", "300"}},
     ACME_ERROR_SERVER,
     ACME_SCOPE_CA,
     300,
     true,
     false},
    {{.path = "/new-order", .nth = 1, .status = 503}, ACME_ERROR_NONE, 0, 0, 0, 0},
    {{.path = "/new-order", .status = 500},
     ACME_ERROR_SERVER,
     ACME_SCOPE_CA,
     60,
     true,
     false},
    {{.path = "/new-order", .nth = 1, .status = 0}, ACME_ERROR_NONE, 0, 0, 0, 0},
    {{.path = "/new-order", .nth = 1, .status = 0, .is_late = true},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    {{.path = "/new-order", .status = 0}, ACME_ERROR_NET, ACME_SCOPE_CA, 60, true, false},
    {{.path = "/new-order", .status = 0, .error = ERROR_LIMIT},
     ACME_ERROR_NET,
     ACME_SCOPE_CA,
     60,
     true,
     false},
    {{.path = "/authz/", .nth = 1, .status = 0}, ACME_ERROR_NONE, 0, 0, 0, 0},
    {{.path = "/challenge/", .nth = 1, .status = 0}, ACME_ERROR_NONE, 0, 0, 0, 0},
    {{.path = "/challenge/", .nth = 1, .status = 0, .is_late = true},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    {{.path = "/challenge/", .nth = 2, .status = 500, .is_late = true},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    {{.path = "/challenge/", .status = 0}, ACME_ERROR_NET, ACME_SCOPE_CA, 60, true, true},
    {{.path = "/finalize/", .nth = 1, .status = 0}, ACME_ERROR_NONE, 0, 0, 0, 0},
    {{.path = "/finalize/", .nth = 1, .status = 0, .is_late = true},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    {{.path = "/finalize/", .nth = 1, .status = 500, .is_late = true},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    {{.path = "/finalize/", .status = 0}, ACME_ERROR_NET, ACME_SCOPE_CA, 60, true, true},
    {{.path = "/cert/", .nth = 1, .status = 502, .body = "<html>"},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    {{.path = "/order/", .status = 0}, ACME_ERROR_NET, ACME_SCOPE_CA, 60, true, true},
    {{.path = "/new-order", .status = 307, .headers = {"Location", MOCK_CA "/x"}},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600,
     false,
     false},
    {{.path = "/finalize/", .status = 301, .headers = {"Location", MOCK_CA "/x"}},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600,
     false,
     true},
    {{.path = "/new-order", .nth = 1, .status = 400, .body = PROBLEM("badNonce")},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
    {{.path = "/new-order", .status = 400, .body = PROBLEM("badNonce")},
     ACME_ERROR_SERVER,
     ACME_SCOPE_CA,
     60,
     true,
     false},
    {{.path = "/authz/",
      .nth = 1,
      .status = 400,
      .body = PROBLEM("badNonce"),
      .is_without_nonce = true},
     ACME_ERROR_NONE,
     0,
     0,
     0,
     0},
};

/* P2, P3, P7 */
static void test_servers_in_trouble(void **state)
{

    (void)state;
    CHECK(troubles);
}

#define BAD(text)                                                                        \
    {                                                                                    \
        {.path = "/new-order", .status = 201, .body = text, .headers = LOCATION},        \
            ACME_ERROR_PROTOCOL, ACME_SCOPE_CA, 600, false, false                        \
    }
static const struct row nonsense[] = {
    BAD(""),
    BAD("{\"status\":\"pend"),
    BAD("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
    BAD("\xff\xfe"),
    BAD("{\"status\":\"pending\",\"status\":\"ready\"," NAMES "," AUTHZS "," FINALIZE
        "}"),
    BAD("{\"status\":\"pending\\u0000\"," NAMES "," AUTHZS "," FINALIZE "}"),
    BAD(ORDER("odd")),
    BAD("{" NAMES "," AUTHZS "," FINALIZE "}"),
    BAD("{\"status\":\"pending\"," AUTHZS "," FINALIZE "}"),
    BAD("{\"status\":\"pending\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"dev."
        "test\"}"
        "]," AUTHZS "," FINALIZE "}"),
    BAD("{\"status\":\"pending\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"dev."
        "test\"}"
        ",{\"type\":\"dns\",\"value\":\"dev.test\"}]," AUTHZS "," FINALIZE "}"),
    BAD("{\"status\":\"pending\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"dev."
        "test\"}"
        ",{\"type\":\"ip\",\"value\":\"*.dev.test\"}]," AUTHZS "," FINALIZE "}"),
    BAD("{\"status\":\"pending\"," NAMES "," FINALIZE "}"),
    BAD("{\"status\":\"pending\"," NAMES ",\"authorizations\":[]," FINALIZE "}"),
    BAD("{\"status\":\"pending\"," NAMES
        ",\"authorizations\":[\"http://ca.test/authz/0/0\"]," FINALIZE "}"),
    BAD("{\"status\":\"pending\"," NAMES
        ",\"authorizations\":[\"https://evil.test/authz/0/0\"]," FINALIZE "}"),
    BAD("{\"status\":\"pending\"," NAMES ",\"authorizations\":[7]," FINALIZE "}"),
    BAD("{\"status\":\"pending\"," NAMES ",\"authorizations\":[\"" MOCK_CA
        "/a\",\"" MOCK_CA "/b\",\"" MOCK_CA "/c\"]," FINALIZE "}"),
    BAD("{\"status\":\"pending\"," NAMES "," AUTHZS "}"),
    BAD("{\"status\":\"ready\"," NAMES "," AUTHZS
        ",\"finalize\":\"https://evil.test/f\"}"),
    BAD("{\"status\":\"valid\"," NAMES "," AUTHZS "," FINALIZE "}"),
    BAD("{\"status\":\"valid\"," NAMES "," AUTHZS "," FINALIZE
        ",\"certificate\":\"https://evil.test/c\"}"),
    {{.path = "/new-order", .status = 201, .body = ORDER("pending")},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600,
     false,
     false},
    {{.path = "/new-order",
      .status = 201,
      .body = ORDER("pending"),
      .headers = {"Location", "https://evil.test/order/0"}},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600,
     false,
     false},
    {{.path = "/new-order",
      .status = 201,
      .body = ORDER("pending"),
      .headers = {"Location", "/order/0"}},
     ACME_ERROR_PROTOCOL,
     ACME_SCOPE_CA,
     600,
     false,
     false},
    /* Boulder's newest and Pebble's from 2.9: no Location on finalize. The mock gives none. */
};

/* P4, P6, P10 */
static void test_orders_that_make_no_sense(void **state)
{

    (void)state;
    CHECK(nonsense);
#undef BAD
}

#define BAD(text, error, error_scope, retry)                                             \
    {                                                                                    \
        {.path = "/authz/", .status = 200, .body = text}, error, error_scope, retry,     \
            false, false                                                                 \
    }
static const struct row authorizations[] = {
    BAD("<html>", ACME_ERROR_PROTOCOL, ACME_SCOPE_CA, 600),
    BAD("{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"bank."
        "test\"},"
        "\"challenges\":[" DNS01(",\"token\":\"t\"") "]}",
        ACME_ERROR_PROTOCOL, ACME_SCOPE_CA, 600),
    BAD(AUTHZ("odd", DNS01(",\"token\":\"t\"")), ACME_ERROR_PROTOCOL, ACME_SCOPE_CA, 600),
    BAD(AUTHZ("pending", ""), ACME_ERROR_REJECTED, ACME_SCOPE_NAME, 0),
    BAD(AUTHZ("pending", "{\"type\":\"http-01\",\"url\":\"" MOCK_CA
                         "/challenge/0/0\",\"token\":\"t\"},{\"type\":\"dns-persist-01\"}"
                         ",7,null,[]"),
        ACME_ERROR_REJECTED, ACME_SCOPE_NAME, 0),
    BAD(AUTHZ("pending", DNS01("")), ACME_ERROR_REJECTED, ACME_SCOPE_NAME, 0),
    BAD(AUTHZ("pending", DNS01(",\"token\":\"../../etc\"")), ACME_ERROR_REJECTED,
        ACME_SCOPE_NAME, 0),
    BAD(AUTHZ("pending", DNS01(",\"token\":\"\"")), ACME_ERROR_REJECTED, ACME_SCOPE_NAME,
        0),
    BAD(AUTHZ("pending", DNS01_AT(",\"token\":\"t\"", "https://evil.test/c")),
        ACME_ERROR_REJECTED, ACME_SCOPE_NAME, 0),
    BAD(AUTHZ("invalid", "{\"type\":\"dns-01\",\"error\":" PROBLEM("caa") "}"),
        ACME_ERROR_CAA, ACME_SCOPE_OPERATOR, 3600),
    BAD(AUTHZ("invalid", "{\"type\":\"dns-01\",\"error\":" PROBLEM("unauthorized") "}"),
        ACME_ERROR_DNS, ACME_SCOPE_NAME, 600),
    BAD(AUTHZ("deactivated", ""), ACME_ERROR_ORDER, ACME_SCOPE_NAME, 600),
    {{.path = "/authz/", .status = 403, .body = PROBLEM("userActionRequired")},
     ACME_ERROR_USER_ACTION,
     ACME_SCOPE_OPERATOR,
     0,
     true,
     false},
};

/* P10, P11, P12 */
static void test_authorizations(void **state)
{

    (void)state;
    CHECK(authorizations);
#undef BAD
}

static void test_a_token_of_ten_thousand_octets_is_refused(void **state)
{
    struct buffer body = buffer_init(1 << 16);
    struct row row = {{.path = "/authz/", .status = 200},
                      ACME_ERROR_REJECTED,
                      ACME_SCOPE_NAME,
                      0,
                      false,
                      false};

    (void)state;
    (void)buffer_append_text(&body,
                             "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\","
                             "\"value\":\"dev.test\"},\"challenges\":[{\"type\":"
                             "\"dns-01\",\"url\":\"" MOCK_CA "/challenge/0/0\","
                             "\"token\":\"");
    for (int i = 0; i < 10000; i++)
        (void)buffer_append_text(&body, "a");
    assert_int_equal(buffer_append_text(&body, "\"}]}"), 0);
    row.fault.body = buffer_text(&body);
    check_row(__func__, 0, &row);
    buffer_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_limits),
        cmocka_unit_test(test_servers_in_trouble),
        cmocka_unit_test(test_orders_that_make_no_sense),
        cmocka_unit_test(test_authorizations),
        cmocka_unit_test(test_a_token_of_ten_thousand_octets_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
