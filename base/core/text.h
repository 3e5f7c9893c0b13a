/* Text encodings and number parsing, each with exact bounds. None allocates, none blocks.
 */
#ifndef BASE_CORE_TEXT_H
#define BASE_CORE_TEXT_H

#include "base/core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sizes of encoded text, without the NUL. */
#define TEXT_HEX_SIZE(bytes) ((bytes)*2)
#define TEXT_BASE32_SIZE(bytes) (((bytes)*8 + 4) / 5)
#define TEXT_BASE64URL_SIZE(bytes) (((bytes)*4 + 2) / 3)

/* Encoders write SIZE encoded octets and a NUL; RET_TEXT must hold TEXT_..._SIZE(size)
 * + 1. */
void text_hex(const void *data, size_t size, char *ret_text); /* lower case */
void text_base32(const void *data, size_t size,
                 char *ret_text); /* RFC 4648, lower, unpadded */
void text_base64url(const void *data, size_t size,
                    char *ret_text); /* RFC 7515 2, unpadded */

/* Decoders read exactly SIZE characters. ERROR_SYNTAX on a foreign character, padding, an
 * impossible length or unused bits that are not zero; ERROR_LIMIT when CAPACITY is too
 * small. */
int text_hex_decode(const char *text, size_t size, uint8_t *ret_data, size_t capacity,
                    size_t *ret_size) MUST_CHECK;
int text_base32_decode(const char *text, size_t size, uint8_t *ret_data, size_t capacity,
                       size_t *ret_size) MUST_CHECK; /* any case */
int text_base64url_decode(const char *text, size_t size, uint8_t *ret_data,
                          size_t capacity, size_t *ret_size) MUST_CHECK;

/* A decimal number, digits only (text_i64: one leading '-'), the whole string.
 * ERROR_SYNTAX, ERROR_RANGE when above MAX. */
int text_u64(const char *text, uint64_t max, uint64_t *ret_value) MUST_CHECK;
int text_i64(const char *text, int64_t *ret_value) MUST_CHECK;
/* "90", "90s", "15m", "2h", "30d" -> seconds. */
int text_duration(const char *text, uint64_t max_s, uint64_t *ret_s) MUST_CHECK;

/* ASCII only, whatever the locale. */
bool text_equal_nocase(const char *a, const char *b);
void text_lower(char *text);
bool text_starts_with(const char *text, const char *prefix);
bool text_ends_with(const char *text, const char *suffix);
/* Copies; false and "" when CAPACITY (with NUL) is too small. Never truncates. */
bool text_copy(char *ret_text, size_t capacity, const char *text);
/* snprintf that returns false and leaves "" instead of truncating. */
bool text_format(char *ret_text, size_t capacity, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Copies remote text for a log or a page: printable ASCII stays, everything else becomes
 * '?', and it is cut at CAPACITY - 1. */
void text_printable(char *ret_text, size_t capacity, const char *text, size_t size);

/* RFC 3339 UTC ("2026-11-21T06:30:00Z") of WALL seconds since 1970; RET_TEXT holds 21
 * bytes. */
#define TEXT_TIME_CAPACITY 32
/* Times before year 0 and after 9999 become the nearest of these. */
void text_time(int64_t at, char ret_text[static TEXT_TIME_CAPACITY]);
/* RFC 3339 with any offset, fraction ignored -> seconds since 1970. */
int text_time_parse(const char *text, int64_t *ret_at) MUST_CHECK;
/* IMF-fixdate (RFC 9110 5.6.7) of seconds since 1970, clamped as text_time does. */
void text_http_date(int64_t at, char ret_text[static TEXT_TIME_CAPACITY]);
/* The three HTTP-date forms of RFC 9110 5.6.7 -> seconds since 1970. */
int text_http_date_parse(const char *text, int64_t *ret_at) MUST_CHECK;

#endif
