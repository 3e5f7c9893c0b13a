/* One secret file gives every MAC key of the relay. Each use has a label of its own and
 * the zone in its input, so that a key for one purpose says nothing about another. */
#include "relay/store/token.h"

#include "base/core/file.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"
#include "relay/store/private_file.h"

#include <string.h>

static int secret_make(const char *path, uint8_t ret_secret[static TOKEN_SECRET_SIZE])
{
    uint8_t secret[TOKEN_SECRET_SIZE];
    char text[TEXT_HEX_SIZE(TOKEN_SECRET_SIZE) + 2];
    int result = random_bytes(secret, sizeof(secret));
    if (result == 0) {
        text_hex(secret, sizeof(secret), text);
        text[sizeof(text) - 2] = '\n';
        result = file_write_new(path, text, sizeof(text) - 1, 0640);
    }
    if (result == 0) {
        memcpy(ret_secret, secret, sizeof(secret));
    }
    digest_wipe(secret, sizeof(secret));
    digest_wipe(text, sizeof(text));
    return result;
}

static int secret_load(const char *path, uint8_t ret_secret[static TOKEN_SECRET_SIZE])
{
    struct buffer text = buffer_init_secret(256);
    size_t size = 0;
    uint8_t secret[TOKEN_SECRET_SIZE];
    int result = private_file_read(path, PRIVATE_FILE_GROUP, &text);
    if (result != 0) {
        goto out;
    }
    size_t length = text.size;
    while (length > 0 &&
           (text.data[length - 1] == '\n' || text.data[length - 1] == '\r')) {
        length--;
    }
    result = text_hex_decode(buffer_text(&text), length, secret, sizeof(secret), &size);
    if (result == 0 && size != sizeof(secret)) {
        result = ERROR_SYNTAX;
    }
    if (result == 0) {
        memcpy(ret_secret, secret, sizeof(secret));
    }
out:
    digest_wipe(secret, sizeof(secret));
    buffer_free(&text);
    return result;
}

int token_secret_read(const char *path, bool make,
                      uint8_t ret_secret[static TOKEN_SECRET_SIZE])
{
    int result = secret_load(path, ret_secret);
    if (result != ERROR_NOT_FOUND || !make) {
        return result;
    }
    result = secret_make(path, ret_secret);
    /* Another role made it between our look and our write: theirs counts. */
    return result == ERROR_EXISTS ? secret_load(path, ret_secret) : result;
}

static int derive(const uint8_t secret[static TOKEN_SECRET_SIZE], const char *label,
                  const char *zone, const char *kid,
                  uint8_t ret_key[static TOKEN_KEY_SIZE])
{
    struct buffer input = buffer_init(1024);
    uint8_t mac[DIGEST_MAX_SIZE];
    size_t mac_size = 0;
    buffer_append(&input, label, strlen(label) + 1);
    buffer_append(&input, zone, strlen(zone) + 1);
    int result = buffer_append(&input, kid, strlen(kid));
    if (result == 0) {
        result = digest_hmac(DIGEST_SHA256, secret, TOKEN_SECRET_SIZE, input.data,
                             input.size, mac, &mac_size);
    }
    if (result == 0) {
        memcpy(ret_key, mac, TOKEN_KEY_SIZE);
    }
    digest_wipe(mac, sizeof(mac));
    buffer_free(&input);
    return result;
}

int token_key(const uint8_t secret[static TOKEN_SECRET_SIZE], const char *zone,
              const char *kid, uint8_t ret_key[static TOKEN_KEY_SIZE])
{
    return derive(secret, "latchkey-eab-1", zone, kid, ret_key);
}

int token_nonce_key(const uint8_t secret[static TOKEN_SECRET_SIZE], const char *zone,
                    uint8_t ret_key[static TOKEN_KEY_SIZE])
{
    return derive(secret, "latchkey-nonce-1", zone, "", ret_key);
}
