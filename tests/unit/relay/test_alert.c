#include "relay/admin/alert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOW_AT = 1800000000 };

static void expect_message(const struct alert_set *set, enum alert_kind kind,
                           const char *want)
{
    struct buffer json = buffer_init(4096);
    assert_int_equal(alert_message(set, kind, "lan.example.com", "https://relay", &json),
                     0);
    assert_non_null(strstr(buffer_text(&json), want));
    buffer_free(&json);
}

/* Begin and end are told once each, and nothing in between but once a day. */
static void test_life(void **state)
{
    struct alert_set set = {0};
    (void)state;
    assert_int_equal(alert_next(&set, NOW_AT), ALERT_COUNT);
    assert_true(alert_update(&set, ALERT_DISK, true, "full", NOW_AT));
    assert_false(alert_update(&set, ALERT_DISK, true, "fuller", NOW_AT + 1));
    assert_int_equal(alert_next(&set, NOW_AT + 1), ALERT_DISK);
    expect_message(&set, ALERT_DISK,
                   "\"alert\":\"disk-nearly-full\",\"state\":\"begin\","
                   "\"since\":\"2027-01-15T08:00:00Z\",\"text\":\"fuller\","
                   "\"zone\":\"lan.example.com\"");
    alert_told(&set, ALERT_DISK, true, NOW_AT + 2);
    assert_int_equal(alert_next(&set, NOW_AT + 3), ALERT_COUNT);
    assert_int_equal(alert_next(&set, NOW_AT + 1 + ALERT_AGAIN_S), ALERT_COUNT);
    assert_int_equal(alert_next(&set, NOW_AT + 2 + ALERT_AGAIN_S), ALERT_DISK);
    expect_message(&set, ALERT_DISK, "\"state\":\"again\"");
    alert_told(&set, ALERT_DISK, true, NOW_AT + 2 + ALERT_AGAIN_S);
    assert_true(alert_update(&set, ALERT_DISK, false, "", NOW_AT + 90000));
    assert_int_equal(alert_next(&set, NOW_AT + 90000), ALERT_DISK);
    expect_message(&set, ALERT_DISK, "\"state\":\"end\"");
    alert_told(&set, ALERT_DISK, true, NOW_AT + 90001);
    assert_int_equal(alert_next(&set, NOW_AT + 900000), ALERT_COUNT);
}

/* What was over before anybody was told needs no telling. */
static void test_short(void **state)
{
    struct alert_set set = {0};
    (void)state;
    assert_true(alert_update(&set, ALERT_DISK, true, "full", NOW_AT));
    assert_true(alert_update(&set, ALERT_DISK, false, "", NOW_AT + 1));
    assert_int_equal(alert_next(&set, NOW_AT + 1), ALERT_COUNT);
    /* A role that is started again within a minute is no alert at all. */
    assert_false(alert_update(&set, ALERT_DNS_DOWN, true, "down", NOW_AT));
    assert_false(alert_update(&set, ALERT_DNS_DOWN, false, "", NOW_AT + 59));
    assert_false(alert_update(&set, ALERT_DNS_DOWN, true, "down", NOW_AT + 60));
    assert_false(alert_update(&set, ALERT_DNS_DOWN, true, "down", NOW_AT + 119));
    assert_true(alert_update(&set, ALERT_DNS_DOWN, true, "down", NOW_AT + 120));
}

static void test_failures(void **state)
{
    struct alert_set set = {0};
    (void)state;
    assert_true(alert_update(&set, ALERT_CT, true, "unknown", NOW_AT));
    alert_told(&set, ALERT_CT, false, NOW_AT);
    assert_int_equal(alert_next(&set, NOW_AT + 299), ALERT_COUNT);
    assert_int_equal(alert_next(&set, NOW_AT + 300), ALERT_CT);
    alert_told(&set, ALERT_CT, false, NOW_AT + 300);
    alert_told(&set, ALERT_CT, false, NOW_AT + 600);
    assert_int_equal(alert_next(&set, NOW_AT + 600 + ALERT_AGAIN_S - 1), ALERT_COUNT);
    assert_int_equal(alert_next(&set, NOW_AT + 600 + ALERT_AGAIN_S), ALERT_CT);
}

static void test_file(void **state)
{
    char folder[] = "/tmp/latchkey-alert-XXXXXX";
    char path[64];
    struct alert_set set = {0};
    struct alert_set again = {0};
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/alerts.json", folder);
    assert_int_equal(alert_load(path, &again), 0);
    assert_true(alert_update(&set, ALERT_BACKUP, true, "old \"backup\"\n", NOW_AT));
    alert_told(&set, ALERT_BACKUP, true, NOW_AT + 5);
    assert_int_equal(alert_save(&set, path), 0);
    assert_int_equal(alert_load(path, &again), 0);
    assert_true(again.at[ALERT_BACKUP].is_active);
    assert_string_equal(again.at[ALERT_BACKUP].text, "old \"backup\"?");
    assert_false(alert_update(&again, ALERT_BACKUP, true, "old", NOW_AT + 10));
    assert_int_equal(alert_next(&again, NOW_AT + 10), ALERT_COUNT);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"backup-old\": {\"active\": true}}", file);
    fclose(file);
    assert_int_equal(alert_load(path, &again), ERROR_SYNTAX);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
