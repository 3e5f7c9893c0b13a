/* What a captured worker may ask the agent to sign. The input's first line is the
 * protected header and the rest the payload; they are encoded here, so that the fuzzer
 * gets past base64url. Whatever is allowed must name the configured origin. */
#include "device/signing_rules.h"

#include "base/core/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* RFC 7515 A.3.1's public key. */
static const char jwk[] = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
                          "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                          "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct key *make_key(void)
{
    json_error_t error;
    struct key *key = NULL;
    json_t *value = json_loads(jwk, 0, &error);
    if (value == NULL || key_from_jwk(value, &key) != 0) {
        abort();
    }
    json_decref(value);
    return key;
}

static void add(struct buffer *input, const uint8_t *data, size_t size)
{
    char *text = malloc(TEXT_BASE64URL_SIZE(size) + 1);
    if (text == NULL) {
        abort();
    }
    text_base64url(data, size, text);
    buffer_append_text(input, text);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct key *key;
    char reason[128] = "";
    char id[KEY_ID_SIZE + 1];
    if (key == NULL) {
        key = make_key();
    }
    if (key_id(key, id) != 0) {
        abort();
    }
    struct signing_rules rules = {
        .key = key, .id = id, .directory = "https://relay/acme/directory", .csr = "Q1NS"};
    const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t header_size = line != NULL ? (size_t)(line - data) : size;
    struct buffer input = buffer_init(1 << 20);
    add(&input, data, header_size);
    buffer_append_text(&input, ".");
    if (line != NULL) {
        add(&input, line + 1, size - header_size - 1);
    }
    if (input.error == 0) {
        int error = signing_rules_check(&rules, buffer_text(&input), input.size, reason,
                                        sizeof(reason));
        if (error == 0 && memmem(data, size, "relay", 5) == NULL) {
            abort();
        }
        if (error != 0 && reason[0] == '\0') {
            abort();
        }
    }
    /* And the raw bytes as they are. */
    if (signing_rules_check(&rules, (const char *)data, size, reason, sizeof(reason)) ==
            0 &&
        size == 0) {
        abort();
    }
    buffer_free(&input);
    return 0;
}
