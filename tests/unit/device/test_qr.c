#include "device/qr.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#define PIN "5tbi3ygzmvhtpk2szbglbzxmapxk5enbbxxn65a5bmvgswa236qa"
#define UPPER "5TBI3YGZMVHTPK2SZBGLBZXMAPXK5ENBBXXN65A5BMVGSWA236QA"

static struct own_addresses list(const char *const *texts, size_t count)
{
    struct own_addresses addresses = {.count = count};
    for (size_t i = 0; i < count; i++) {
        assert_true(lanname_address_parse(texts[i], &addresses.at[i]));
    }
    return addresses;
}

static void test_payload(void **state)
{
    (void)state;
    static const char *const both[] = {"192.168.1.51", "fd12:3456::1", "10.0.0.1"};
    struct own_addresses addresses = list(both, 3);
    struct own_addresses none = {.count = 0};
    char text[QR_PAYLOAD_CAPACITY];
    assert_int_equal(qr_payload(PIN, &addresses, 443, text), 0);
    assert_string_equal(text,
                        "LATCHKEY:1/K" UPPER "/A192.168.1.51/AFD12-3456-0-0-0-0-0-1");
    assert_int_equal(qr_payload(PIN, &addresses, 8443, text), 0);
    assert_string_equal(text, "LATCHKEY:1/K" UPPER
                              "/A192.168.1.51:8443/AFD12-3456-0-0-0-0-0-1:8443");
    assert_int_equal(qr_payload(PIN, &none, 443, text), 0);
    assert_string_equal(text, "LATCHKEY:1/K" UPPER);
    /* All of it in QR's alphanumeric set, or the code gets larger. */
    assert_int_equal(qr_payload(PIN, &addresses, 8443, text), 0);
    assert_int_equal(strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"),
                     strlen(text));
}

/* Reads the half blocks back into modules: 1 is dark. */
static size_t read_blocks(const char *text, unsigned char *modules, size_t capacity,
                          size_t *ret_width)
{
    size_t rows = 0;
    size_t width = 0;
    while (*text != '\0') {
        size_t x = 0;
        while (*text != '\n') {
            bool upper_light = false;
            bool lower_light = false;
            if (*text == ' ') {
                text++;
            } else {
                upper_light = (unsigned char)text[2] != 0x84;
                lower_light = (unsigned char)text[2] != 0x80;
                text += 3;
            }
            if ((rows + 1) * 64 + x < capacity) {
                modules[rows * 64 + x] = upper_light ? 0 : 1;
                modules[(rows + 1) * 64 + x] = lower_light ? 0 : 1;
            }
            x++;
        }
        width = x;
        rows += 2;
        text++;
    }
    *ret_width = width;
    return rows;
}

/* Reads MARK and the digits behind it. */
static size_t number_after(char mark, const char **at)
{
    size_t value = 0;
    assert_int_equal(**at, mark);
    for ((*at)++; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * 10 + (size_t)(**at - '0');
    }
    return value;
}

/* The terminal's drawing and the SVG show the same code, and it has QR's three finders.
 */
static void test_both_drawings_agree(void **state)
{
    (void)state;
    static unsigned char modules[64 * 66];
    static unsigned char drawn[64 * 66];
    size_t width = 0;
    struct buffer lines = buffer_init(64 << 10);
    struct buffer svg = buffer_init(64 << 10);
    assert_int_equal(qr_terminal("LATCHKEY:1/K" UPPER "/A192.168.1.51", false, &lines),
                     0);
    assert_int_equal(qr_svg("LATCHKEY:1/K" UPPER "/A192.168.1.51", "label", &svg), 0);
    read_blocks(buffer_text(&lines), modules, sizeof(modules), &width);
    assert_true(width >= 33 + 8 && width <= 45);
    const char *at = strstr(buffer_text(&svg), "d=\"");
    assert_non_null(at);
    at += 3;
    while (*at == 'M') { /* "M4 5h7v1h-7z" */
        size_t x = number_after('M', &at);
        size_t y = number_after(' ', &at);
        size_t run = number_after('h', &at);
        assert_true(y < 64 && x + run < 64);
        memset(&drawn[y * 64 + x], 1, run);
        at = strchr(at, 'z') + 1;
    }
    assert_int_equal(*at, '"');
    for (size_t row = 0; row < width; row++) {
        assert_memory_equal(&modules[row * 64], &drawn[row * 64], width);
    }
    static const unsigned char edge[] = {1, 1, 1, 1, 1, 1, 1, 0};
    assert_memory_equal(&drawn[4 * 64 + 4], edge, sizeof(edge));
    assert_memory_equal(&drawn[(width - 5) * 64 + 4], edge, sizeof(edge));
    assert_memory_equal(&drawn[4 * 64 + width - 11], edge, 7);
    buffer_free(&lines);
    buffer_free(&svg);
}

static void test_bounds(void **state)
{
    (void)state;
    struct buffer small = buffer_init(100);
    assert_int_equal(qr_svg("LATCHKEY:1", "label", &small), ERROR_LIMIT);
    buffer_free(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payload),
        cmocka_unit_test(test_both_drawings_agree),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
