/* A device as lists show it, put together from the three files. */
#include "relay/admin/admin_device.h"

#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/queue_store.h"
#include "relay/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ID "abcdefghijklmnopqrstuvwxyz234567"

enum { NOW_AT = 1800000000, DAY_S = 86400 };

struct fixture {
    char folder[64];
    struct admin_stores stores;
    struct database *front;
    struct database *issuer;
    struct database *admin;
};

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/latchkey-device-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(database_open(fixture->folder, "front.db", DATABASE_WRITER,
                                   schema_front, &fixture->front),
                     0);
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->issuer),
                     0);
    assert_int_equal(database_open(fixture->folder, "admin.db", DATABASE_WRITER,
                                   schema_admin, &fixture->admin),
                     0);
    fixture->stores = (struct admin_stores){.zone = ZONE,
                                            .front = fixture->front,
                                            .issuer = fixture->issuer,
                                            .admin = fixture->admin,
                                            .now_at = NOW_AT};
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;
    database_close(fixture->front);
    database_close(fixture->issuer);
    database_close(fixture->admin);
    free(fixture);
    return 0;
}

static void enrol(struct fixture *fixture, const char *token, int64_t cloned_at)
{
    const struct front_store_account account = {.id = ID,
                                                .jwk = "{}",
                                                .registration = "{}",
                                                .token = token,
                                                .contact = "[]",
                                                .status = "valid",
                                                .created_at = NOW_AT - 9 * DAY_S};
    const struct front_store_receipt receipt = {.cloned_at = cloned_at,
                                                .mismatch_at = cloned_at};
    int64_t rev = 0;
    assert_int_equal(database_begin(fixture->front, &rev), 0);
    assert_int_equal(front_store_add_account(fixture->front, ZONE, rev, &account), 0);
    assert_int_equal(front_store_put_receipt(fixture->front, ZONE, rev, ID, &receipt), 0);
    assert_int_equal(database_commit(fixture->front), 0);
}

static void certify(struct fixture *fixture)
{
    const struct issuer_store_certificate certificate = {
        .cert_id = "c",
        .id = ID,
        .number = "n",
        .lane = "device",
        .ca = "ca",
        .serial = "0a1b",
        .names = ID "." ZONE,
        .spki_hash = "",
        .csr_hash = "",
        .chain = "",
        .alternates = "[]",
        .not_before_at = NOW_AT,
        .not_after_at = NOW_AT + 31 * DAY_S + 5,
    };
    const struct queue_store_place place = {.id = ID,
                                            .reason = "a \x01 limit",
                                            .asked_at = NOW_AT - 60,
                                            .turn_at = NOW_AT + 60};
    int64_t rev = 0;
    assert_int_equal(database_begin(fixture->issuer, &rev), 0);
    assert_int_equal(
        issuer_store_put_certificate(fixture->issuer, ZONE, rev, &certificate), 0);
    assert_int_equal(queue_store_add(fixture->issuer, ZONE, rev, &place), 0);
    assert_int_equal(database_commit(fixture->issuer), 0);
}

static struct admin_device load(struct fixture *fixture)
{
    struct admin_device device;
    assert_int_equal(admin_device_load(&fixture->stores, ID, &device), 0);
    assert_string_equal(device.id, ID);
    return device;
}

static void expect_json(struct fixture *fixture, const char *want)
{
    struct admin_device device = load(fixture);
    struct buffer text = buffer_init(4096);
    json_t *object = admin_device_json(&fixture->stores, &device);
    assert_non_null(object);
    assert_int_equal(json_dump(object, &text), 0);
    assert_string_equal(buffer_text(&text), want);
    json_decref(object);
    buffer_free(&text);
}

/* What is nowhere known has an empty record; so has everything while no file is there. */
static void test_nobody(void **state)
{
    struct fixture *fixture = *state;
    static const char nobody[] =
        "{\"zone\":\"" ZONE "\",\"id\":\"" ID "\",\"status\":\"none\",\"cloned\":false}";
    struct admin_device device;
    expect_json(fixture, nobody);
    fixture->stores.front = fixture->stores.issuer = fixture->stores.admin = NULL;
    expect_json(fixture, nobody);
    assert_int_equal(admin_device_load(&fixture->stores, ID "a", &device), ERROR_SYNTAX);
}

static void test_all(void **state)
{
    struct fixture *fixture = *state;
    enrol(fixture, "kid", NOW_AT - DAY_S);
    certify(fixture);
    assert_int_equal(admin_store_block(fixture->admin, ZONE, ID, "why", "olga"), 0);
    expect_json(fixture,
                "{\"zone\":\"" ZONE "\",\"id\":\"" ID "\",\"status\":\"blocked\","
                "\"createdAt\":\"2027-01-06T08:00:00Z\",\"token\":\"kid\","
                "\"serial\":\"0a1b\",\"notAfter\":\"2027-02-15T08:00:05Z\","
                "\"cloned\":true,\"waitingSince\":\"2027-01-15T07:59:00Z\","
                "\"waitsFor\":\"a ? limit\",\"turnAt\":\"2027-01-15T08:01:00Z\"}");
    /* Another zone's device of the same id is another one. */
    fixture->stores.zone = "other.zone";
    expect_json(fixture, "{\"zone\":\"other.zone\",\"id\":\"" ID
                         "\",\"status\":\"none\",\"cloned\":false}");
}

static void test_status(void **state)
{
    struct fixture *fixture = *state;
    struct admin_device device;
    int64_t rev = 0;
    enrol(fixture, "", NOW_AT - DAY_S);
    device = load(fixture);
    assert_string_equal(admin_device_status(&device), "valid");
    assert_true(device.cloned);
    assert_int_equal(admin_store_settle_clone(fixture->admin, ZONE, ID, NOW_AT, "olga"),
                     0);
    assert_false(load(fixture).cloned);
    assert_int_equal(database_begin(fixture->front, &rev), 0);
    assert_int_equal(
        front_store_update_account(fixture->front, ZONE, rev, ID, "[]", "deactivated"),
        0);
    assert_int_equal(database_commit(fixture->front), 0);
    device = load(fixture);
    assert_string_equal(admin_device_status(&device), "deactivated");
    assert_int_equal(admin_store_block(fixture->admin, ZONE, ID, "why", "olga"), 0);
    device = load(fixture);
    assert_string_equal(admin_device_status(&device), "blocked");
    assert_int_equal(admin_store_unblock(fixture->admin, ZONE, ID, "olga"), 0);
    device = load(fixture);
    assert_string_equal(admin_device_status(&device), "deactivated");
}

static void test_life(void **state)
{
    static const struct {
        int64_t not_after_at;
        const char *text;
    } rows[] = {
        {0, "none"},
        {NOW_AT + 31 * DAY_S, "31 days"},
        {NOW_AT, "0 seconds"},
        {NOW_AT - 1, "ended 1 second ago"},
        {NOW_AT - 3 * DAY_S, "ended 3 days ago"},
    };
    const struct admin_stores stores = {.now_at = NOW_AT};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct admin_device device = {.not_after_at = rows[i].not_after_at};
        char text[40];
        admin_device_life(&stores, &device, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody, start, stop),
        cmocka_unit_test_setup_teardown(test_all, start, stop),
        cmocka_unit_test_setup_teardown(test_status, start, stop),
        cmocka_unit_test(test_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
