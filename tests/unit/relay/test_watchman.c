/* Which conditions hold for which facts: at their marks, and one step beside. */
#include "relay/admin/watchman.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ZONE "a.example"
#define REFUSED "latchkey_ca_account_refused{zone=\"" ZONE "\"}"

enum { NOW_AT = 1800000000, HOUR_S = 3600, DAY_S = 86400, HELD_S = 60 };

static const struct dashboard_check not_looked;

static errand_fn *answer;
static void *answer_arg;

int __wrap_errand_watch(struct errand *errand, struct loop *loop, errand_fn *fn,
                        void *arg);

/* The test is the helper. */
int __wrap_errand_watch(struct errand *errand, struct loop *loop, errand_fn *fn,
                        void *arg)
{
    (void)errand;
    (void)loop;
    answer = fn;
    answer_arg = arg;
    return 0;
}

/* A relay that is well. */
static struct observer_facts make_facts(void)
{
    struct observer_facts facts = {
        .now_at = NOW_AT,
        .has_store = true,
        .all.issued_day = 5,
        .all.orders_day = 7,
        .all.waiting = 2,
        .all.has_history = true,
        .all.relay_not_before_at = NOW_AT - 60 * DAY_S,
        .all.relay_not_after_at = NOW_AT + 60 * DAY_S,
        .backup_at = NOW_AT - DAY_S,
        .has_backups = true,
        .disk_free = 0.5,
        .disk_free_bytes = 5e9,
    };
    static const char *const names[OBSERVER_ROLES] = {"front", "issuer", "dns"};
    for (size_t i = 0; i < OBSERVER_ROLES; i++) {
        facts.roles[i] = (struct observer_role){.name = names[i],
                                                .is_asked = true,
                                                .is_known = true,
                                                .is_up = true,
                                                .is_well = true,
                                                .metrics = buffer_init(256)};
    }
    return facts;
}

static void free_facts(struct observer_facts *facts)
{
    for (size_t i = 0; i < OBSERVER_ROLES; i++) {
        buffer_free(&facts->roles[i].metrics);
    }
}

/* The relay and its only zone. */
static bool judge_checked(const struct observer_facts *facts,
                          const struct dashboard_check *delegation,
                          const struct dashboard_check *ct, struct alert_set *alerts)
{
    bool changed = watchman_judge_zone(facts, ZONE, &facts->all, delegation, alerts);
    return watchman_judge_relay(facts, ct, alerts) || changed;
}

static bool judge(const struct observer_facts *facts, struct alert_set *alerts)
{
    return judge_checked(facts, &not_looked, &not_looked, alerts);
}

/* That KIND alone holds, or nothing (ALERT_COUNT). */
static void expect_only(const struct alert_set *alerts, enum alert_kind kind)
{
    for (size_t i = 0; i < ALERT_COUNT; i++) {
        if (alerts->at[i].is_active != (i == kind)) {
            fail_msg("'%s' %s: %s", alert_names[i],
                     alerts->at[i].is_active ? "holds" : "does not hold",
                     alerts->at[i].text);
        }
    }
}

typedef void change_fn(struct observer_facts *facts);

static void nothing(struct observer_facts *facts)
{
    (void)facts;
}

static void none_issued(struct observer_facts *facts)
{
    facts->all.issued_day = facts->all.waiting = 0;
    facts->all.orders_day = 1;
}

static void none_issued_some_wait(struct observer_facts *facts)
{
    facts->all.issued_day = facts->all.orders_day = 0;
}

static void nobody_asked(struct observer_facts *facts)
{
    facts->all.issued_day = facts->all.orders_day = facts->all.waiting = 0;
}

static void no_store(struct observer_facts *facts)
{
    facts->all.issued_day = 0;
    facts->has_store = false;
}

static void disk_at_mark(struct observer_facts *facts)
{
    facts->disk_free = 0.1;
}

static void disk_below_mark(struct observer_facts *facts)
{
    facts->disk_free = 0.0999;
}

static void disk_unknown(struct observer_facts *facts)
{
    facts->disk_free = facts->disk_free_bytes = 0;
}

static void backup_of_two_days(struct observer_facts *facts)
{
    facts->backup_at = NOW_AT - 2 * DAY_S;
}

static void backup_older(struct observer_facts *facts)
{
    facts->backup_at = NOW_AT - 2 * DAY_S - 1;
}

static void backup_never(struct observer_facts *facts)
{
    facts->backup_at = 0;
}

static void backup_never_of_a_new_relay(struct observer_facts *facts)
{
    facts->backup_at = 0;
    facts->all.has_history = false;
}

static void backups_elsewhere(struct observer_facts *facts)
{
    facts->backup_at = 0;
    facts->has_backups = false;
}

static void expired(struct observer_facts *facts)
{
    facts->all.expired_awake = 3;
    memcpy(facts->all.expired_id, "abc", 4);
}

/* Ten days, or a quarter of the life where that is less. */
static void certificate_of_ten_days(struct observer_facts *facts)
{
    facts->all.relay_not_after_at = NOW_AT + 10 * DAY_S;
}

static void certificate_of_less(struct observer_facts *facts)
{
    facts->all.relay_not_after_at = NOW_AT + 10 * DAY_S - 1;
}

static void short_certificate(struct observer_facts *facts)
{
    facts->all.relay_not_before_at = NOW_AT - 3 * DAY_S;
    facts->all.relay_not_after_at = NOW_AT + 3 * DAY_S;
}

static void short_certificate_near_its_end(struct observer_facts *facts)
{
    facts->all.relay_not_before_at = NOW_AT - 5 * DAY_S;
    facts->all.relay_not_after_at = NOW_AT + DAY_S;
}

static void certificate_ended(struct observer_facts *facts)
{
    facts->all.relay_not_after_at = NOW_AT - HOUR_S;
}

static void no_certificate(struct observer_facts *facts)
{
    facts->all.relay_not_before_at = facts->all.relay_not_after_at = 0;
}

static void role_ill(struct observer_facts *facts)
{
    facts->roles[OBSERVER_FRONT].is_well = false;
}

static void role_not_watched(struct observer_facts *facts)
{
    facts->roles[OBSERVER_FRONT].is_asked = facts->roles[OBSERVER_FRONT].is_up = false;
}

static void role_not_asked_yet(struct observer_facts *facts)
{
    facts->roles[OBSERVER_DNS].is_known = facts->roles[OBSERVER_DNS].is_up = false;
}

static void test_marks(void **state)
{
    static const struct {
        change_fn *change;
        enum alert_kind kind; /* ALERT_COUNT: nothing holds */
        const char *text;
    } rows[] = {
        {nothing, ALERT_COUNT, ""},
        {none_issued, ALERT_NOTHING_ISSUED, "though 1 orders came and 0 devices wait"},
        {none_issued_some_wait, ALERT_NOTHING_ISSUED, "2 devices wait"},
        {nobody_asked, ALERT_COUNT, ""},
        {no_store, ALERT_COUNT, ""},
        {disk_at_mark, ALERT_COUNT, ""},
        {disk_below_mark, ALERT_DISK, "has 10 % left (4768 MiB)"},
        {disk_unknown, ALERT_COUNT, ""},
        {backup_of_two_days, ALERT_COUNT, ""},
        {backup_older, ALERT_BACKUP, "2 days old"},
        {backup_never, ALERT_BACKUP, "never a backup"},
        {backup_never_of_a_new_relay, ALERT_COUNT, ""},
        {backups_elsewhere, ALERT_COUNT, ""},
        {expired, ALERT_EXPIRED, "3 certificates expired while their device was awake"},
        {certificate_of_ten_days, ALERT_COUNT, ""},
        {certificate_of_less, ALERT_RELAY_CERTIFICATE, "ends in 9 days"},
        {short_certificate, ALERT_COUNT, ""},
        {short_certificate_near_its_end, ALERT_RELAY_CERTIFICATE, "ends in 24 hours"},
        {certificate_ended, ALERT_RELAY_CERTIFICATE, "ended 1 hour ago"},
        {no_certificate, ALERT_COUNT, ""},
        {role_ill, ALERT_COUNT, ""},
        {role_not_watched, ALERT_COUNT, ""},
        {role_not_asked_yet, ALERT_COUNT, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct observer_facts facts = make_facts();
        struct alert_set alerts = {0};
        rows[i].change(&facts);
        assert_int_equal(judge(&facts, &alerts), rows[i].kind != ALERT_COUNT);
        expect_only(&alerts, rows[i].kind);
        if (rows[i].kind != ALERT_COUNT &&
            strstr(alerts.at[rows[i].kind].text, rows[i].text) == NULL) {
            fail_msg("no '%s' in '%s'", rows[i].text, alerts.at[rows[i].kind].text);
        }
        free_facts(&facts);
    }
}

/* A disk that goes to and fro at its mark is one alert. */
static void test_disk_at_its_mark(void **state)
{
    struct observer_facts facts = make_facts();
    struct alert_set alerts = {0};
    (void)state;
    facts.disk_free = 0.099;
    assert_true(judge(&facts, &alerts));
    facts.disk_free = 0.101;
    assert_false(judge(&facts, &alerts));
    facts.disk_free = 0.119;
    assert_false(judge(&facts, &alerts));
    facts.disk_free = 0.12;
    assert_true(judge(&facts, &alerts));
    expect_only(&alerts, ALERT_COUNT);
    facts.disk_free = 0.119;
    assert_false(judge(&facts, &alerts));
    free_facts(&facts);
}

/* A role must be away for a minute; each has an alert of its own. */
static void test_roles(void **state)
{
    static const enum alert_kind kinds[OBSERVER_ROLES] = {
        [OBSERVER_FRONT] = ALERT_FRONT_DOWN,
        [OBSERVER_ISSUER] = ALERT_ISSUER_DOWN,
        [OBSERVER_DNS] = ALERT_DNS_DOWN,
    };
    (void)state;
    for (size_t i = 0; i < OBSERVER_ROLES; i++) {
        struct observer_facts facts = make_facts();
        struct alert_set alerts = {0};
        facts.roles[i].is_up = facts.roles[i].is_well = false;
        assert_false(judge(&facts, &alerts));
        facts.now_at += HELD_S - 1;
        assert_false(judge(&facts, &alerts));
        facts.now_at++;
        assert_true(judge(&facts, &alerts));
        expect_only(&alerts, kinds[i]);
        assert_non_null(strstr(alerts.at[kinds[i]].text, facts.roles[i].name));
        facts.roles[i].is_up = true;
        assert_true(judge(&facts, &alerts));
        expect_only(&alerts, ALERT_COUNT);
        free_facts(&facts);
    }
}

/* Only the issuer knows of its account: while it does not answer, all stays as it was. */
static void test_account(void **state)
{
    struct observer_facts facts = make_facts();
    struct alert_set alerts = {0};
    struct buffer *metrics = &facts.roles[OBSERVER_ISSUER].metrics;
    (void)state;
    assert_false(judge(&facts, &alerts));
    buffer_append_text(metrics, REFUSED " 1\n");
    assert_true(judge(&facts, &alerts));
    expect_only(&alerts, ALERT_ACCOUNT);
    assert_string_equal(alerts.at[ALERT_ACCOUNT].text,
                        "the account at the CA is refused");
    memcpy(facts.roles[OBSERVER_ISSUER].reason, "it is deactivated", 18);
    assert_false(judge(&facts, &alerts));
    assert_string_equal(alerts.at[ALERT_ACCOUNT].text, "it is deactivated");
    /* What the issuer notes of this zone alone is better. */
    memcpy(facts.all.ca_state, "refused", 8);
    memcpy(facts.all.ca_reason, "nobody knows it", 16);
    assert_false(judge(&facts, &alerts));
    assert_string_equal(alerts.at[ALERT_ACCOUNT].text, "nobody knows it");
    buffer_reset(metrics);
    assert_false(judge(&facts, &alerts));
    expect_only(&alerts, ALERT_ACCOUNT);
    buffer_append_text(metrics, REFUSED " 0\n");
    assert_true(judge(&facts, &alerts));
    expect_only(&alerts, ALERT_COUNT);
    free_facts(&facts);
}

/* What is refused in one zone is no alert of another. */
static void test_account_of_another_zone(void **state)
{
    struct observer_facts facts = make_facts();
    struct alert_set alerts = {0};
    (void)state;
    buffer_append_text(&facts.roles[OBSERVER_ISSUER].metrics,
                       "latchkey_ca_account_refused{zone=\"b.example\"} 1\n" REFUSED
                       " 0\n");
    assert_false(judge(&facts, &alerts));
    assert_true(
        watchman_judge_zone(&facts, "b.example", &facts.all, &not_looked, &alerts));
    expect_only(&alerts, ALERT_ACCOUNT);
    free_facts(&facts);
}

/* What was not looked at yet is no fault. */
static void test_checks(void **state)
{
    struct observer_facts facts = make_facts();
    struct alert_set alerts = {0};
    struct dashboard_check delegation = {.is_on = true, .text = "NS are others"};
    struct dashboard_check ct = {.is_on = true, .text = "one that nobody ordered"};
    (void)state;
    assert_false(judge_checked(&facts, &delegation, &ct, &alerts));
    delegation.at = NOW_AT;
    assert_true(judge_checked(&facts, &delegation, &ct, &alerts));
    expect_only(&alerts, ALERT_DELEGATION);
    assert_string_equal(alerts.at[ALERT_DELEGATION].text, "NS are others");
    delegation.is_good = true;
    ct.at = NOW_AT;
    assert_true(judge_checked(&facts, &delegation, &ct, &alerts));
    expect_only(&alerts, ALERT_CT);
    assert_string_equal(alerts.at[ALERT_CT].text, "one that nobody ordered");
    free_facts(&facts);
}

/* A reload makes a new watchman, while the helper still looks at what the old one asked for. */
static void test_an_answer_to_the_one_before(void **state)
{
    static char names[2][16] = {"a.example", "b.example"};
    static const char fault[] = "FAILED b.example: no answer\n";
    char folder[] = "/tmp/latchkey-watchman-XXXXXX";
    struct loop *loop = NULL;
    struct watchman *watchman = NULL;
    (void)state;
    assert_non_null(mkdtemp(folder));
    struct relay_config second = {
        .zone = names[1], .store = folder, .alert_delegation = true};
    struct relay_config first = {
        .zone = names[0], .store = folder, .alert_delegation = true, .next = &second};
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(watchman_new(loop, &first, NULL, NULL, &not_looked, &watchman), 0);
    answer(ERRAND_DELEGATION, 1, (struct bytes){(const uint8_t *)fault, strlen(fault)},
           answer_arg);
    answer(ERRAND_COMMAND, 0, (struct bytes){NULL, 0}, answer_arg);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(watchman_delegation(watchman, names[i])->at, 0);
    }
    watchman_free(watchman);
    loop_free(loop);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_disk_at_its_mark),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_account),
        cmocka_unit_test(test_account_of_another_zone),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_an_answer_to_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
