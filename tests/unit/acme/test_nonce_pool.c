/* The nonce pool: newest first, bounded, and what is older than a refused one is gone. */
#include "acme/nonce_pool.h"

#include "tests/unit/vector.h"

static void put(struct nonce_pool *pool, unsigned number)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "n%u", number);
    nonce_pool_put(pool, text);
}

static void test_newest_first_and_bounded(void **state)
{
    struct nonce_pool pool = {0};
    struct nonce nonce;
    char text[32];

    (void)state;
    assert_false(nonce_pool_take(&pool, &nonce));
    for (unsigned i = 0; i < 100; i++)
        put(&pool, i);
    assert_int_equal(pool.count, NONCE_POOL_MAX);
    for (unsigned i = 100; i-- > 100 - NONCE_POOL_MAX;) {
        assert_true(nonce_pool_take(&pool, &nonce));
        (void)snprintf(text, sizeof(text), "n%u", i);
        assert_string_equal(nonce.text, text);
    }
    assert_false(nonce_pool_take(&pool, &nonce));
}

static void test_drops_what_is_older(void **state)
{
    struct nonce_pool pool = {0};
    struct nonce nonce = {0};

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        put(&pool, i);
    assert_true(nonce_pool_take(&pool, &nonce));
    put(&pool, 5);
    nonce_pool_drop_older(&pool, nonce.number);
    assert_int_equal(pool.count, 1);
    assert_true(nonce_pool_take(&pool, &nonce));
    assert_string_equal(nonce.text, "n5");
    nonce_pool_drop_older(&pool, 1000);
    assert_int_equal(pool.count, 0);
}

static void test_keeps_only_nonces(void **state)
{
    struct nonce_pool pool = {0};
    char text[LIMIT_NONCE_BYTES + 2];

    (void)state;
    nonce_pool_put(&pool, NULL);
    nonce_pool_put(&pool, "");
    nonce_pool_put(&pool, "a b");
    nonce_pool_put(&pool, "a,b");
    nonce_pool_put(&pool, "a+b");
    nonce_pool_put(&pool, "a\r\nX: y");
    memset(text, 'a', sizeof(text));
    text[LIMIT_NONCE_BYTES + 1] = '\0';
    nonce_pool_put(&pool, text);
    assert_int_equal(pool.count, 0);
    text[LIMIT_NONCE_BYTES] = '\0';
    nonce_pool_put(&pool, text);
    assert_int_equal(pool.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_first_and_bounded),
        cmocka_unit_test(test_drops_what_is_older),
        cmocka_unit_test(test_keeps_only_nonces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
