#include "device/terminator.h"

#include "base/core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
/* After the standard headers it needs. */
#include <cmocka.h>

static struct loop *loop;
static struct terminator *terminator;
static char backend[64];
static struct device_config config = {
    .backend = backend, .backend_idle_s = 60, .max_connections = 8};

static void on_request(struct http_exchange *exchange, void *arg)
{
    (void)arg;
    http_exchange_respond(exchange, 404, "text/plain", "", 0);
}

static int set_up(void **state)
{
    (void)state;
    backend[0] = '\0';
    return loop_new(&loop) != 0 ||
           terminator_new(loop, &config, on_request, NULL, &terminator) != 0;
}

static int set_up_with_backend(void **state)
{
    (void)state;
    snprintf(backend, sizeof(backend), "127.0.0.1:9");
    return loop_new(&loop) != 0 ||
           terminator_new(loop, &config, on_request, NULL, &terminator) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    terminator_free(terminator);
    terminator_free(NULL);
    loop_free(loop);
    return 0;
}

static int listen_on(const char *first, const char *second, char *reason, size_t capacity)
{
    char texts[2][64];
    char *at[2] = {texts[0], texts[1]};
    struct conf_texts listen = {.at = at, .count = second != NULL ? 2 : 1};
    snprintf(texts[0], sizeof(texts[0]), "%s", first);
    snprintf(texts[1], sizeof(texts[1]), "%s", second != NULL ? second : "");
    config.serve = listen;
    int error = terminator_listen(terminator, reason, capacity);
    config.serve = (struct conf_texts){.count = 0};
    return error;
}

static void test_where_it_reaches_itself(void **state)
{
    (void)state;
    char reason[256] = "";
    char self[ADDRESS_TEXT_CAPACITY];
    char expected[64];
    assert_int_equal(listen_on(":0", "127.0.0.1:0", reason, sizeof(reason)), 0);
    assert_true(terminator_port(terminator) != 0);
    terminator_self_text(terminator, self);
    snprintf(expected, sizeof(expected), "127.0.0.1:%u",
             (unsigned)terminator_port(terminator));
    assert_string_equal(self, expected);
}

static void test_one_address(void **state)
{
    (void)state;
    char reason[256] = "";
    char self[ADDRESS_TEXT_CAPACITY];
    char expected[64];
    assert_int_equal(listen_on("127.0.0.2:0", NULL, reason, sizeof(reason)), 0);
    terminator_self_text(terminator, self);
    snprintf(expected, sizeof(expected), "127.0.0.2:%u",
             (unsigned)terminator_port(terminator));
    assert_string_equal(self, expected);
}

static void test_what_stands_in_the_way_is_named(void **state)
{
    (void)state;
    char reason[256] = "";
    char taken[64];
    assert_int_equal(listen_on("127.0.0.1:0", NULL, reason, sizeof(reason)), 0);
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", (unsigned)terminator_port(terminator));
    assert_int_equal(listen_on(taken, NULL, reason, sizeof(reason)), ERROR_IO);
    assert_non_null(strstr(reason, taken));
    assert_non_null(strstr(reason, "taken by test_terminator (pid "));
    assert_int_equal(listen_on("203.0.113.1:443", NULL, reason, sizeof(reason)),
                     ERROR_IO);
    assert_non_null(strstr(reason, "203.0.113.1:443"));
    assert_true(listen_on("nonsense", NULL, reason, sizeof(reason)) < 0);
    assert_non_null(strstr(reason, "nonsense"));
}

/* With a backend `serve` and `pages` are two; people are told of the former. */
static void test_backend_and_pages(void **state)
{
    (void)state;
    char reason[256] = "";
    char taken[64];
    char page[] = "127.0.0.1:0";
    char *pages[] = {page};
    config.pages = (struct conf_texts){.at = pages, .count = 1};
    assert_int_equal(listen_on("127.0.0.1:0", NULL, reason, sizeof(reason)), 0);
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", (unsigned)terminator_port(terminator));
    char *same[] = {taken};
    config.pages = (struct conf_texts){.at = same, .count = 1};
    assert_int_equal(listen_on("127.0.0.1:0", NULL, reason, sizeof(reason)), ERROR_IO);
    assert_non_null(strstr(reason, "pages = '"));
    assert_non_null(strstr(reason, taken));
    config.pages = (struct conf_texts){.count = 0};
}

/* Neither `serve` nor `pages`: another server has the certificate from live/. */
static void test_nothing_served(void **state)
{
    (void)state;
    char reason[256] = "";
    assert_int_equal(terminator_listen(terminator, reason, sizeof(reason)), 0);
    assert_int_equal(terminator_port(terminator), 0);
}

static void test_a_foreign_key_is_not_served(void **state)
{
    (void)state;
    static const char *const names[] = {"camera.local"};
    struct key *identity = NULL;
    struct cert *issuer = NULL;
    struct bundle bundle = {.key = NULL};
    int64_t now_at = clock_wall_at();
    assert_int_equal(key_generate(KEY_P256, &identity), 0);
    assert_int_equal(key_generate(KEY_P256, &bundle.key), 0);
    assert_int_equal(cert_make_identity(identity, "x", names, 1, &issuer), 0);
    assert_int_equal(cert_make_leaf(issuer, identity, bundle.key, names, 1, NULL, 0,
                                    now_at - 60, now_at + 60, &bundle.cert),
                     0);
    assert_int_equal(terminator_set(terminator, TLS_FALLBACK, &bundle), 0);
    struct bundle mixed = {.key = identity, .cert = bundle.cert};
    assert_int_equal(terminator_set(terminator, TLS_TRUSTED, &mixed), ERROR_CRYPTO);
    terminator_clear(terminator, TLS_TRUSTED);
    bundle_free(&bundle);
    cert_free(issuer);
    key_free(identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_where_it_reaches_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_stands_in_the_way_is_named, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_backend_and_pages, set_up_with_backend,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_foreign_key_is_not_served, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
