/* The CA's limits with a clock of our own. */
#include "relay/issuer/budget.h"

#include "base/core/text.h"
#include "relay/issuer/window.h"
#include "relay/store/issuer_store.h"
#include "relay/store/schema.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define CA "https://ca.example/dir"

enum { START_AT = 1000000000, HOUR_S = 3600, DAY_S = 86400, TEXT_MAX = 64 };

struct fixture {
    char folder[64];
    struct database *database;
    int64_t rev;
    struct budget_rules rules;
    unsigned next_number;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    memcpy(fixture->folder, "/tmp/latchkey-budget-XXXXXX",
           sizeof("/tmp/latchkey-budget-XXXXXX"));
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->database),
                     0);
    assert_int_equal(database_begin(fixture->database, &fixture->rev), 0);
    fixture->rules = (struct budget_rules){
        .on = true, .certificates_week = 3, .orders_3h = 100, .exact_set_week = 5};
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    database_close(fixture->database);
    free(fixture);
    return 0;
}

struct asked {
    struct budget_decision decision;
    char number[TEXT_MAX];
};

/* Decides and books for device DEVICE at AT. */
static struct asked ask(struct fixture *fixture, unsigned device, int64_t at,
                        bool renewal, bool exempt)
{
    struct asked asked = {0};
    char id[TEXT_MAX];
    char names[TEXT_MAX];
    struct budget_order order = {.ca = CA,
                                 .number = asked.number,
                                 .id = id,
                                 .names = names,
                                 .renewal = renewal,
                                 .exempt = exempt};

    assert_true(text_format(asked.number, sizeof(asked.number), "number-%u",
                            fixture->next_number++));
    assert_true(text_format(id, sizeof(id), "device-%u", device));
    assert_true(text_format(names, sizeof(names), "*.device-%u." ZONE, device));
    assert_int_equal(budget_decide(fixture->database, ZONE, &fixture->rules, &order, at,
                                   &asked.decision),
                     0);
    assert_int_equal(budget_book(fixture->database, ZONE, fixture->rev, &fixture->rules,
                                 &order, &asked.decision, at),
                     0);
    return asked;
}

/* The same, and the certificate is issued at once. */
static struct asked issue(struct fixture *fixture, unsigned device, int64_t at,
                          bool renewal, bool exempt)
{
    struct asked asked = ask(fixture, device, at, renewal, exempt);

    if (asked.decision.admitted) {
        assert_int_equal(
            budget_place(fixture->database, ZONE, fixture->rev, asked.number, at), 0);
        assert_int_equal(
            budget_settle(fixture->database, ZONE, fixture->rev, asked.number, at), 0);
    }
    return asked;
}

static void test_week(void **state)
{
    struct fixture *fixture = *state;
    struct asked asked;

    for (unsigned i = 0; i < 3; i++) {
        assert_true(
            issue(fixture, i, START_AT + i * HOUR_S, false, false).decision.admitted);
    }
    asked = issue(fixture, 3, START_AT + 5 * HOUR_S, false, false);
    assert_false(asked.decision.admitted);
    assert_int_equal(asked.decision.place, 1);
    /* When the first of the three leaves the window, not before. */
    assert_in_range(asked.decision.retry_at, START_AT + BUDGET_WEEK_S,
                    START_AT + BUDGET_WEEK_S + 5);
    /* The same device asks again: its place and its time stay. */
    assert_int_equal(ask(fixture, 3, START_AT + DAY_S, false, false).decision.retry_at,
                     asked.decision.retry_at);
    /* Promised is promised. */
    assert_true(
        issue(fixture, 3, asked.decision.retry_at, false, false).decision.admitted);
    assert_false(
        issue(fixture, 4, asked.decision.retry_at, false, false).decision.admitted);
}

/* A newcomer does not get the slot of one that waits. */
static void test_queue(void **state)
{
    struct fixture *fixture = *state;
    struct budget_decision first;
    struct budget_decision second;
    struct budget_decision newcomer;

    for (unsigned i = 0; i < 3; i++) {
        (void)issue(fixture, i, START_AT + i * HOUR_S, false, false);
    }
    first = ask(fixture, 10, START_AT + 4 * HOUR_S, false, false).decision;
    second = ask(fixture, 11, START_AT + 5 * HOUR_S, false, false).decision;
    assert_int_equal(first.place, 1);
    assert_int_equal(second.place, 2);
    assert_in_range(second.retry_at, START_AT + HOUR_S + BUDGET_WEEK_S,
                    START_AT + HOUR_S + BUDGET_WEEK_S + 5);
    /* One slot is free, and it is the first's. */
    newcomer = ask(fixture, 12, first.retry_at, false, false).decision;
    assert_false(newcomer.admitted);
    assert_int_equal(newcomer.place, 3);
    assert_false(ask(fixture, 11, first.retry_at, false, false).decision.admitted);
    assert_true(issue(fixture, 10, first.retry_at, false, false).decision.admitted);
    assert_true(issue(fixture, 11, second.retry_at, false, false).decision.admitted);
}

/* Who does not come back loses its place after a day. */
static void test_lost_place(void **state)
{
    struct fixture *fixture = *state;
    struct budget_decision gone;
    int64_t later_at = 0;

    for (unsigned i = 0; i < 3; i++) {
        (void)issue(fixture, i, START_AT, false, false);
    }
    gone = ask(fixture, 10, START_AT + HOUR_S, false, false).decision;
    later_at = gone.retry_at + BUDGET_PROMISE_S + 1;
    for (unsigned i = 20; i < 23; i++) {
        assert_true(issue(fixture, i, later_at, false, false).decision.admitted);
    }
    assert_false(issue(fixture, 10, later_at, false, false).decision.admitted);
}

/* Orders in flight reserve; one that is not finalized gives back, one that failed too. */
static void test_reservations(void **state)
{
    struct fixture *fixture = *state;
    struct asked held[3];
    struct budget_decision refused;

    for (unsigned i = 0; i < 3; i++) {
        held[i] = ask(fixture, i, START_AT, false, false);
        assert_true(held[i].decision.admitted);
    }
    refused = ask(fixture, 3, START_AT + 1, false, false).decision;
    assert_false(refused.admitted);
    /* Not a week: an unused reservation ends sooner. */
    assert_in_range(refused.retry_at, START_AT + 1, START_AT + BUDGET_RESERVED_S + 5);
    assert_int_equal(budget_fail(fixture->database, ZONE, held[0].number), 0);
    assert_true(issue(fixture, 3, START_AT + 2, false, false).decision.admitted);
}

static void test_renewal(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 3; i++) {
        (void)issue(fixture, i, START_AT, false, false);
    }
    /* A renewal counts in its own set only: five a week, the first issue among them. */
    for (unsigned i = 0; i < 4; i++) {
        assert_true(issue(fixture, 0, START_AT + DAY_S, true, false).decision.admitted);
    }
    assert_false(issue(fixture, 0, START_AT + DAY_S, true, false).decision.admitted);
    /* Within the CA's window nothing is asked. */
    assert_true(issue(fixture, 0, START_AT + DAY_S, true, true).decision.admitted);
}

static void test_orders(void **state)
{
    struct fixture *fixture = *state;
    struct budget_decision refused;

    fixture->rules.certificates_week = 1000;
    fixture->rules.orders_3h = 4;
    for (unsigned i = 0; i < 4; i++) {
        assert_true(issue(fixture, i, START_AT + i, false, false).decision.admitted);
    }
    refused = issue(fixture, 9, START_AT + 10, false, false).decision;
    assert_false(refused.admitted);
    assert_in_range(refused.retry_at, START_AT + BUDGET_ORDERS_S,
                    START_AT + BUDGET_ORDERS_S + 5);
}

static void test_off(void **state)
{
    struct fixture *fixture = *state;

    fixture->rules.on = false;
    for (unsigned i = 0; i < 50; i++) {
        assert_true(issue(fixture, 1, START_AT, false, false).decision.admitted);
    }
}

/* However the devices come, no window of seven days ever holds more than the limit. */
static void test_never_exceeded(void **state)
{
    struct fixture *fixture = *state;
    int64_t issued_at[400];
    size_t count = 0;
    uint32_t seed = 12345;

    for (int64_t at = START_AT; at < START_AT + 30 * DAY_S; at += 1800) {
        seed = seed * 1664525U + 1013904223U;
        if (issue(fixture, 100 + (seed >> 20) % 40, at, false, false).decision.admitted) {
            assert_true(count < 400);
            issued_at[count++] = at;
        }
    }
    assert_true(count >= 12); /* nor is anything wasted: 3 a week for 4 weeks */
    for (size_t i = 3; i < count; i++) {
        assert_true(issued_at[i] - issued_at[i - 3] >= BUDGET_WEEK_S);
    }
}

/* ---- renewal windows ---- */

static void test_window(void **state)
{
    static const int64_t lives_s[] = {60, 160 * HOUR_S, 45 * (int64_t)DAY_S,
                                      90 * (int64_t)DAY_S};

    (void)state;
    for (size_t i = 0; i < sizeof(lives_s) / sizeof(lives_s[0]); i++) {
        int64_t life_s = lives_s[i];
        struct window window = window_compute(START_AT, START_AT + life_s);
        struct window narrow = window_narrow(window);
        struct issuer_store_certificate certificate = {.not_before_at = START_AT,
                                                       .not_after_at = START_AT + life_s};
        int64_t middle_s = life_s < 10 * DAY_S ? life_s / 2 : life_s / 3 * 2;

        assert_true(window.start_at < window.end_at);
        assert_true(window.start_at <= START_AT + middle_s);
        assert_true(window.end_at > START_AT + middle_s);
        assert_int_equal(narrow.start_at, window.start_at);
        assert_true(narrow.end_at > narrow.start_at);
        assert_true(narrow.end_at - narrow.start_at <=
                    (window.end_at - window.start_at) * 6 / 10 + 1);
        /* The same from a row without a window, and from one with it. */
        assert_false(window_reached(&certificate, window.start_at - 1));
        assert_true(window_reached(&certificate, window.start_at));
        assert_true(window_inside(&certificate, window.start_at));
        assert_false(window_inside(&certificate, window.start_at - 1));
        certificate.ari_start_at = narrow.start_at;
        certificate.ari_end_at = narrow.end_at;
        assert_true(window_reached(&certificate, window.start_at));
        assert_false(window_inside(&certificate, window.end_at + 1));
        certificate.revoked_at = START_AT + 1;
        assert_true(window_reached(&certificate, START_AT + 2));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_week, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reservations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_renewal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_orders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_never_exceeded, set_up, tear_down),
        cmocka_unit_test(test_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
