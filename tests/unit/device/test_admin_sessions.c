#include "device/admin_sessions.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

static struct address peer_of(const char *text)
{
    struct address peer;
    assert_int_equal(address_parse(text, 1, &peer), 0);
    return peer;
}

static void test_a_session_ends(void **state)
{
    (void)state;
    struct admin_sessions sessions = {.next_try = 0};
    char token[ADMIN_SESSIONS_TOKEN_SIZE + 1];
    assert_int_equal(admin_sessions_open(&sessions, 1000, token), 0);
    assert_int_equal(strlen(token), ADMIN_SESSIONS_TOKEN_SIZE);
    assert_non_null(admin_sessions_find(&sessions, token, 1000));
    /* Each use counts from then on. */
    int64_t now = 1000;
    for (int i = 0; i < 10; i++) {
        now += ADMIN_SESSIONS_IDLE_MS - 1;
        assert_non_null(admin_sessions_find(&sessions, token, now));
    }
    assert_null(admin_sessions_find(&sessions, token, now + ADMIN_SESSIONS_IDLE_MS));
    /* But never longer than its life. */
    assert_int_equal(admin_sessions_open(&sessions, 0, token), 0);
    for (now = 0; now < ADMIN_SESSIONS_LIFE_MS; now += ADMIN_SESSIONS_IDLE_MS - 1) {
        assert_non_null(admin_sessions_find(&sessions, token, now));
    }
    assert_null(admin_sessions_find(&sessions, token, ADMIN_SESSIONS_LIFE_MS));
}

static void test_wrong_tokens(void **state)
{
    (void)state;
    struct admin_sessions sessions = {.next_try = 0};
    char token[ADMIN_SESSIONS_TOKEN_SIZE + 1];
    char other[ADMIN_SESSIONS_TOKEN_SIZE + 1];
    assert_int_equal(admin_sessions_open(&sessions, 0, token), 0);
    assert_int_equal(admin_sessions_open(&sessions, 0, other), 0);
    assert_string_not_equal(token, other);
    assert_null(admin_sessions_find(&sessions, "", 0));
    other[3] ^= 1;
    assert_null(admin_sessions_find(&sessions, other, 0));
    struct admin_session *session = admin_sessions_find(&sessions, token, 0);
    assert_true(admin_sessions_is_csrf(session, session->csrf));
    assert_false(admin_sessions_is_csrf(session, token));
    assert_false(admin_sessions_is_csrf(session, ""));
    admin_sessions_close(session);
    assert_null(admin_sessions_find(&sessions, token, 0));
    /* An empty table has no session, whatever is asked. */
    struct admin_sessions none = {.next_try = 0};
    memset(token, 'A', ADMIN_SESSIONS_TOKEN_SIZE);
    assert_null(admin_sessions_find(&none, token, 0));
}

static void test_the_table_is_bounded(void **state)
{
    (void)state;
    struct admin_sessions sessions = {.next_try = 0};
    char first[ADMIN_SESSIONS_TOKEN_SIZE + 1];
    char token[ADMIN_SESSIONS_TOKEN_SIZE + 1];
    assert_int_equal(admin_sessions_open(&sessions, 0, first), 0);
    for (int i = 1; i <= ADMIN_SESSIONS_MAX; i++) {
        assert_int_equal(admin_sessions_open(&sessions, i, token), 0);
    }
    assert_null(admin_sessions_find(&sessions, first, ADMIN_SESSIONS_MAX));
    assert_non_null(admin_sessions_find(&sessions, token, ADMIN_SESSIONS_MAX));
}

static void test_wrong_tries(void **state)
{
    (void)state;
    struct admin_sessions sessions = {.next_try = 0};
    struct address one = peer_of("192.168.1.2:1");
    struct address other = peer_of("192.168.1.3:1");
    struct address third = peer_of("[fd12::1]:1");
    struct address neighbour = peer_of("[fd12::2]:9");
    for (int i = 0; i < ADMIN_SESSIONS_PEER_WRONG_MAX; i++) {
        assert_true(admin_sessions_may_try(&sessions, &one, i));
        admin_sessions_note_wrong(&sessions, &one, i);
    }
    assert_false(admin_sessions_may_try(&sessions, &one, 10));
    assert_true(admin_sessions_may_try(&sessions, &other, 10));
    admin_sessions_note_wrong(&sessions, &third, 10);
    admin_sessions_note_wrong(&sessions, &neighbour, 10);
    /* Five in all: nobody may, until the first of them are a minute old. */
    assert_false(admin_sessions_may_try(&sessions, &other, 10));
    assert_false(admin_sessions_may_try(&sessions, &other, 59999));
    assert_true(admin_sessions_may_try(&sessions, &other, 60000));
    assert_true(admin_sessions_may_try(&sessions, &one, 60010));
    /* One /64 is one peer. */
    struct admin_sessions ipv6 = {.next_try = 0};
    for (int i = 0; i < ADMIN_SESSIONS_PEER_WRONG_MAX; i++) {
        admin_sessions_note_wrong(&ipv6, i == 0 ? &third : &neighbour, 0);
    }
    assert_false(admin_sessions_may_try(&ipv6, &third, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session_ends),
        cmocka_unit_test(test_wrong_tokens),
        cmocka_unit_test(test_the_table_is_bounded),
        cmocka_unit_test(test_wrong_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
