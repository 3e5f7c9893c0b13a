#include "device/admin_secret.h"

#include "base/core/file.h"
#include "base/core/text.h"
#include "base/crypto/random.h"

#include <string.h>
#include <sys/stat.h>

enum {
    RANDOM_BYTES = 13, /* 21 characters of base32, of which 20 are taken */
    GROUPS = 4,
    GROUP_SIZE = 5,
    LEAST = 10,
    MOST = 64,
    FILE_BYTES = 256,
    PATH_CAPACITY = 4096,
};

/* The letters that count. ERROR_SYNTAX when there are too few, too many, or others. */
static int normalize(const char *text, size_t size, struct buffer *letters)
{
    for (size_t i = 0; i < size; i++) {
        char letter = text[i];
        if (strchr(" -\t\r\n", letter) != NULL && letter != '\0') {
            continue;
        }
        letter = letter >= 'a' && letter <= 'z' ? (char)(letter - 'a' + 'A') : letter;
        letter = letter == '0' ? 'O' : letter == '1' ? 'I' : letter == '8' ? 'B' : letter;
        if (!((letter >= 'A' && letter <= 'Z') || (letter >= '2' && letter <= '9'))) {
            return ERROR_SYNTAX;
        }
        buffer_append(letters, &letter, 1);
    }
    return letters->error != 0 || letters->size < LEAST ? ERROR_SYNTAX : 0;
}

static int hash_of(const char *text, size_t size,
                   uint8_t ret_hash[static DIGEST_SHA256_SIZE])
{
    struct buffer letters = buffer_init_secret(MOST);
    int error = normalize(text, size, &letters);
    if (error == 0) {
        error = digest_sha256(letters.data, letters.size, ret_hash);
    }
    buffer_free(&letters);
    return error;
}

static int make(const char *path, struct buffer *text)
{
    uint8_t bytes[RANDOM_BYTES];
    char letters[TEXT_BASE32_SIZE(RANDOM_BYTES) + 1];
    int error = random_bytes(bytes, sizeof(bytes));
    if (error == 0) {
        text_base32(bytes, sizeof(bytes), letters);
        for (size_t i = 0; i < GROUPS * GROUP_SIZE; i++) {
            char letter = letters[i] >= 'a' ? (char)(letters[i] - 'a' + 'A') : letters[i];
            if (i > 0 && i % GROUP_SIZE == 0) {
                buffer_append_text(text, "-");
            }
            buffer_append(text, &letter, 1);
        }
        buffer_append_text(text, "\n");
        error = text->error;
    }
    if (error == 0) {
        error = file_write_new(path, text->data, text->size, 0600);
    }
    digest_wipe(bytes, sizeof(bytes));
    digest_wipe(letters, sizeof(letters));
    return error;
}

static int path_of(const char *folder, char ret_path[static PATH_CAPACITY])
{
    return text_format(ret_path, PATH_CAPACITY, "%s/" ADMIN_SECRET_FILE, folder)
               ? 0
               : ERROR_LIMIT;
}

int admin_secret_read(const char *folder, struct buffer *secret_text)
{
    char path[PATH_CAPACITY];
    struct stat info;
    uint8_t hash[DIGEST_SHA256_SIZE];
    int error = path_of(folder, path);
    if (error == 0 && stat(path, &info) == 0 && (info.st_mode & 077) != 0) {
        error = ERROR_DENIED;
    }
    if (error == 0) {
        error = file_read(path, secret_text);
    }
    if (error == 0) {
        error = hash_of(buffer_text(secret_text), secret_text->size, hash);
    }
    digest_wipe(hash, sizeof(hash));
    return error;
}

int admin_secret_open(const char *folder, struct admin_secret *ret_secret, bool *ret_made)
{
    char path[PATH_CAPACITY];
    struct buffer text = buffer_init_secret(FILE_BYTES);
    bool made = false;
    int error = admin_secret_read(folder, &text);
    if (error == ERROR_NOT_FOUND) {
        buffer_reset(&text);
        error = path_of(folder, path);
        if (error == 0) {
            error = make(path, &text);
        }
        made = error == 0;
    }
    if (error == 0) {
        error = hash_of(buffer_text(&text), text.size, ret_secret->hash);
    }
    if (error == 0) {
        ret_secret->is_set = true;
        *ret_made = made;
    }
    buffer_free(&text);
    return error;
}

bool admin_secret_matches(const struct admin_secret *secret, const char *given,
                          size_t size)
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    return secret->is_set && hash_of(given, size, hash) == 0 &&
           digest_equal(hash, secret->hash, sizeof(hash));
}
