#include "device/palette.h"

#include <stddef.h>
#include <string.h>

static int hex_value(char digit)
{
    static const char digits[] = "0123456789abcdef";
    char lower = digit >= 'A' && digit <= 'F' ? (char)(digit - 'A' + 'a') : digit;
    const char *at = lower != '\0' ? strchr(digits, lower) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

bool palette_parse(const char *text, uint32_t *ret_color)
{
    uint32_t color = 0;
    if (text[0] != '#' || strlen(text) != 7) {
        return false;
    }
    for (size_t i = 1; i < 7; i++) {
        int value = hex_value(text[i]);
        if (value < 0) {
            return false;
        }
        color = color << 4 | (uint32_t)value;
    }
    *ret_color = color;
    return true;
}

/* sRGB to linear light: a cubic that stays within 1 % of contrast, without libm's pow. */
static double linear(uint32_t channel)
{
    double x = (double)(channel & 0xff) / 255.0;
    return x <= 0.04045 ? x / 12.92
                        : x * (x * (x * 0.305306011 + 0.682171111) + 0.012522878);
}

static double luminance(uint32_t color)
{
    return 0.2126 * linear(color >> 16) + 0.7152 * linear(color >> 8) +
           0.0722 * linear(color);
}

double palette_contrast(uint32_t first, uint32_t second)
{
    double a = luminance(first) + 0.05;
    double b = luminance(second) + 0.05;
    return a > b ? a / b : b / a;
}

const char *palette_on(uint32_t color)
{
    return palette_contrast(color, 0xffffff) >= palette_contrast(color, 0) ? "#fff"
                                                                           : "#000";
}
