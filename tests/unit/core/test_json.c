#include "base/core/json.h"
#include "base/core/limits.h"

#include "tests/unit/vector.h"

static int parse(const char *text)
{
    json_t *value = NULL;
    int error = json_parse(text, strlen(text), LIMIT_JSON_BYTES, &value);
    assert_true((error == 0) == (value != NULL));
    json_decref(value);
    return error;
}

/* A case: `input` and `expect`, which is an error's name or the compact dump. */
static void check_case(const char *suite, const char *name)
{
    struct buffer input = vector_file(suite, name, "input");
    struct buffer expect = vector_file(suite, name, "expect");
    struct buffer dump = buffer_init(LIMIT_JSON_BYTES);
    json_t *value = NULL;
    int error = json_parse(input.data, input.size, LIMIT_JSON_BYTES, &value);
    if (text_starts_with(buffer_text(&expect), "ERROR ")) {
        assert_int_equal(error, vector_error(buffer_text(&expect) + 6));
        assert_null(value);
    } else {
        assert_int_equal(error, 0);
        assert_int_equal(json_dump(value, &dump), 0);
        assert_string_equal(buffer_text(&dump), buffer_text(&expect));
    }
    json_decref(value);
    buffer_free(&input);
    buffer_free(&expect);
    buffer_free(&dump);
}

static void vectors(void **state)
{
    (void)state;
    vector_each("json", 15, check_case);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    struct buffer text = buffer_init(1000);
    for (int i = 0; i < LIMIT_JSON_DEPTH; i++) {
        buffer_append_u8(&text, '[');
    }
    for (int i = 0; i < LIMIT_JSON_DEPTH; i++) {
        buffer_append_u8(&text, ']');
    }
    assert_int_equal(parse(buffer_text(&text)), 0);
    buffer_reset(&text);
    for (int i = 0; i <= LIMIT_JSON_DEPTH; i++) {
        buffer_append_text(&text, i % 2 == 0 ? "[" : "{\"a\":");
    }
    assert_int_equal(parse(buffer_text(&text)), ERROR_LIMIT);
    buffer_free(&text);
    /* Brackets in strings do not count, whatever is escaped. */
    assert_int_equal(parse("[\"[[[[[[[[[[[[[[[[[[[[[[[[[\"]"), 0);
    assert_int_equal(parse("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[\"]"), 0);
    /* Siblings are not depth. */
    assert_int_equal(parse("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]"),
                     0);
}

static void size_is_bounded(void **state)
{
    (void)state;
    json_t *value = NULL;
    assert_int_equal(json_parse("[1]", 3, 2, &value), ERROR_LIMIT);
    assert_null(value);
    assert_int_equal(json_parse("[1]", 3, 3, &value), 0);
    json_decref(value);
    value = NULL;
    /* Exactly SIZE bytes are read. */
    assert_int_equal(json_parse("[1]garbage", 3, 10, &value), 0);
    json_decref(value);
    value = NULL;
    assert_int_equal(json_parse("", 0, 10, &value), ERROR_SYNTAX);
}

static void getters_look_at_types(void **state)
{
    (void)state;
    static const char text[] = "{\"t\":\"x\",\"i\":-5,\"r\":1.5,\"b\":true,\"f\":false,"
                               "\"n\":null,\"o\":{},\"a\":[]}";
    json_t *object = NULL;
    assert_int_equal(json_parse(text, strlen(text), 1000, &object), 0);
    assert_string_equal(json_get_text(object, "t"), "x");
    assert_null(json_get_text(object, "i"));
    assert_null(json_get_text(object, "n"));
    assert_null(json_get_text(object, "absent"));
    assert_int_equal(json_get_i64(object, "i", 7), -5);
    assert_int_equal(json_get_i64(object, "r", 7), 7);
    assert_int_equal(json_get_i64(object, "t", 7), 7);
    assert_int_equal(json_get_i64(object, "absent", 7), 7);
    assert_true(json_get_bool(object, "b", false));
    assert_false(json_get_bool(object, "f", true));
    assert_true(json_get_bool(object, "i", true));
    assert_non_null(json_get_object(object, "o"));
    assert_null(json_get_object(object, "a"));
    assert_non_null(json_get_array(object, "a"));
    assert_null(json_get_array(object, "o"));
    /* Not an object at all. */
    assert_null(json_get_text(json_object_get(object, "a"), "t"));
    assert_null(json_get_text(NULL, "t"));
    assert_int_equal(json_get_i64(NULL, "t", 3), 3);
    json_decref(object);
}

static void setters_build_objects(void **state)
{
    (void)state;
    json_t *object = json_object();
    struct buffer dump = buffer_init(1000);
    assert_int_equal(json_set_text(object, "z", "a\"b\n"), 0);
    assert_int_equal(json_set_text(object, "none", NULL), 0);
    assert_int_equal(json_set_i64(object, "i", INT64_MIN), 0);
    assert_int_equal(json_set_bool(object, "b", true), 0);
    assert_int_equal(json_set_take(object, "a", json_array()), 0);
    assert_int_equal(json_set_take(object, "m", NULL), ERROR_MEMORY);
    static const char *const bad[] = {"\xff",
                                      "\x80",
                                      "\xc3",
                                      "\xc0\xaf",
                                      "\xe0\x80\x80",
                                      "a\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xe2\x82",
                                      "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(json_set_text(object, "bad", bad[i]), ERROR_SYNTAX);
        assert_null(json_string(bad[i])); /* jansson thinks so, too */
    }
    static const char *const fine[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                       "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        assert_int_equal(json_set_text(object, "fine", fine[i]), 0);
        json_object_del(object, "fine");
    }
    assert_int_equal(json_dump(object, &dump), 0);
    assert_string_equal(
        buffer_text(&dump),
        "{\"z\":\"a\\\"b\\n\",\"i\":-9223372036854775808,\"b\":true,\"a\":[]}");
    json_decref(object);
    buffer_free(&dump);
}

static void dumps_are_bounded(void **state)
{
    (void)state;
    json_t *object = json_object();
    struct buffer dump = buffer_init(5);
    assert_int_equal(json_set_text(object, "key", "value"), 0);
    assert_int_equal(json_dump(object, &dump), ERROR_LIMIT);
    buffer_free(&dump);
    dump = buffer_init(100);
    assert_int_equal(json_dump(NULL, &dump), ERROR_INTERNAL);
    assert_string_equal(buffer_text(&dump), "");
    json_decref(object);
    buffer_free(&dump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(getters_look_at_types),
        cmocka_unit_test(setters_build_objects),
        cmocka_unit_test(dumps_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
