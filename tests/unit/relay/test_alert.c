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

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_file(void **state)
{
    char folder[] = "/tmp/latchkey-alert-XXXXXX";
    char path[64];
    struct alert_zone zones[2] = {{.zone = "a.example"}, {.zone = "b.example"}};
    struct alert_zone again[2] = {{.zone = "a.example"}, {.zone = "b.example"}};
    struct alert_zone swapped[2] = {{.zone = "b.example"}, {.zone = "a.example"}};
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/alerts.json", folder);
    assert_int_equal(alert_load(path, again, 2), 0);
    assert_true(
        alert_update(&zones[0].alerts, ALERT_BACKUP, true, "old \"backup\"\n", NOW_AT));
    alert_told(&zones[0].alerts, ALERT_BACKUP, true, NOW_AT + 5);
    assert_true(alert_update(&zones[1].alerts, ALERT_ACCOUNT, true, "refused", NOW_AT));
    assert_int_equal(alert_save(zones, 2, path), 0);
    assert_int_equal(alert_load(path, again, 2), 0);
    struct alert_set *set = &again[0].alerts;
    assert_true(set->at[ALERT_BACKUP].is_active);
    assert_string_equal(set->at[ALERT_BACKUP].text, "old \"backup\"?");
    assert_false(alert_update(set, ALERT_BACKUP, true, "old", NOW_AT + 10));
    assert_int_equal(alert_next(set, NOW_AT + 10), ALERT_COUNT);
    assert_int_equal(alert_next(&again[1].alerts, NOW_AT + 10), ALERT_ACCOUNT);
    /* Another zone is the main one now: what is about the relay is judged anew. */
    assert_int_equal(alert_load(path, swapped, 2), 0);
    assert_true(swapped[0].alerts.at[ALERT_ACCOUNT].is_active);
    assert_false(swapped[1].alerts.at[ALERT_BACKUP].is_active);
    write_text(path, "{\"a.example\": {\"backup-old\": {\"active\": true}}}");
    assert_int_equal(alert_load(path, again, 2), ERROR_SYNTAX);
    unlink(path);
    rmdir(folder);
}

/* Written before alerts were told by zone. */
static void test_former_file(void **state)
{
    char path[] = "/tmp/latchkey-alert-XXXXXX";
    struct alert_zone zones[2] = {{.zone = "a.example"}, {.zone = "b.example"}};
    (void)state;
    close(mkstemp(path));
    write_text(path,
               "{\"ca-account-refused\": {\"active\": true, \"since\": 5, \"told\": "
               "6, \"text\": \"refused\"}}");
    assert_int_equal(alert_load(path, zones, 2), 0);
    assert_true(zones[0].alerts.at[ALERT_ACCOUNT].is_active);
    assert_int_equal(zones[0].alerts.at[ALERT_ACCOUNT].told_at, 6);
    assert_false(zones[1].alerts.at[ALERT_ACCOUNT].is_active);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),        cmocka_unit_test(test_short),
        cmocka_unit_test(test_failures),    cmocka_unit_test(test_file),
        cmocka_unit_test(test_former_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
