#include "device/admin_sessions.h"

#include "base/core/text.h"

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
    /* Neighbours share an IPv6 prefix, but no limit. */
    for (int i = 0; i < ADMIN_SESSIONS_PEER_WRONG_MAX; i++) {
        admin_sessions_note_wrong(&sessions, &third, 10);
    }
    assert_false(admin_sessions_may_try(&sessions, &third, 10));
    assert_true(admin_sessions_may_try(&sessions, &neighbour, 10));
    assert_true(admin_sessions_may_try(&sessions, &third, 60010));
}

static void test_many_that_try_wrong(void **state)
{
    (void)state;
    struct admin_sessions sessions = {.next_try = 0};
    struct address owner = peer_of("192.168.1.2:1");
    struct address other = peer_of("192.168.1.3:1");
    char text[40];
    admin_sessions_note_right(&sessions, &owner);
    for (int i = 0; i < ADMIN_SESSIONS_WRONG_MAX; i++) {
        assert_true(admin_sessions_may_try(&sessions, &other, 10));
        assert_true(text_format(text, sizeof(text), "[fd12::%d]:1", i));
        struct address attacker = peer_of(text);
        admin_sessions_note_wrong(&sessions, &attacker, 10);
    }
    /* Nobody may, until the first of them are a minute old, but who had it right before. */
    assert_false(admin_sessions_may_try(&sessions, &other, 10));
    assert_false(admin_sessions_may_try(&sessions, &other, 60009));
    assert_true(admin_sessions_may_try(&sessions, &other, 60010));
    assert_true(admin_sessions_may_try(&sessions, &owner, 10));
    for (int i = 0; i < ADMIN_SESSIONS_PEER_WRONG_MAX; i++) {
        admin_sessions_note_wrong(&sessions, &owner, 20);
    }
    assert_false(admin_sessions_may_try(&sessions, &owner, 20));
    /* Only so many are known; a unix socket's peer never is. */
    for (int i = 0; i < ADMIN_SESSIONS_KNOWN_MAX; i++) {
        assert_true(text_format(text, sizeof(text), "10.0.0.%d:1", i));
        struct address guest = peer_of(text);
        admin_sessions_note_right(&sessions, &guest);
    }
    for (int i = 0; i < ADMIN_SESSIONS_WRONG_MAX; i++) {
        struct address none = {.size = 0};
        admin_sessions_note_right(&sessions, &none);
        admin_sessions_note_wrong(&sessions, &other, 70000);
        assert_int_equal(admin_sessions_may_try(&sessions, &none, 70000),
                         i + 1 < ADMIN_SESSIONS_WRONG_MAX);
    }
    assert_false(admin_sessions_may_try(&sessions, &owner, 70000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session_ends),       cmocka_unit_test(test_wrong_tokens),
        cmocka_unit_test(test_the_table_is_bounded), cmocka_unit_test(test_wrong_tries),
        cmocka_unit_test(test_many_that_try_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
