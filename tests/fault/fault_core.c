/* Every allocation of base/core fails once on a path that would succeed. */
#include "base/core/conf.h"
#include "base/core/json.h"
#include "base/core/limits.h"

#include "tests/fault/allocation.h"
#include "tests/unit/vector.h"

static int use_buffer(void)
{
    struct buffer plain = buffer_init(10000);
    struct buffer secret = buffer_init_secret(10000);
    char *taken = NULL;
    for (int i = 0; i < 200; i++) {
        buffer_printf(&plain, "line %d\n", i);
        buffer_append(&secret, "0123456789abcdef", 16);
    }
    int error = plain.error != 0 ? plain.error : secret.error;
    if (error == 0) {
        assert_int_equal(secret.size, 3200);
        taken = buffer_take(&plain);
        assert_non_null(taken);
        assert_true(text_ends_with(taken, "line 199\n"));
    }
    free(taken);
    buffer_free(&plain);
    buffer_free(&secret);
    return error;
}

static int take_empty(void)
{
    struct buffer buffer = buffer_init(10);
    char *text = buffer_take(&buffer);
    int error = text == NULL ? ERROR_MEMORY : 0;
    free(text);
    return error;
}

static int use_json(void)
{
    static const char text[] =
        "{\"a\":[1,2.5,\"x\\u00e9\",{\"b\":null}],\"c\":{\"d\":true}}";
    json_t *value = NULL;
    struct buffer dump = buffer_init(LIMIT_JSON_BYTES);
    int error = json_parse(text, strlen(text), LIMIT_JSON_BYTES, &value);
    if (error == 0) {
        error = json_set_text(value, "added", "text");
    }
    if (error == 0) {
        error = json_set_i64(value, "number", 5);
    }
    if (error == 0) {
        error = json_set_bool(value, "flag", true);
    }
    if (error == 0) {
        error = json_set_take(value, "list", json_array());
    }
    if (error == 0) {
        error = json_dump(value, &dump);
    }
    if (error == 0) {
        assert_string_equal(
            buffer_text(&dump),
            "{\"a\":[1,2.5,\"x\xc3\xa9\",{\"b\":null}],\"c\":{\"d\":true},"
            "\"added\":\"text\",\"number\":5,\"flag\":true,\"list\":[]}");
    }
    json_decref(value);
    buffer_free(&dump);
    return error;
}

static int build_json(void)
{
    struct buffer dump = buffer_init(LIMIT_JSON_BYTES);
    json_t *value = json_object();
    int error = value == NULL ? ERROR_MEMORY : json_set_text(value, "added", "text");
    if (error == 0) {
        error = json_set_i64(value, "number", 5);
    }
    if (error == 0) {
        error = json_dump(value, &dump);
    }
    if (error == 0) {
        assert_string_equal(buffer_text(&dump), "{\"added\":\"text\",\"number\":5}");
    }
    json_decref(value);
    buffer_free(&dump);
    return error;
}

struct sample {
    char *zone;
    char *name;
    struct conf_texts listen;
    struct conf_texts peers;
};

static const struct conf_row rows[] = {
    {.section = "a",
     .key = "zone",
     .type = CONF_TEXT,
     .offset = offsetof(struct sample, zone)},
    {.section = "a",
     .key = "name",
     .type = CONF_TEXT,
     .offset = offsetof(struct sample, name),
     .fallback = "n"},
    {.section = "a",
     .key = "listen",
     .type = CONF_TEXTS,
     .offset = offsetof(struct sample, listen),
     .max_count = 8},
    {.section = "a",
     .key = "peer",
     .type = CONF_TEXTS,
     .offset = offsetof(struct sample, peers),
     .fallback = "p q",
     .max_count = 8},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static int use_conf(void)
{
    static const char text[] = "[a]\nzone = z\nlisten = 1 2\nlisten = 3\n";
    struct sample sample = {0};
    struct buffer report = buffer_init(4096);
    int error = conf_parse("x", text, rows, ROW_COUNT, &sample, &report);
    if (error == 0) {
        assert_string_equal(sample.zone, "z");
        assert_string_equal(sample.name, "n");
        assert_int_equal(sample.listen.count, 3);
        assert_int_equal(sample.peers.count, 2);
    }
    conf_free(rows, ROW_COUNT, &sample);
    buffer_free(&report);
    return error;
}

static void buffers(void **state)
{
    (void)state;
    assert_true(allocation_each(use_buffer, true) > 5);
    assert_int_equal(allocation_each(take_empty, true), 1);
}

static void json(void **state)
{
    (void)state;
    /* jansson calls a failed allocation inside a string an invalid token. */
    assert_true(allocation_each(use_json, false) > 20);
    assert_true(allocation_each(build_json, true) > 5);
}

static void configuration(void **state)
{
    (void)state;
    assert_true(allocation_each(use_conf, true) > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers),
        cmocka_unit_test(json),
        cmocka_unit_test(configuration),
    };
    allocation_hook();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
