#include "base/net/crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
/* After the standard headers it needs. */
#include <cmocka.h>

enum { FIRST, SECOND, FREE, FIXED };

static const struct crowd_list lists[CROWD_LISTS] = {
    [FIRST] = {.deadline_ms = 100, .quiet_ms = 0},
    [SECOND] = {.deadline_ms = 1000, .quiet_ms = 50},
    [FREE] = {.deadline_ms = CROWD_NEVER, .quiet_ms = 0},
    [FIXED] = {.deadline_ms = CROWD_NEVER, .quiet_ms = CROWD_NEVER},
};

static struct crowd *make(unsigned max_members)
{
    struct crowd *crowd = NULL;
    assert_int_equal(crowd_new(max_members, lists, &crowd), 0);
    return crowd;
}

static struct address at(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(text, 1, &address), 0);
    return address;
}

static void join(struct crowd *crowd, struct crowd_member *member, const char *text,
                 int64_t now_mono_ms)
{
    struct address peer = at(text);
    *member = (struct crowd_member){.peer = NULL};
    assert_int_equal(crowd_join(crowd, member, &peer, now_mono_ms), 0);
}

static void leave(struct crowd *crowd, struct crowd_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        crowd_leave(crowd, &members[i]);
    }
    assert_int_equal(crowd_count(crowd), 0);
    crowd_free(crowd);
}

static void expect_victim(const struct crowd *crowd, const char *newcomer,
                          int64_t now_mono_ms, const struct crowd_member *expected)
{
    struct address peer = at(newcomer);
    assert_ptr_equal(crowd_victim(crowd, &peer, now_mono_ms), expected);
}

static void test_limit(void **state)
{
    (void)state;
    struct crowd_member members[3] = {{.peer = NULL}};
    struct address peer = at("192.0.2.1");
    struct crowd *crowd = NULL;
    assert_int_equal(crowd_new(0, lists, &crowd), ERROR_RANGE);
    crowd = make(2);
    join(crowd, &members[0], "192.0.2.1", 0);
    assert_false(crowd_is_full(crowd));
    join(crowd, &members[1], "[fd12::1]:5", 0);
    assert_true(crowd_is_full(crowd));
    crowd_move(crowd, &members[1], FREE, 0);
    assert_int_equal(crowd_count_in(crowd, FIRST), 1);
    assert_int_equal(crowd_count_in(crowd, FREE), 1);
    assert_int_equal(crowd_join(crowd, &members[2], &peer, 0), ERROR_LIMIT);
    crowd_leave(crowd, &members[2]); /* never joined */
    assert_int_equal(crowd_count(crowd), 2);
    leave(crowd, members, 2);
}

static void test_deadlines(void **state)
{
    (void)state;
    struct crowd_member members[3];
    struct crowd *crowd = make(8);
    join(crowd, &members[0], "192.0.2.1", 0);
    join(crowd, &members[1], "192.0.2.1", 10);
    join(crowd, &members[2], "192.0.2.1", 20);
    assert_null(crowd_overdue(crowd, 99));
    assert_ptr_equal(crowd_overdue(crowd, 100), &members[0]);
    crowd_move(crowd, &members[0], SECOND, 100);
    assert_null(crowd_overdue(crowd, 109));
    assert_ptr_equal(crowd_overdue(crowd, 110), &members[1]);
    crowd_move(crowd, &members[1], SECOND, 110);
    crowd_move(crowd, &members[2], FREE, 110);
    assert_ptr_equal(crowd_overdue(crowd, 1100), &members[0]);
    /* What moves within its list starts anew, at the end. */
    crowd_move(crowd, &members[0], SECOND, 1050);
    assert_null(crowd_overdue(crowd, 1100));
    assert_ptr_equal(crowd_oldest(crowd, SECOND), &members[1]);
    assert_ptr_equal(crowd_next(crowd, &members[1]), &members[0]);
    assert_null(crowd_next(crowd, &members[0]));
    assert_null(crowd_oldest(crowd, FIRST));
    leave(crowd, members, 3);
}

/* Of the peer with the most, the oldest; others are left alone. */
static void test_heaviest_peer(void **state)
{
    (void)state;
    struct crowd_member members[6];
    struct crowd *crowd = make(6);
    join(crowd, &members[0], "192.0.2.1", 0);
    join(crowd, &members[1], "192.0.2.2", 1);
    join(crowd, &members[2], "192.0.2.2", 2);
    join(crowd, &members[3], "192.0.2.3:1", 3);
    join(crowd, &members[4], "192.0.2.3:2", 4);
    join(crowd, &members[5], "192.0.2.3:3", 5);
    expect_victim(crowd, "192.0.2.9", 10, &members[3]);
    expect_victim(crowd, "192.0.2.1", 10, &members[3]);
    expect_victim(crowd, "192.0.2.3:9", 10, &members[3]);
    /* Those that must stay do. */
    crowd_move(crowd, &members[3], FIXED, 10);
    expect_victim(crowd, "192.0.2.9", 10, &members[4]);
    crowd_move(crowd, &members[4], FIXED, 10);
    crowd_move(crowd, &members[5], FIXED, 10);
    expect_victim(crowd, "192.0.2.9", 10, &members[1]);
    /* The heaviest itself gets no place from the lighter ones. */
    expect_victim(crowd, "192.0.2.3", 10, NULL);
    leave(crowd, members, 6);
}

/* Peers that have one each: the oldest goes; no peer pushes out one that has as few. */
static void test_equal_peers(void **state)
{
    (void)state;
    struct crowd_member members[3];
    struct crowd *crowd = make(3);
    join(crowd, &members[0], "[fd12::1]:1", 0);
    join(crowd, &members[1], "[fd12::2]:1", 1);
    join(crowd, &members[2], "[fd12::3]:1", 2);
    expect_victim(crowd, "[fd12::4]:1", 5, &members[0]);
    expect_victim(crowd, "[fd12::2]:7", 5, &members[1]);
    leave(crowd, members, 3);
}

/* Who was active just now stays, unless its peer has more than half of all places. */
static void test_active(void **state)
{
    (void)state;
    struct crowd_member members[4];
    struct crowd *crowd = make(4);
    join(crowd, &members[0], "192.0.2.1", 0);
    join(crowd, &members[1], "192.0.2.1", 0);
    join(crowd, &members[2], "192.0.2.2", 0);
    join(crowd, &members[3], "192.0.2.2", 0);
    for (size_t i = 0; i < 4; i++) {
        crowd_move(crowd, &members[i], SECOND, 100);
    }
    expect_victim(crowd, "192.0.2.3", 149, NULL);
    expect_victim(crowd, "192.0.2.3", 150, &members[0]);
    crowd_leave(crowd, &members[2]);
    join(crowd, &members[2], "192.0.2.1", 100);
    crowd_move(crowd, &members[2], SECOND, 120);
    expect_victim(crowd, "192.0.2.3", 121, &members[0]);
    expect_victim(crowd, "192.0.2.1", 121, NULL);
    leave(crowd, members, 4);
}

/* Peers that share a bucket are kept apart, and gone ones leave nothing. */
static void test_many_peers(void **state)
{
    (void)state;
    static struct crowd_member members[600];
    struct crowd *crowd = make(600);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 600; i++) {
            char text[32];
            struct address peer = at("10.0.0.0");
            (void)snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
            peer = at(text);
            members[i] = (struct crowd_member){.peer = NULL};
            assert_int_equal(crowd_join(crowd, &members[i], &peer, i), 0);
        }
        expect_victim(crowd, "10.0.1.77:9", 700, &members[333]);
        for (unsigned i = 0; i < 600; i++) {
            crowd_leave(crowd, &members[(i * 7) % 600]);
        }
        assert_int_equal(crowd_count(crowd), 0);
    }
    crowd_free(crowd);
}

static void test_networks(void **state)
{
    (void)state;
    struct crowd_member members[6];
    struct crowd *crowd = make(6);
    struct address peer = at("192.0.2.9");
    crowd_join_networks(crowd);
    join(crowd, &members[0], "192.0.2.1", 0);
    join(crowd, &members[1], "192.0.2.254", 0);
    join(crowd, &members[2], "192.0.3.1", 0);
    join(crowd, &members[3], "2001:db8:1:2::1", 0);
    join(crowd, &members[4], "2001:db8:1:3::1", 0);
    join(crowd, &members[5], "2001:db8:2::1", 1);
    assert_int_equal(crowd_count_of(crowd, &peer), 2);
    peer = at("2001:db8:1:ffff::2");
    assert_int_equal(crowd_count_of(crowd, &peer), 2);
    peer = at("198.51.100.1");
    assert_int_equal(crowd_count_of(crowd, &peer), 0);
    expect_victim(crowd, "198.51.100.1", 1, &members[0]);
    expect_victim(crowd, "2001:db8:1:4::1", 1, &members[3]); /* its own network's */
    leave(crowd, members, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),         cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_heaviest_peer), cmocka_unit_test(test_equal_peers),
        cmocka_unit_test(test_active),        cmocka_unit_test(test_many_peers),
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
