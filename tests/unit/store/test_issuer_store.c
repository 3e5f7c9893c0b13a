/* The issuer's store: what readers follow, and who may write an issuance. */
#include "relay/store/issuer_store.h"

#include "relay/store/budget_store.h"

#include "relay/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ID "abcdefghijklmnopqrstuvwxyz234567"

enum { NOW_AT = 1000000000, TEXT_MAX = 512 };

struct fixture {
    char folder[64];
    struct database *database;
};

static int open_store(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    memcpy(fixture->folder, "/tmp/latchkey-issuer-XXXXXX",
           sizeof("/tmp/latchkey-issuer-XXXXXX"));
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->database),
                     0);
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

/* ---- orders ---- */

static struct issuer_store_order make_order(const char *number)
{
    return (struct issuer_store_order){.number = number,
                                       .id = ID,
                                       .names = "*." ID "." ZONE,
                                       .profile = "tlsserver",
                                       .replaces = "",
                                       .state = ISSUER_STORE_READY,
                                       .created_at = NOW_AT,
                                       .expires_at = NOW_AT + 3600,
                                       .problem = "",
                                       .certificate = ""};
}

static void put_order(struct fixture *fixture, const char *number)
{
    struct issuer_store_order order = make_order(number);
    int64_t rev = 0;

    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(issuer_store_put_order(fixture->database, ZONE, rev, &order), 0);
    assert_int_equal(database_commit(fixture->database), 0);
}

struct seen {
    size_t count;
    char last[TEXT_MAX];
    enum issuer_store_state state;
    int64_t rev;
    int stop; /* result of the callback */
};

static int see_order(const struct issuer_store_order *order, void *arg)
{
    struct seen *seen = arg;

    assert_true(order->rev > seen->rev || seen->count == 0);
    seen->count++;
    seen->rev = order->rev;
    seen->state = order->state;
    strncpy(seen->last, order->number, sizeof(seen->last) - 1);
    return seen->stop;
}

static void test_orders(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {0};
    int64_t rev = 0;

    put_order(fixture, "a");
    put_order(fixture, "b");
    put_order(fixture, "c");
    assert_int_equal(
        issuer_store_orders_since(fixture->database, ZONE, 0, see_order, &seen), 0);
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.last, "c");
    rev = seen.rev;
    seen = (struct seen){0};
    assert_int_equal(
        issuer_store_orders_since(fixture->database, ZONE, rev, see_order, &seen), 0);
    assert_int_equal(seen.count, 0);
    /* A change comes again under a newer revision; nothing of another zone. */
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(issuer_store_set_order_state(fixture->database, ZONE, rev, "a",
                                                  ISSUER_STORE_VALID, "", "cert"),
                     0);
    assert_int_equal(issuer_store_set_order_state(fixture->database, ZONE, rev, "none",
                                                  ISSUER_STORE_VALID, "", ""),
                     ERROR_NOT_FOUND);
    assert_int_equal(issuer_store_set_order_state(fixture->database, "other.zone", rev,
                                                  "a", ISSUER_STORE_INVALID, "", ""),
                     ERROR_NOT_FOUND);
    assert_int_equal(database_commit(fixture->database), 0);
    assert_int_equal(
        issuer_store_orders_since(fixture->database, ZONE, rev - 1, see_order, &seen), 0);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last, "a");
    assert_int_equal(seen.state, ISSUER_STORE_VALID);
    assert_int_equal(
        issuer_store_order(fixture->database, ZONE, "none", see_order, &seen),
        ERROR_NOT_FOUND);
    /* The callback's word ends the query. */
    seen = (struct seen){.stop = ERROR_LIMIT};
    assert_int_equal(
        issuer_store_orders_since(fixture->database, ZONE, 0, see_order, &seen),
        ERROR_LIMIT);
    assert_int_equal(seen.count, 1);
}

/* What is never finalized gives its reservation back and is remembered. */
static void test_expiry(void **state)
{
    struct fixture *fixture = *state;
    struct budget_store_bucket bucket = {.held = 3};
    struct budget_store_hold hold = {.number = "a",
                                     .ca = "ca",
                                     .bucket = "certificates",
                                     .units = 1,
                                     .held_at = NOW_AT};
    struct seen seen = {0};
    int64_t rev = 0;
    int64_t unused_at = -1;
    int expired = 0;

    put_order(fixture, "a");
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(budget_store_put_bucket(fixture->database, ZONE, rev, "ca",
                                             "certificates", &bucket),
                     0);
    assert_int_equal(budget_store_put_hold(fixture->database, ZONE, rev, &hold), 0);
    assert_int_equal(issuer_store_expire_orders(fixture->database, ZONE, rev,
                                                NOW_AT + 3599, "{}", &expired),
                     0);
    assert_int_equal(expired, 0);
    assert_int_equal(issuer_store_expire_orders(fixture->database, ZONE, rev,
                                                NOW_AT + 3600, "{}", &expired),
                     0);
    assert_int_equal(expired, 1);
    assert_int_equal(database_commit(fixture->database), 0);
    assert_int_equal(issuer_store_order(fixture->database, ZONE, "a", see_order, &seen),
                     0);
    assert_int_equal(seen.state, ISSUER_STORE_INVALID);
    assert_int_equal(
        budget_store_bucket(fixture->database, ZONE, "ca", "certificates", &bucket), 0);
    assert_int_equal(bucket.held, 2);
    assert_int_equal(
        issuer_store_entry_at(fixture->database, ZONE, "unused", "a", &unused_at), 0);
    assert_int_equal(unused_at, NOW_AT + 3600);
}

/* ---- issuances ---- */

static int see_issuance(const struct issuer_store_issuance *issuance, void *arg)
{
    struct seen *seen = arg;

    seen->count++;
    strncpy(seen->last, issuance->saved, sizeof(seen->last) - 1);
    return 0;
}

/* An issuer that was replaced can't write any more. */
static void test_generations(void **state)
{
    struct fixture *fixture = *state;
    struct issuer_store_issuance issuance = {.number = "a",
                                             .ca = "ca",
                                             .lane = "device",
                                             .generation = 1,
                                             .saved = "",
                                             .csr = "csr"};
    struct seen seen = {0};
    int64_t rev = 0;

    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(issuer_store_put_issuance(fixture->database, ZONE, rev, &issuance),
                     0);
    issuance.saved = "first";
    assert_int_equal(issuer_store_save_issuance(fixture->database, ZONE, rev, &issuance),
                     0);
    assert_int_equal(issuer_store_take_issuances(fixture->database, ZONE, rev, 2), 0);
    issuance.saved = "stale";
    assert_int_equal(issuer_store_save_issuance(fixture->database, ZONE, rev, &issuance),
                     ERROR_CONFLICT);
    issuance.generation = 2;
    issuance.saved = "second";
    assert_int_equal(issuer_store_save_issuance(fixture->database, ZONE, rev, &issuance),
                     0);
    assert_int_equal(
        issuer_store_open_issuances(fixture->database, ZONE, see_issuance, &seen), 0);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last, "second");
    issuance.done = true;
    assert_int_equal(issuer_store_save_issuance(fixture->database, ZONE, rev, &issuance),
                     0);
    seen = (struct seen){0};
    assert_int_equal(
        issuer_store_open_issuances(fixture->database, ZONE, see_issuance, &seen), 0);
    assert_int_equal(seen.count, 0);
    /* One that is done stays with who did it. */
    assert_int_equal(issuer_store_take_issuances(fixture->database, ZONE, rev, 3), 0);
    assert_int_equal(issuer_store_save_issuance(fixture->database, ZONE, rev, &issuance),
                     0);
    assert_int_equal(database_commit(fixture->database), 0);
}

/* ---- challenges ---- */

struct shown {
    char live[TEXT_MAX];
    char gone[TEXT_MAX];
};

static int see_challenge(const struct issuer_store_challenge *challenge, void *arg)
{
    struct shown *shown = arg;
    char *text = challenge->gone ? shown->gone : shown->live;

    strncat(text, challenge->value, TEXT_MAX - strlen(text) - 1);
    return 0;
}

static struct shown look(struct fixture *fixture, int64_t after_rev)
{
    struct shown shown = {0};

    assert_int_equal(issuer_store_challenges_since(fixture->database, ZONE, after_rev,
                                                   see_challenge, &shown),
                     0);
    return shown;
}

static void test_challenges(void **state)
{
    struct fixture *fixture = *state;
    struct issuer_store_challenge challenge = {
        .name = "_acme-challenge." ID "." ZONE, .value = "A", .expires_at = NOW_AT + 60};
    struct shown shown;
    int64_t rev = 0;
    int64_t last = 0;

    assert_int_equal(database_begin(fixture->database, &last), 0);
    assert_int_equal(
        issuer_store_put_challenge(fixture->database, ZONE, last, &challenge), 0);
    challenge.value = "B";
    assert_int_equal(
        issuer_store_put_challenge(fixture->database, ZONE, last, &challenge), 0);
    assert_int_equal(database_commit(fixture->database), 0);
    /* Only the very value goes, and its going is seen. */
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(
        issuer_store_end_challenge(fixture->database, ZONE, rev, challenge.name, "A"), 0);
    assert_int_equal(database_commit(fixture->database), 0);
    shown = look(fixture, last);
    assert_string_equal(shown.gone, "A");
    assert_string_equal(shown.live, "");
    shown = look(fixture, 0);
    assert_string_equal(shown.live, "B");
    /* What a crash left behind ends by itself; a tombstone is kept for a while. */
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(issuer_store_sweep_challenges(fixture->database, ZONE, rev,
                                                   NOW_AT + 61, NOW_AT + 1),
                     0);
    shown = look(fixture, 0);
    assert_string_equal(shown.live, "");
    assert_int_equal(strlen(shown.gone), 2);
    assert_int_equal(issuer_store_sweep_challenges(fixture->database, ZONE, rev,
                                                   NOW_AT + 61, NOW_AT + 61),
                     0);
    shown = look(fixture, 0);
    assert_string_equal(shown.gone, "");
    assert_int_equal(database_commit(fixture->database), 0);
}

/* ---- certificates ---- */

static void put_certificate(struct fixture *fixture, const char *cert_id,
                            const char *lane, int64_t not_after_at)
{
    struct issuer_store_certificate certificate = {.cert_id = cert_id,
                                                   .id = ID,
                                                   .number = cert_id,
                                                   .lane = lane,
                                                   .ca = "ca",
                                                   .serial = "01",
                                                   .names = "*." ID "." ZONE,
                                                   .spki_hash = "spki",
                                                   .csr_hash = "csr",
                                                   .chain = "chain",
                                                   .alternates = "[]",
                                                   .not_before_at = not_after_at - 1000,
                                                   .not_after_at = not_after_at};
    int64_t rev = 0;

    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(
        issuer_store_put_certificate(fixture->database, ZONE, rev, &certificate), 0);
    assert_int_equal(database_commit(fixture->database), 0);
}

static int see_certificate(const struct issuer_store_certificate *certificate, void *arg)
{
    struct seen *seen = arg;

    seen->count++;
    strncpy(seen->last, certificate->cert_id, sizeof(seen->last) - 1);
    return 0;
}

static void test_certificates(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {0};
    int64_t rev = 0;

    assert_int_equal(issuer_store_current_certificate(fixture->database, ZONE, ID,
                                                      see_certificate, &seen),
                     ERROR_NOT_FOUND);
    put_certificate(fixture, "first", "device", NOW_AT + 2000);
    put_certificate(fixture, "longest", "device", NOW_AT + 3000);
    put_certificate(fixture, "own", "relay", NOW_AT + 9000);
    assert_int_equal(issuer_store_current_certificate(fixture->database, ZONE, ID,
                                                      see_certificate, &seen),
                     0);
    assert_string_equal(seen.last, "longest");
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(
        issuer_store_set_revoked(fixture->database, ZONE, rev, "longest", NOW_AT, 1), 0);
    assert_int_equal(database_commit(fixture->database), 0);
    assert_int_equal(issuer_store_current_certificate(fixture->database, ZONE, ID,
                                                      see_certificate, &seen),
                     0);
    assert_string_equal(seen.last, "first");
    assert_int_equal(issuer_store_relay_certificate(fixture->database, ZONE, "spki",
                                                    see_certificate, &seen),
                     0);
    assert_string_equal(seen.last, "own");
    assert_int_equal(issuer_store_relay_certificate(fixture->database, ZONE, "another",
                                                    see_certificate, &seen),
                     ERROR_NOT_FOUND);
    /* Revoked ones are found by their CSR, so that they are not handed out again. */
    assert_int_equal(issuer_store_certificate_of_csr(fixture->database, ZONE, ID, "csr",
                                                     see_certificate, &seen),
                     0);
    assert_string_equal(seen.last, "longest");
}

/* Front may be upgraded before the issuer: nothing is announced then, and no time is told. */
static void test_older_file(void **state)
{
    struct fixture *fixture = *state;
    const char *const older[] = {schema_issuer[0], NULL};
    struct database *reader = NULL;
    struct buffer content = buffer_init(64);
    int64_t rev = 0;

    assert_int_equal(
        database_open(fixture->folder, "older.db", DATABASE_WRITER, older, &reader), 0);
    database_close(reader);
    assert_int_equal(database_open(fixture->folder, "older.db", DATABASE_READER,
                                   schema_issuer, &reader),
                     0);
    assert_int_equal(issuer_store_announcement(reader, ZONE, "key", &content),
                     ERROR_NOT_FOUND);
    assert_int_equal(issuer_store_time(reader, ZONE, "1", &content), ERROR_NOT_FOUND);
    database_close(reader);
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    assert_int_equal(
        issuer_store_put_announcement(fixture->database, ZONE, rev, "key", "{}", NOW_AT),
        0);
    assert_int_equal(
        issuer_store_put_time(fixture->database, ZONE, rev, "1", "now", NOW_AT), 0);
    assert_int_equal(database_commit(fixture->database), 0);
    assert_int_equal(issuer_store_announcement(fixture->database, ZONE, "key", &content),
                     0);
    assert_int_equal(issuer_store_time(fixture->database, ZONE, "1", &content), 0);
    assert_string_equal(buffer_text(&content), "{}now");
    buffer_free(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_orders, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_expiry, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_generations, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_challenges, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_certificates, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_older_file, open_store, close_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
