#include "device/key_file.h"

#include "base/core/file.h"
#include "base/core/json.h"

enum { KEY_FILE_BYTES = 64 << 10 };

static int parse(const struct buffer *text, struct key **ret_key)
{
    json_t *jwk = NULL;
    size_t start = 0;
    while (start < text->size &&
           (text->data[start] == ' ' || text->data[start] == '\n' ||
            text->data[start] == '\r' || text->data[start] == '\t')) {
        start++;
    }
    if (start == text->size) {
        return ERROR_SYNTAX;
    }
    if (text->data[start] != '{') {
        return key_from_pem(text->data, text->size, ret_key);
    }
    int error = json_parse(text->data, text->size, KEY_FILE_BYTES, &jwk);
    if (error == 0) {
        error = key_from_private_jwk(jwk, ret_key);
    }
    json_decref(jwk);
    return error;
}

int key_file_read(const char *path, struct key **ret_key)
{
    struct buffer text = buffer_init_secret(KEY_FILE_BYTES);
    int error = file_read(path, &text);
    if (error == 0) {
        error = parse(&text, ret_key);
    }
    buffer_free(&text);
    return error;
}
