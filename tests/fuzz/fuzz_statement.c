/* A relay's statements, as a captured worker or relay may bring them. The first line is the
 * protected header and the rest the payload; they are signed here, so that the fuzzer gets past
 * the signature. Then the raw bytes as they are. */
#include "acme/statement.h"

#include "base/core/text.h"

#include "tests/fuzz/require.h"

#include <string.h>

#define URL "https://r/time"
#define FROM "https://r/dir"
#define NONCE "AAAAAAAAAAAAAAAAAAAAAA"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_both(const struct key *key, const void *data, size_t size)
{
    struct statement_time time;
    struct statement_move move;

    if (statement_read_time(data, size, key, URL, NONCE, &time) == 0)
        REQUIRE(time.at > 0);
    if (statement_read_move(data, size, key, FROM, &move) == 0)
        REQUIRE(move.serial > 0 && strncmp(move.to, "https://", 8) == 0 &&
                strcmp(move.from, FROM) == 0);
}

static void add(const uint8_t *data, size_t size, struct buffer *text)
{
    char *encoded = malloc(TEXT_BASE64URL_SIZE(size) + 1);

    REQUIRE(encoded != NULL);
    text_base64url(data, size, encoded);
    buffer_append_text(text, encoded);
    free(encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct key *key;
    uint8_t signature[KEY_SIGNATURE_MAX];
    char signature_text[TEXT_BASE64URL_SIZE(KEY_SIGNATURE_MAX) + 1];
    size_t signature_size = 0;
    const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
    struct buffer header = buffer_init(1 << 16);
    struct buffer payload = buffer_init(1 << 16);
    struct buffer text = buffer_init(1 << 18);

    if (key == NULL)
        REQUIRE(key_generate(KEY_P256, &key) == 0);
    if (line != NULL && size < (1 << 14)) {
        add(data, (size_t)(line - data), &header);
        add(line + 1, size - (size_t)(line - data) - 1, &payload);
        buffer_printf(&text, "%s.%s", buffer_text(&header), buffer_text(&payload));
        REQUIRE(key_sign(key, text.data, text.size, signature, &signature_size) == 0);
        text_base64url(signature, signature_size, signature_text);
        buffer_reset(&text);
        buffer_printf(&text,
                      "{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}",
                      buffer_text(&header), buffer_text(&payload), signature_text);
        read_both(key, text.data, text.size);
    }
    read_both(key, data, size);
    buffer_free(&header);
    buffer_free(&payload);
    buffer_free(&text);
    return 0;
}
