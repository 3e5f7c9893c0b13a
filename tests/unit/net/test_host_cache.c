#include "base/net/host_cache.h"

#include "tests/unit/net/responder.h"

struct outcome {
    unsigned calls;
    int error;
    char name[64];
    char addresses[64];
};

static void on_host(const char *name, int error, const char *addresses, void *arg)
{
    struct outcome *outcome = arg;
    outcome->calls++;
    outcome->error = error;
    assert_true(text_copy(outcome->name, sizeof(outcome->name), name));
    assert_true((addresses != NULL) == (error == 0));
    assert_true(text_copy(outcome->addresses, sizeof(outcome->addresses),
                          addresses != NULL ? addresses : ""));
}

static bool is_called(void *arg)
{
    return ((struct outcome *)arg)->calls > 0;
}

static void test_cache(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    struct responder responder;
    struct resolver *resolver = NULL;
    struct host_cache *cache = NULL;
    struct outcome outcome = {.calls = 0};
    assert_int_equal(loop_new(&loop), 0);
    responder_open(&responder, loop);
    const char *server = responder.text;
    assert_int_equal(resolver_new(loop, &server, 1, &resolver), 0);
    assert_int_equal(host_cache_new(resolver, on_host, &outcome, &cache), 0);
    /* Asked three times, looked up once. */
    assert_null(host_cache_find(cache, "a.test"));
    assert_int_equal(host_cache_look_up(cache, "a.test"), 0);
    assert_int_equal(host_cache_look_up(cache, "A.test"), 0);
    assert_null(host_cache_find(cache, "a.test"));
    assert_int_equal(outcome.calls, 0);
    assert_true(pump_until(loop, is_called, &outcome));
    pump_for(loop, 20);
    assert_int_equal(outcome.calls, 1);
    assert_string_equal(outcome.addresses, "127.0.0.1");
    assert_int_equal(responder.query_count, 2); /* A and AAAA */
    assert_string_equal(host_cache_find(cache, "A.TEST"), "127.0.0.1");
    /* Forgotten, it is looked up anew. */
    host_cache_forget(cache, "a.test");
    host_cache_forget(cache, "b.test");
    assert_null(host_cache_find(cache, "a.test"));
    outcome.calls = 0;
    assert_int_equal(host_cache_look_up(cache, "a.test"), 0);
    assert_true(pump_until(loop, is_called, &outcome));
    assert_int_equal(responder.query_count, 4);
    assert_string_equal(host_cache_find(cache, "a.test"), "127.0.0.1");
    /* IPv6 in brackets, failures not kept. */
    outcome.calls = 0;
    assert_int_equal(host_cache_look_up(cache, "six.test"), 0);
    assert_true(pump_until(loop, is_called, &outcome));
    assert_string_equal(outcome.addresses, "[::1]");
    outcome.calls = 0;
    assert_int_equal(host_cache_look_up(cache, "none.test"), 0);
    assert_true(pump_until(loop, is_called, &outcome));
    assert_int_equal(outcome.error, ERROR_NOT_FOUND);
    assert_string_equal(outcome.name, "none.test");
    assert_null(host_cache_find(cache, "none.test"));
    /* More hosts than are kept, and one under way when the cache is freed. */
    for (unsigned i = 0; i < 40; i++) {
        char name[32];
        outcome.calls = 0;
        assert_true(text_format(name, sizeof(name), "192.0.2.%u", i));
        assert_int_equal(host_cache_look_up(cache, name), 0);
        assert_true(pump_until(loop, is_called, &outcome));
        assert_string_equal(host_cache_find(cache, name), name);
    }
    assert_null(host_cache_find(cache, "a.test"));
    outcome.calls = 0;
    assert_int_equal(host_cache_look_up(cache, "silent.test"), 0);
    host_cache_free(cache);
    host_cache_free(NULL);
    pump_for(loop, 20);
    assert_int_equal(outcome.calls, 0);
    resolver_free(resolver);
    responder_close(&responder);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
