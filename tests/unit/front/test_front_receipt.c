/* One device, a restored backup, and two devices with one key. */
#include "relay/front/receipt.h"

#include "base/core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DAY = 86400 };

/* The relay's side: the row of one id. */
struct side {
    struct front_store_receipt row;
    bool is_there;
    int count;
    int64_t settled_at;
    int64_t now_at;
};

/* Publishes with what DEVICE has, which is then given the fresh one, unless the answer is LOST. */
static bool publish(struct side *side, char *device, bool lost)
{
    char fresh[FRONT_STORE_RECEIPT_SIZE + 1];
    struct front_store_receipt after;

    assert_true(text_format(fresh, sizeof(fresh), "receipt%d", side->count++));
    bool fits = receipt_judge(side->is_there ? &side->row : NULL, device, fresh,
                              side->settled_at, side->now_at, &after);
    side->row = after;
    side->is_there = true;
    if (!lost)
        memcpy(device, fresh, sizeof(fresh));
    return fits;
}

static bool is_cloned(const struct side *side)
{
    return front_store_is_cloned(&side->row, side->settled_at, side->now_at);
}

static void test_one_device(void **state)
{
    struct side side = {.now_at = 1800000000};
    char device[FRONT_STORE_RECEIPT_SIZE + 1] = "";

    (void)state;
    for (int i = 0; i < 100; i++, side.now_at += 3600)
        assert_true(publish(&side, device, i % 3 == 1 || i % 7 == 1));
    assert_false(is_cloned(&side));
}

static void test_restored_backup(void **state)
{
    struct side side = {.now_at = 1800000000};
    char device[FRONT_STORE_RECEIPT_SIZE + 1] = "";
    char backup[FRONT_STORE_RECEIPT_SIZE + 1];

    (void)state;
    publish(&side, device, false);
    memcpy(backup, device, sizeof(backup));
    publish(&side, device, false);
    publish(&side, device, false);
    assert_false(publish(&side, backup, false));
    for (int i = 0; i < 10; i++)
        assert_true(publish(&side, backup, false));
    assert_false(is_cloned(&side));
    /* Another backup, another month: still no copy. */
    memcpy(device, "receipt1", sizeof("receipt1"));
    side.now_at += 20 * DAY;
    assert_false(publish(&side, device, false));
    assert_false(is_cloned(&side));
}

static void test_two_with_one_key(void **state)
{
    struct side side = {.now_at = 1800000000};
    char a[FRONT_STORE_RECEIPT_SIZE + 1] = "";
    char b[FRONT_STORE_RECEIPT_SIZE + 1];
    int mismatches = 0;
    int turns = 0;

    (void)state;
    publish(&side, a, false);
    memcpy(b, a, sizeof(b));
    /* Each publishes once a day, twelve hours apart. */
    for (; !is_cloned(&side) && turns < 10; turns++, side.now_at += DAY / 2)
        mismatches += publish(&side, turns % 2 == 0 ? a : b, false) ? 0 : 1;
    assert_true(is_cloned(&side));
    assert_int_equal(mismatches, 2);
    assert_true(turns <= 5);
    /* Settled by the operator: one was reset. What came before does not count again. */
    side.settled_at = side.now_at;
    assert_false(is_cloned(&side));
    side.now_at += 60;
    publish(&side, a, false);
    assert_false(is_cloned(&side));
    side.now_at += 60;
    for (int i = 0; i < 5; i++)
        assert_true(publish(&side, a, false));
    /* The other one was not: it shows again. */
    publish(&side, b, false);
    publish(&side, a, false);
    assert_true(is_cloned(&side));
    side.now_at += 31 * DAY;
    assert_false(is_cloned(&side));
}

static void test_two_new_ones(void **state)
{
    struct side side = {.now_at = 1800000000};
    char a[FRONT_STORE_RECEIPT_SIZE + 1] = "";
    char b[FRONT_STORE_RECEIPT_SIZE + 1] = "";

    (void)state;
    assert_true(publish(&side, a, false));
    assert_false(publish(&side, b, false));
    assert_false(is_cloned(&side));
    assert_false(publish(&side, a, false));
    assert_true(is_cloned(&side));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_device),
        cmocka_unit_test(test_restored_backup),
        cmocka_unit_test(test_two_with_one_key),
        cmocka_unit_test(test_two_new_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
