/* Nonces: ours, once, not too late; and nothing else. */
#include "base/core/text.h"
#include "relay/front/nonce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t key[NONCE_KEY_SIZE] = "0123456789abcdef0123456789abcde";
static const uint8_t other_key[NONCE_KEY_SIZE] = "1123456789abcdef0123456789abcde";
static const int64_t now_at = 1800000000;

enum { WINDOW = 1000 };

static struct nonce_maker *maker_of(const uint8_t *with)
{
    struct nonce_maker *maker = NULL;

    assert_int_equal(nonce_maker_new(with, WINDOW, &maker), 0);
    return maker;
}

static void test_once(void **state)
{
    struct nonce_maker *maker = maker_of(key);
    char nonce[NONCE_CAPACITY];
    char second[NONCE_CAPACITY];

    (void)state;
    assert_int_equal(nonce_make(maker, now_at, nonce), 0);
    assert_int_equal(nonce_make(maker, now_at, second), 0);
    assert_string_not_equal(nonce, second);
    assert_true(
        strspn(nonce,
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
        strlen(nonce));
    assert_int_equal(nonce_check(maker, nonce, now_at), 0);
    assert_int_equal(nonce_check(maker, nonce, now_at), 0);
    assert_int_equal(nonce_use(maker, nonce, now_at), 0);
    assert_int_equal(nonce_use(maker, nonce, now_at), ERROR_EXISTS);
    assert_int_equal(nonce_check(maker, nonce, now_at), ERROR_EXISTS);
    assert_int_equal(nonce_use(maker, second, now_at + NONCE_LIFE_S), 0);
    nonce_maker_free(maker);
}

static void test_time(void **state)
{
    struct nonce_maker *maker = maker_of(key);
    char nonce[NONCE_CAPACITY];

    (void)state;
    assert_int_equal(nonce_make(maker, now_at, nonce), 0);
    assert_int_equal(nonce_check(maker, nonce, now_at + NONCE_LIFE_S), 0);
    assert_int_equal(nonce_check(maker, nonce, now_at + NONCE_LIFE_S + 1), ERROR_TIMEOUT);
    /* The clock was set back. */
    assert_int_equal(nonce_check(maker, nonce, now_at - NONCE_LIFE_S - 1), ERROR_TIMEOUT);
    nonce_maker_free(maker);
}

static void test_foreign(void **state)
{
    struct nonce_maker *maker = maker_of(key);
    struct nonce_maker *sibling = maker_of(key);
    struct nonce_maker *stranger = maker_of(other_key);
    char nonce[NONCE_CAPACITY];
    char changed[NONCE_CAPACITY];

    (void)state;
    assert_int_equal(nonce_make(maker, now_at, nonce), 0);
    assert_int_equal(nonce_check(sibling, nonce, now_at), ERROR_NOT_FOUND);
    assert_int_equal(nonce_check(stranger, nonce, now_at), ERROR_SIGNATURE);
    assert_int_equal(nonce_check(maker, "", now_at), ERROR_SIGNATURE);
    assert_int_equal(nonce_check(maker, "AAAA", now_at), ERROR_SIGNATURE);
    for (size_t i = 0; nonce[i] != '\0'; i++) {
        memcpy(changed, nonce, sizeof(changed));
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_int_not_equal(nonce_check(maker, changed, now_at), 0);
    }
    memcpy(changed, nonce, sizeof(changed));
    changed[strlen(changed) - 1] = '\0';
    assert_int_equal(nonce_check(maker, changed, now_at), ERROR_SIGNATURE);
    nonce_maker_free(stranger);
    nonce_maker_free(sibling);
    nonce_maker_free(maker);
}

/* The window moves: what fell out of it is refused, used or not; what is in it is
 * remembered. */
static void test_window(void **state)
{
    struct nonce_maker *maker = maker_of(key);
    char first[NONCE_CAPACITY];
    char used[NONCE_CAPACITY];
    char last[NONCE_CAPACITY];

    (void)state;
    assert_int_equal(nonce_make(maker, now_at, first), 0);
    assert_int_equal(nonce_make(maker, now_at, used), 0);
    assert_int_equal(nonce_use(maker, used, now_at), 0);
    for (int i = 0; i < WINDOW - 2; i++) {
        assert_int_equal(nonce_make(maker, now_at, last), 0);
    }
    assert_int_equal(nonce_check(maker, first, now_at), 0);
    assert_int_equal(nonce_use(maker, used, now_at), ERROR_EXISTS);
    assert_int_equal(nonce_make(maker, now_at, last), 0);
    assert_int_equal(nonce_check(maker, first, now_at), ERROR_TIMEOUT);
    assert_int_equal(nonce_make(maker, now_at, last), 0);
    assert_int_equal(nonce_use(maker, used, now_at), ERROR_TIMEOUT);
    assert_int_equal(nonce_use(maker, last, now_at), 0);
    nonce_maker_free(maker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
