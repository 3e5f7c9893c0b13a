#include "relay/store/issuer_store.h"
#include "base/core/buffer.h"
#include "relay/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ID "abcdefghijklmnopqrstuvwxyz234567"

enum { NOW_AT = 1000000000, DAY_S = 86400 };

struct fixture {
    char folder[64];
    struct database *database;
    int64_t rev;
};

static int open_store(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    memcpy(fixture->folder, "/tmp/latchkey-prune-XXXXXX",
           sizeof("/tmp/latchkey-prune-XXXXXX"));
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->database),
                     0);
    assert_int_equal(database_begin(fixture->database, &fixture->rev), 0);
    *state = fixture;
    return 0;
}

static int close_store(void **state)
{
    struct fixture *fixture = *state;

    database_close(fixture->database);
    free(fixture);
    return 0;
}

static void put_order(struct fixture *fixture, const char *number,
                      enum issuer_store_state order_state, int64_t expires_at)
{
    struct issuer_store_order order = {.number = number,
                                       .id = ID,
                                       .names = "*." ID "." ZONE,
                                       .profile = "",
                                       .replaces = "",
                                       .state = order_state,
                                       .created_at = expires_at - 3600,
                                       .expires_at = expires_at,
                                       .problem = "",
                                       .certificate = ""};

    assert_int_equal(
        issuer_store_put_order(fixture->database, ZONE, fixture->rev, &order), 0);
}

static int found_order(const struct issuer_store_order *order, void *arg)
{
    (void)order;
    (void)arg;
    return 0;
}

static bool has_order(struct fixture *fixture, const char *number)
{
    return issuer_store_order(fixture->database, ZONE, number, found_order, NULL) == 0;
}

/* Refusals, however many, hide no open order from the count. */
static void test_open_orders(void **state)
{
    struct fixture *fixture = *state;
    int64_t count = -1;

    put_order(fixture, "ready", ISSUER_STORE_READY, NOW_AT);
    put_order(fixture, "processing", ISSUER_STORE_PROCESSING, NOW_AT);
    put_order(fixture, "valid", ISSUER_STORE_VALID, NOW_AT + 1);
    for (int i = 0; i < 40; i++) {
        char number[] = {'r', (char)('a' + i / 10), (char)('0' + i % 10), '\0'};

        put_order(fixture, number, ISSUER_STORE_REFUSED, NOW_AT + 1 + i);
    }
    assert_int_equal(issuer_store_count_open_orders(fixture->database, ZONE, ID, &count),
                     0);
    assert_int_equal(count, 2);
}

static void test_orders_go_by_state_and_time(void **state)
{
    struct fixture *fixture = *state;

    put_order(fixture, "old refused", ISSUER_STORE_REFUSED, NOW_AT - 1);
    put_order(fixture, "new refused", ISSUER_STORE_REFUSED, NOW_AT);
    put_order(fixture, "old valid", ISSUER_STORE_VALID, NOW_AT - 1);
    put_order(fixture, "old processing", ISSUER_STORE_PROCESSING, NOW_AT - 1);
    assert_int_equal(
        issuer_store_forget_orders(fixture->database, ZONE, ISSUER_STORE_REFUSED, NOW_AT),
        0);
    assert_false(has_order(fixture, "old refused"));
    assert_true(has_order(fixture, "new refused"));
    assert_true(has_order(fixture, "old valid"));
    assert_true(has_order(fixture, "old processing"));
}

static void put_certificate(struct fixture *fixture, const char *cert_id,
                            int64_t not_after_at)
{
    struct issuer_store_certificate certificate = {
        .cert_id = cert_id,
        .id = ID,
        .number = cert_id,
        .lane = "device",
        .ca = "ca",
        .serial = "01",
        .names = "*." ID "." ZONE,
        .spki_hash = "",
        .csr_hash = "",
        .chain = "",
        .alternates = "[]",
        .not_before_at = not_after_at - 90 * DAY_S,
        .not_after_at = not_after_at,
    };

    assert_int_equal(
        issuer_store_put_certificate(fixture->database, ZONE, fixture->rev, &certificate),
        0);
}

static int take_cert_id(const struct issuer_store_certificate *certificate, void *arg)
{
    struct buffer *text = arg;

    return buffer_printf(text, "%s ", certificate->cert_id);
}

static void test_certificates(void **state)
{
    struct fixture *fixture = *state;
    struct buffer found = buffer_init(256);

    put_certificate(fixture, "ended-long-ago", NOW_AT - 31 * DAY_S);
    put_certificate(fixture, "ended", NOW_AT - DAY_S);
    put_certificate(fixture, "good", NOW_AT + DAY_S);
    assert_int_equal(issuer_store_end_checks(fixture->database, ZONE, NOW_AT), 0);
    assert_int_equal(issuer_store_certificates_to_check(fixture->database, ZONE,
                                                        NOW_AT - 10 * DAY_S, NOW_AT, 9,
                                                        take_cert_id, &found),
                     0);
    assert_string_equal(buffer_text(&found), "good ");
    buffer_reset(&found);
    assert_int_equal(
        issuer_store_forget_certificates(fixture->database, ZONE, NOW_AT - 30 * DAY_S),
        0);
    assert_int_equal(issuer_store_certificates_of(fixture->database, ZONE, ID, 9,
                                                  take_cert_id, &found),
                     0);
    assert_string_equal(buffer_text(&found), "good ended ");
    buffer_free(&found);
}

static int found_issuance(const struct issuer_store_issuance *issuance, void *arg)
{
    (void)issuance;
    (void)arg;
    return 0;
}

static void test_issuances(void **state)
{
    struct fixture *fixture = *state;
    struct issuer_store_issuance issuance = {.number = "open",
                                             .ca = "ca",
                                             .lane = "device",
                                             .generation = 1,
                                             .saved = "",
                                             .csr = ""};

    assert_int_equal(
        issuer_store_put_issuance(fixture->database, ZONE, fixture->rev, &issuance), 0);
    issuance.number = "done";
    issuance.done = true;
    assert_int_equal(
        issuer_store_put_issuance(fixture->database, ZONE, fixture->rev, &issuance), 0);
    assert_int_equal(issuer_store_forget_issuances(fixture->database, ZONE), 0);
    assert_int_equal(
        issuer_store_issuance(fixture->database, ZONE, "open", found_issuance, NULL), 0);
    assert_int_equal(
        issuer_store_issuance(fixture->database, ZONE, "done", found_issuance, NULL),
        ERROR_NOT_FOUND);
}

static int take_answered_at(const struct issuer_store_revocation *revocation, void *arg)
{
    *(int64_t *)arg = revocation->answered_at;
    return 0;
}

static void test_revocations(void **state)
{
    struct fixture *fixture = *state;
    struct issuer_store_revocation revocation = {
        .number = "old", .cert_id = "c", .problem = "", .answered_at = NOW_AT - 1};
    int64_t answered_at = 0;

    assert_int_equal(
        issuer_store_put_revocation(fixture->database, ZONE, fixture->rev, &revocation),
        0);
    revocation.number = "new";
    revocation.answered_at = NOW_AT;
    assert_int_equal(
        issuer_store_put_revocation(fixture->database, ZONE, fixture->rev, &revocation),
        0);
    assert_int_equal(issuer_store_forget_revocations(fixture->database, ZONE, NOW_AT), 0);
    assert_int_equal(issuer_store_revocation(fixture->database, ZONE, "new",
                                             take_answered_at, &answered_at),
                     0);
    assert_int_equal(answered_at, NOW_AT);
    assert_int_equal(issuer_store_revocation(fixture->database, ZONE, "old",
                                             take_answered_at, &answered_at),
                     ERROR_NOT_FOUND);
}

static void put_entry(struct fixture *fixture, const char *kind, const char *what,
                      int64_t at)
{
    struct issuer_store_entry entry = {.kind = kind, .what = what, .id = ID, .at = at};

    assert_int_equal(
        issuer_store_put_entry(fixture->database, ZONE, fixture->rev, &entry), 0);
}

static void test_count_by_prefix(void **state)
{
    struct fixture *fixture = *state;
    int64_t count = -1;

    put_entry(fixture, "token", "kid/a", NOW_AT);
    put_entry(fixture, "token", "kid/b", NOW_AT);
    put_entry(fixture, "token", "kid2/a", NOW_AT);
    put_entry(fixture, "order", "kid/c", NOW_AT);
    assert_int_equal(
        issuer_store_count_entries(fixture->database, ZONE, "token", "kid/", &count), 0);
    assert_int_equal(count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open_orders, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_orders_go_by_state_and_time, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(test_certificates, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_issuances, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_revocations, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_count_by_prefix, open_store, close_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
