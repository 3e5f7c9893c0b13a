/* RFC 1123 2.1, and what would make trouble later: a name that browsers take for an address, or
 * that other software on the network looks for by itself (WPAD, ISATAP). */
#include "device/owner_host.h"

#include "base/core/text.h"

#include <stdint.h>
#include <string.h>

enum { LABEL_MAX = 63 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_ldh(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-';
}

/* RFC 3492 5: the digits a-z and 0-9; 36 for anything else. */
static uint32_t punycode_digit(char c)
{
    return is_digit(c)            ? (uint32_t)(c - '0') + 26
           : c >= 'a' && c <= 'z' ? (uint32_t)(c - 'a')
                                  : 36;
}

/* RFC 3492 6.1. */
static uint32_t adapt(uint32_t delta, uint32_t points, bool is_first)
{
    uint32_t k = 0;
    delta = is_first ? delta / 700 : delta / 2;
    delta += delta / points;
    for (; delta > 455; k += 36) {
        delta /= 35;
    }
    return k + 36 * delta / (delta + 38);
}

/* One delta of RFC 3492 6.2, added to *I; false when it ends early or grows beyond all Unicode. */
static bool read_delta(const char **at, const char *end, uint32_t bias, uint32_t *i)
{
    uint32_t weight = 1;
    for (uint32_t k = 36;; k += 36) {
        uint32_t digit = *at < end ? punycode_digit(*(*at)++) : 36;
        uint32_t limit = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
        if (digit >= 36 || digit > (UINT32_MAX - *i) / weight) {
            return false;
        }
        *i += digit * weight;
        if (digit < limit) {
            return true;
        }
        if (weight > UINT32_MAX / (36 - limit)) {
            return false;
        }
        weight *= 36 - limit;
    }
}

/* Whether the rest of an A-label stands for something: valid punycode with a code point that is
 * not ASCII. Where in the label it stands does not matter here. */
static bool is_punycode(const char *text, size_t size)
{
    const char *at = text;
    const char *end = text + size;
    uint32_t points = 0;
    uint32_t value = 128;
    uint32_t bias = 72;
    uint32_t i = 0;
    uint32_t found = 0;
    for (size_t j = size; j > 0; j--) {
        if (text[j - 1] == '-') {
            points = (uint32_t)(j - 1);
            at = text + j;
            break;
        }
    }
    while (at < end) {
        uint32_t before = i;
        if (!read_delta(&at, end, bias, &i)) {
            return false;
        }
        points++;
        found++;
        bias = adapt(i - before, points, before == 0);
        if (i / points > 0x10ffff - value) {
            return false;
        }
        value += i / points;
        i = i % points + 1;
        if (value >= 0xd800 && value <= 0xdfff) {
            return false;
        }
    }
    return found > 0;
}

/* NULL, or what is wrong with the label of SIZE characters. */
static const char *check_label(const char *label, size_t size)
{
    if (size == 0) {
        return "has an empty label: no two dots in a row, none at an end";
    }
    if (size > LABEL_MAX) {
        return "has a part of more than 63 characters between its dots";
    }
    for (size_t i = 0; i < size; i++) {
        if (!is_ldh(label[i])) {
            return "may hold letters a to z, digits, hyphens and dots only; an "
                   "international name "
                   "is written in its xn-- form";
        }
    }
    if (label[0] == '-' || label[size - 1] == '-') {
        return "has a part that begins or ends with a hyphen";
    }
    if (size >= 4 && label[2] == '-' && label[3] == '-' &&
        (strncmp(label, "xn", 2) != 0 || !is_punycode(label + 4, size - 4))) {
        return "has a part with '--' in it that is no international name";
    }
    return NULL;
}

static bool is_reserved(const char *label, size_t size)
{
    static const char *const labels[] = {"localhost", "wpad", "isatap"};
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        if (strlen(labels[i]) == size && memcmp(labels[i], label, size) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_number(const char *label, size_t size)
{
    size_t digits = 0;
    while (digits < size && is_digit(label[digits])) {
        digits++;
    }
    return digits == size || (size >= 2 && label[0] == '0' && label[1] == 'x' &&
                              strspn(label + 2, "0123456789abcdef") >= size - 2);
}

const char *owner_host_check(const char *host, char ret_host[static OWNER_HOST_CAPACITY])
{
    char name[OWNER_HOST_CAPACITY];
    const char *at = name;
    if (host[0] == '\0') {
        return "is missing";
    }
    if (!text_copy(name, sizeof(name), host)) {
        return "is longer than 253 characters";
    }
    text_lower(name);
    for (;;) {
        size_t size = strcspn(at, ".");
        const char *wrong = check_label(at, size);
        if (wrong != NULL) {
            return wrong;
        }
        if (at == name && is_reserved(at, size)) {
            return "is a name with a meaning of its own: take another first part";
        }
        if (at[size] == '\0') {
            /* As browsers see it: a name that ends in a number is an IPv4 address. */
            if (is_number(at, size)) {
                return "is no name: its last part is a number, as in an address";
            }
            if (is_reserved(at, size)) {
                return "is a name with a meaning of its own: take another last part";
            }
            break;
        }
        at += size + 1;
    }
    text_copy(ret_host, OWNER_HOST_CAPACITY, name);
    return NULL;
}
