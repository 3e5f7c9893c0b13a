/* Encodings are strict on purpose: one value has exactly one text. Two texts for one key,
 * nonce or signature would get past every comparison that is made on the text. */
#include "base/core/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char hex_alphabet[] = "0123456789abcdef";
static const char base32_alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char base64url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Writes the bits of DATA in groups of BITS, most significant first. */
static void encode(const uint8_t *data, size_t size, const char *alphabet, unsigned bits,
                   char *ret_text)
{
    uint32_t pending = 0;
    unsigned pending_bits = 0;
    const uint32_t mask = (1u << bits) - 1;
    for (size_t i = 0; i < size; i++) {
        pending = (pending << 8 | data[i]) & 0xffff;
        pending_bits += 8;
        while (pending_bits >= bits) {
            pending_bits -= bits;
            *ret_text++ = alphabet[pending >> pending_bits & mask];
        }
    }
    if (pending_bits > 0) {
        *ret_text++ = alphabet[pending << (bits - pending_bits) & mask];
    }
    *ret_text = '\0';
}

void text_hex(const void *data, size_t size, char *ret_text)
{
    encode(data, size, hex_alphabet, 4, ret_text);
}

void text_base32(const void *data, size_t size, char *ret_text)
{
    encode(data, size, base32_alphabet, 5, ret_text);
}

void text_base64url(const void *data, size_t size, char *ret_text)
{
    encode(data, size, base64url_alphabet, 6, ret_text);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int hex_value(char c)
{
    c = lower(c);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int base32_value(char c)
{
    c = lower(c);
    if (c >= 'a' && c <= 'z') {
        return c - 'a';
    }
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* The reverse of encode. A length is impossible when its last character carries no bit of
 * an octet. */
static int decode(const char *text, size_t size, int (*value_of)(char), unsigned bits,
                  uint8_t *ret_data, size_t capacity, size_t *ret_size)
{
    uint32_t pending = 0;
    unsigned pending_bits = 0;
    size_t used = 0;
    if (size > SIZE_MAX / bits || size * bits % 8 >= bits) {
        return ERROR_SYNTAX;
    }
    for (size_t i = 0; i < size; i++) {
        int value = value_of(text[i]);
        if (value < 0) {
            return ERROR_SYNTAX;
        }
        pending = (pending << bits | (uint32_t)value) & 0xffff;
        pending_bits += bits;
        if (pending_bits < 8) {
            continue;
        }
        pending_bits -= 8;
        if (used == capacity) {
            return ERROR_LIMIT;
        }
        ret_data[used++] = (uint8_t)(pending >> pending_bits);
    }
    if ((pending & ((1u << pending_bits) - 1)) != 0) {
        return ERROR_SYNTAX;
    }
    *ret_size = used;
    return 0;
}

int text_hex_decode(const char *text, size_t size, uint8_t *ret_data, size_t capacity,
                    size_t *ret_size)
{
    return decode(text, size, hex_value, 4, ret_data, capacity, ret_size);
}

int text_base32_decode(const char *text, size_t size, uint8_t *ret_data, size_t capacity,
                       size_t *ret_size)
{
    return decode(text, size, base32_value, 5, ret_data, capacity, ret_size);
}

int text_base64url_decode(const char *text, size_t size, uint8_t *ret_data,
                          size_t capacity, size_t *ret_size)
{
    return decode(text, size, base64url_value, 6, ret_data, capacity, ret_size);
}

/* Digits from TEXT on; *RET_END is the first character that is none. */
static int read_digits(const char *text, uint64_t max, const char **ret_end,
                       uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *at = text;
    bool is_above = false;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (is_above || value > max / 10 || value * 10 > max - digit) {
            is_above = true; /* but a foreign character further on is the graver fault */
            continue;
        }
        value = value * 10 + digit;
    }
    if (at == text) {
        return ERROR_SYNTAX;
    }
    *ret_end = at;
    *ret_value = value;
    return is_above ? ERROR_RANGE : 0;
}

int text_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
    const char *end = text;
    uint64_t value = 0;
    int error = read_digits(text, max, &end, &value);
    if (error == ERROR_SYNTAX || *end != '\0') {
        return ERROR_SYNTAX;
    }
    if (error == 0) {
        *ret_value = value;
    }
    return error;
}

int text_i64(const char *text, int64_t *ret_value)
{
    bool is_negative = text[0] == '-';
    uint64_t value = 0;
    uint64_t max = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    int error = text_u64(text + (is_negative ? 1 : 0), max, &value);
    if (error != 0) {
        return error;
    }
    if (!is_negative) {
        *ret_value = (int64_t)value;
    } else {
        /* -(INT64_MIN) is no int64_t. */
        *ret_value = value == 0 ? 0 : -(int64_t)(value - 1) - 1;
    }
    return 0;
}

/* Seconds in one of the unit, 0 for a letter that is none. */
static uint64_t unit_s(const char *unit)
{
    if (unit[0] == '\0') {
        return 1;
    }
    if (unit[1] != '\0') {
        return 0;
    }
    switch (unit[0]) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    default:
        return 0;
    }
}

int text_duration(const char *text, uint64_t max_s, uint64_t *ret_s)
{
    const char *end = text;
    uint64_t count = 0;
    int error = read_digits(text, UINT64_MAX, &end, &count);
    if (error == ERROR_SYNTAX || unit_s(end) == 0) {
        return ERROR_SYNTAX;
    }
    if (error != 0 || count > max_s / unit_s(end)) {
        return ERROR_RANGE;
    }
    *ret_s = count * unit_s(end);
    return 0;
}

bool text_equal_nocase(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

void text_lower(char *text)
{
    for (; *text != '\0'; text++) {
        *text = lower(*text);
    }
}

bool text_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends_with(const char *text, const char *suffix)
{
    size_t size = strlen(text);
    size_t suffix_size = strlen(suffix);
    return size >= suffix_size &&
           memcmp(text + size - suffix_size, suffix, suffix_size) == 0;
}

bool text_copy(char *ret_text, size_t capacity, const char *text)
{
    size_t size = strlen(text);
    if (size >= capacity) {
        if (capacity > 0) {
            ret_text[0] = '\0';
        }
        return false;
    }
    memcpy(ret_text, text, size + 1);
    return true;
}

bool text_format(char *ret_text, size_t capacity, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(ret_text, capacity, format, arguments);
    va_end(arguments);
    if (size >= 0 && (size_t)size < capacity) {
        return true;
    }
    if (capacity > 0) {
        ret_text[0] = '\0';
    }
    return false;
}

void text_printable(char *ret_text, size_t capacity, const char *text, size_t size)
{
    size_t used = 0;
    if (capacity == 0) {
        return;
    }
    for (; used < size && used < capacity - 1; used++) {
        ret_text[used] = text[used] >= 0x20 && text[used] < 0x7f ? text[used] : '?';
    }
    ret_text[used] = '\0';
}
