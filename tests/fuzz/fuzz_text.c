/* Encodings, numbers and dates: what is accepted has exactly one text, which is the
 * input. */
#include "base/core/text.h"

#include "tests/fuzz/require.h"

#include <string.h>

enum { INPUT_MAX = 4096 };

static void decode_all(const char *text, size_t size)
{
    static uint8_t octets[INPUT_MAX];
    static char again[2 * INPUT_MAX + 1];
    size_t used = 0;
    if (text_base64url_decode(text, size, octets, sizeof(octets), &used) == 0) {
        text_base64url(octets, used, again);
        REQUIRE(strlen(again) == size && memcmp(again, text, size) == 0);
    }
    static char lower[INPUT_MAX + 1];
    memcpy(lower, text, size);
    lower[size] = '\0';
    text_lower(lower);
    if (text_base32_decode(text, size, octets, sizeof(octets), &used) == 0) {
        text_base32(octets, used, again);
        REQUIRE(strcmp(again, lower) == 0);
    }
    if (text_hex_decode(text, size, octets, sizeof(octets), &used) == 0) {
        text_hex(octets, used, again);
        REQUIRE(strcmp(again, lower) == 0);
    }
    /* A capacity that is one too small is told, and kept. */
    if (text_base64url_decode(text, size, octets, sizeof(octets), &used) == 0 &&
        used > 0) {
        octets[used - 1] = 0x5a;
        size_t unused = 0;
        REQUIRE(text_base64url_decode(text, size, octets, used - 1, &unused) ==
                ERROR_LIMIT);
        REQUIRE(octets[used - 1] == 0x5a);
    }
}

static void read_dates(const char *text)
{
    int64_t at = 0;
    int64_t again_at = 0;
    char written[TEXT_TIME_CAPACITY];
    if (text_time_parse(text, &at) == 0 && at >= -62167219200 && at <= 253402300799) {
        text_time(at, written);
        REQUIRE(text_time_parse(written, &again_at) == 0);
        REQUIRE(again_at == at);
    }
    if (text_http_date_parse(text, &at) == 0) {
        text_time(at, written);
        REQUIRE(text_time_parse(written, &again_at) == 0);
        REQUIRE(again_at == at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX) {
        return 0;
    }
    decode_all((const char *)data, size);
    char *text = malloc(size + 1);
    REQUIRE(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    read_dates(text);
    uint64_t number = 0;
    int64_t signed_number = 0;
    if (text_u64(text, 1000, &number) == 0) {
        REQUIRE(number <= 1000);
    }
    if (text_i64(text, &signed_number) == 0 && signed_number >= 0) {
        REQUIRE(text[0] == '-' || text_u64(text, INT64_MAX, &number) == 0);
    }
    if (text_duration(text, 86400, &number) == 0) {
        REQUIRE(number <= 86400);
    }
    char printable[64];
    text_printable(printable, sizeof(printable), (const char *)data, size);
    for (const char *at = printable; *at != '\0'; at++) {
        REQUIRE(*at >= 0x20 && *at < 0x7f);
    }
    free(text);
    return 0;
}
