#include "base/core/text.h"

#include "tests/unit/vector.h"

/* RFC 4648 10, in our alphabets. */
static const struct {
    const char *plain;
    const char *hex;
    const char *base32;
    const char *base64url;
} encodings[] = {
    {"", "", "", ""},
    {"f", "66", "my", "Zg"},
    {"fo", "666f", "mzxq", "Zm8"},
    {"foo", "666f6f", "mzxw6", "Zm9v"},
    {"foob", "666f6f62", "mzxw6yq", "Zm9vYg"},
    {"fooba", "666f6f6261", "mzxw6ytb", "Zm9vYmE"},
    {"foobar", "666f6f626172", "mzxw6ytboi", "Zm9vYmFy"},
    {"\xff\xfe\xfd", "fffefd", "777p2", "__79"},
    {"\xfb\xef\xbe", "fbefbe", "7px34", "----"},
};

static void encoders_and_decoders_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
        const char *plain = encodings[i].plain;
        size_t plain_size = strlen(plain);
        char text[32];
        uint8_t data[16];
        size_t size = 99;
        text_hex(plain, plain_size, text);
        assert_string_equal(text, encodings[i].hex);
        assert_int_equal(strlen(text), TEXT_HEX_SIZE(plain_size));
        assert_int_equal(text_hex_decode(text, strlen(text), data, sizeof(data), &size),
                         0);
        assert_int_equal(size, plain_size);
        assert_memory_equal(data, plain, size);
        text_base32(plain, plain_size, text);
        assert_string_equal(text, encodings[i].base32);
        assert_int_equal(strlen(text), TEXT_BASE32_SIZE(plain_size));
        assert_int_equal(
            text_base32_decode(text, strlen(text), data, sizeof(data), &size), 0);
        assert_int_equal(size, plain_size);
        assert_memory_equal(data, plain, size);
        text_base64url(plain, plain_size, text);
        assert_string_equal(text, encodings[i].base64url);
        assert_int_equal(strlen(text), TEXT_BASE64URL_SIZE(plain_size));
        assert_int_equal(
            text_base64url_decode(text, strlen(text), data, sizeof(data), &size), 0);
        assert_int_equal(size, plain_size);
        assert_memory_equal(data, plain, size);
    }
}

static int decode64(const char *text)
{
    uint8_t data[16];
    size_t size = 77;
    int error = text_base64url_decode(text, strlen(text), data, sizeof(data), &size);
    assert_true(error == 0 || size == 77);
    return error;
}

static int decode32(const char *text)
{
    uint8_t data[16];
    size_t size = 77;
    int error = text_base32_decode(text, strlen(text), data, sizeof(data), &size);
    assert_true(error == 0 || size == 77);
    return error;
}

static int decode16(const char *text)
{
    uint8_t data[16];
    size_t size = 77;
    int error = text_hex_decode(text, strlen(text), data, sizeof(data), &size);
    assert_true(error == 0 || size == 77);
    return error;
}

static void one_value_has_one_text(void **state)
{
    (void)state;
    static const char *const bad64[] = {"Z",     "Zg==",  "Zg=",  "Zh",      "Zm9",
                                        "Zm9vY", "Z g",   "Zm+v", "Zm/v",    "Zg\n",
                                        "Zm9v.", "\x80g", "=",    "Zm9w\xff"};
    for (size_t i = 0; i < sizeof(bad64) / sizeof(bad64[0]); i++) {
        assert_int_equal(decode64(bad64[i]), ERROR_SYNTAX);
    }
    static const char *const bad32[] = {
        "m",  "mz", "mzx",  "mzxw6y", "my======", "m0",     "m1",
        "m8", "m9", "mzxr", "mzxw7a", "mzxw6yr",  "mz xq6y"};
    for (size_t i = 0; i < sizeof(bad32) / sizeof(bad32[0]); i++) {
        assert_int_equal(decode32(bad32[i]), ERROR_SYNTAX);
    }
    assert_int_equal(decode32("MzXw6YtB"), 0);
    assert_int_equal(decode16("6"), ERROR_SYNTAX);
    assert_int_equal(decode16("6g"), ERROR_SYNTAX);
    assert_int_equal(decode16("0x"), ERROR_SYNTAX);
    assert_int_equal(decode16("fF"), 0);
}

static void decoders_keep_to_the_capacity(void **state)
{
    (void)state;
    uint8_t data[4] = {0, 0, 0xee, 0};
    size_t size = 0;
    assert_int_equal(text_base64url_decode("Zm9v", 4, data, 2, &size), ERROR_LIMIT);
    assert_int_equal(data[2], 0xee);
    assert_int_equal(text_hex_decode("666f6f", 6, data, 2, &size), ERROR_LIMIT);
    assert_int_equal(data[2], 0xee);
    assert_int_equal(text_hex_decode("666f", 4, data, 2, &size), 0);
    assert_int_equal(size, 2);
}

static void numbers_are_digits_only(void **state)
{
    (void)state;
    uint64_t value = 77;
    static const char *const bad[] = {"",    " 1",  "1 ", "+1",  "-1",
                                      "0x1", "1.0", "a",  "1e3", "99999999999999999999x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(text_u64(bad[i], UINT64_MAX, &value), ERROR_SYNTAX);
    }
    assert_int_equal(value, 77);
    assert_int_equal(text_u64("18446744073709551616", UINT64_MAX, &value), ERROR_RANGE);
    assert_int_equal(text_u64("11", 10, &value), ERROR_RANGE);
    assert_int_equal(value, 77);
    assert_int_equal(text_u64("18446744073709551615", UINT64_MAX, &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(text_u64("10", 10, &value), 0);
    assert_int_equal(value, 10);
    assert_int_equal(text_u64("007", 10, &value), 0);
    assert_int_equal(value, 7);
    assert_int_equal(text_u64("0", 0, &value), 0);
    assert_int_equal(value, 0);
}

static void signed_numbers_reach_both_ends(void **state)
{
    (void)state;
    int64_t value = 77;
    assert_int_equal(text_i64("9223372036854775808", &value), ERROR_RANGE);
    assert_int_equal(text_i64("-9223372036854775809", &value), ERROR_RANGE);
    assert_int_equal(text_i64("--1", &value), ERROR_SYNTAX);
    assert_int_equal(text_i64("-", &value), ERROR_SYNTAX);
    assert_int_equal(text_i64("", &value), ERROR_SYNTAX);
    assert_int_equal(value, 77);
    assert_int_equal(text_i64("9223372036854775807", &value), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(text_i64("-9223372036854775808", &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(text_i64("-0", &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(text_i64("-12", &value), 0);
    assert_int_equal(value, -12);
}

static void durations_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t expected_s;
    } good[] = {{"90", 90},   {"90s", 90},      {"15m", 900},
                {"2h", 7200}, {"30d", 2592000}, {"0", 0}};
    uint64_t value = 77;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(text_duration(good[i].text, 2592000, &value), 0);
        assert_int_equal(value, good[i].expected_s);
    }
    static const char *const bad[] = {"",      "s",   "1w",   "1 h", "1hh",
                                      "1h30m", "-1s", "1.5h", "1S"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(text_duration(bad[i], UINT64_MAX, &value), ERROR_SYNTAX);
    }
    assert_int_equal(text_duration("31d", 2592000, &value), ERROR_RANGE);
    assert_int_equal(text_duration("999999999999999999d", UINT64_MAX, &value),
                     ERROR_RANGE);
    assert_int_equal(text_duration("99999999999999999999999", UINT64_MAX, &value),
                     ERROR_RANGE);
}

static void comparisons_are_ascii(void **state)
{
    (void)state;
    assert_true(text_equal_nocase("Replay-Nonce", "replay-nONCE"));
    assert_false(text_equal_nocase("a", "ab"));
    assert_false(text_equal_nocase("ab", "a"));
    assert_false(text_equal_nocase("[", "{")); /* 0x20 apart, but no letters */
    assert_true(text_equal_nocase("", ""));
    char text[] = "AbZ[\xc3\x84";
    text_lower(text);
    assert_string_equal(text, "abz[\xc3\x84");
    assert_true(text_starts_with("abc", "ab"));
    assert_true(text_starts_with("abc", ""));
    assert_false(text_starts_with("ab", "abc"));
    assert_true(text_ends_with("abc", "bc"));
    assert_true(text_ends_with("abc", ""));
    assert_false(text_ends_with("bc", "abc"));
}

static void copies_never_truncate(void **state)
{
    (void)state;
    char text[4] = "???";
    assert_true(text_copy(text, sizeof(text), "abc"));
    assert_string_equal(text, "abc");
    assert_false(text_copy(text, sizeof(text), "abcd"));
    assert_string_equal(text, "");
    assert_false(text_copy(text, 0, ""));
    assert_true(text_format(text, sizeof(text), "%d", 123));
    assert_string_equal(text, "123");
    assert_false(text_format(text, sizeof(text), "%d", 1234));
    assert_string_equal(text, "");
    assert_false(text_format(text, 0, "x"));
}

static void printable_text_is_tame(void **state)
{
    (void)state;
    char text[8];
    text_printable(text, sizeof(text), "a\nb\x1b\xc3\xa9~", 7);
    assert_string_equal(text, "a?b???~");
    text_printable(text, sizeof(text), "0123456789", 10);
    assert_string_equal(text, "0123456");
    text_printable(text, sizeof(text), "x\0y", 3);
    assert_string_equal(text, "x?y");
    text_printable(text, 1, "x", 1);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoders_and_decoders_agree),
        cmocka_unit_test(one_value_has_one_text),
        cmocka_unit_test(decoders_keep_to_the_capacity),
        cmocka_unit_test(numbers_are_digits_only),
        cmocka_unit_test(signed_numbers_reach_both_ends),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(comparisons_are_ascii),
        cmocka_unit_test(copies_never_truncate),
        cmocka_unit_test(printable_text_is_tame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
