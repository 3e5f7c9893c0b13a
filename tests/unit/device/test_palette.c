/* Every pair of colours that text and signs use on the pages, read from the style sheet
 * itself, has the contrast that WCAG 2.1 asks for. */
#include "device/palette.h"

#include "device/page_style.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* The color of the variable NAME in CSS, or in what comes before it. */
static uint32_t color_of(const char *css, const char *end, const char *name)
{
    char wanted[32];
    uint32_t color = 0;
    char text[8] = "";
    snprintf(wanted, sizeof(wanted), "--%s:#", name);
    const char *at = strstr(css, wanted);
    if (at == NULL || at >= end) {
        fail_msg("--%s is not in the style sheet", name);
    }
    at += strlen(wanted) - 1;
    size_t size = strspn(at + 1, "0123456789abcdef");
    if (size == 3) {
        snprintf(text, sizeof(text), "#%c%c%c%c%c%c", at[1], at[1], at[2], at[2], at[3],
                 at[3]);
    } else {
        snprintf(text, sizeof(text), "%.7s", at);
    }
    assert_true(palette_parse(text, &color));
    return color;
}

static void check_pairs(const char *css, const char *end, const char *scheme)
{
    static const struct {
        const char *front;
        const char *back;
        double least;
    } pairs[] = {
        {"ink", "ground", 4.5},
        {"ink", "card", 4.5},
        {"ink", "code", 4.5},
        {"ink", "good-ground", 4.5},
        {"ink", "warn-ground", 4.5},
        {"ink", "bad-ground", 4.5},
        {"soft", "ground", 4.5},
        {"soft", "card", 4.5},
        {"link", "ground", 4.5},
        {"link", "card", 4.5},
        {"link", "good-ground", 4.5},
        {"link", "warn-ground", 4.5},
        {"link", "bad-ground", 4.5},
        {"good", "good-ground", 4.5},
        {"warn", "warn-ground", 4.5},
        {"bad", "bad-ground", 4.5},
        /* The borders of fields and buttons, and the ring of what has the focus. */
        {"edge", "card", 3.0},
        {"link", "card", 3.0},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        double contrast = palette_contrast(color_of(css, end, pairs[i].front),
                                           color_of(css, end, pairs[i].back));
        if (contrast < pairs[i].least) {
            fail_msg("%s on %s (%s): %.2f", pairs[i].front, pairs[i].back, scheme,
                     contrast);
        }
    }
}

static void test_both_schemes(void **state)
{
    (void)state;
    const char *dark = strstr(page_style_css, "prefers-color-scheme:dark");
    assert_non_null(dark);
    check_pairs(page_style_css, dark, "light");
    check_pairs(dark, dark + strlen(dark), "dark");
    assert_true(palette_contrast(color_of(page_style_css, dark, "brand"),
                                 color_of(page_style_css, dark, "on-brand")) >= 4.5);
}

static void test_contrast(void **state)
{
    (void)state;
    assert_true(palette_contrast(0, 0xffffff) > 20.9);
    assert_true(palette_contrast(0xffffff, 0) < 21.1);
    assert_true(palette_contrast(0x777777, 0x777777) < 1.01);
    /* WebAIM's well-known border case: #767676 on white is 4.54. */
    double gray = palette_contrast(0x767676, 0xffffff);
    assert_true(gray > 4.48 && gray < 4.6);
}

static void test_text_on_any_colour_can_be_read(void **state)
{
    (void)state;
    for (uint32_t red = 0; red < 256; red += 5) {
        for (uint32_t green = 0; green < 256; green += 5) {
            for (uint32_t blue = 0; blue < 256; blue += 15) {
                uint32_t color = red << 16 | green << 8 | blue;
                uint32_t text = strcmp(palette_on(color), "#fff") == 0 ? 0xffffff : 0;
                assert_true(palette_contrast(color, text) >= 4.5);
            }
        }
    }
}

static void test_parse(void **state)
{
    (void)state;
    uint32_t color = 7;
    assert_true(palette_parse("#0b6B53", &color));
    assert_int_equal(color, 0x0b6b53);
    static const char *const bad[] = {"", "#", "0b6b53", "#0b6b5", "#0b6b533", "#0b6b5g"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(palette_parse(bad[i], &color));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_schemes),
        cmocka_unit_test(test_contrast),
        cmocka_unit_test(test_text_on_any_colour_can_be_read),
        cmocka_unit_test(test_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
