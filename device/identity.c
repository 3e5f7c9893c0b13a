#include "device/identity.h"

#include "base/core/file.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"

enum { PATH_CAPACITY = 4096, PEM_BYTES = 16 << 10 };

static int read_key(const char *path, struct key **ret_key)
{
    struct buffer pem = buffer_init_secret(PEM_BYTES);
    int error = file_read(path, &pem);
    if (error == 0) {
        error = key_from_pem(pem.data, pem.size, ret_key);
    }
    buffer_free(&pem);
    return error;
}

/* Writes a fresh key. file_write_new decides by link(2) who was first, so that two agents
 * that start at the same moment end with one key. */
static int make_key(const char *path)
{
    struct key *key = NULL;
    struct buffer pem = buffer_init_secret(PEM_BYTES);
    int error = key_generate(KEY_P256, &key);
    if (error == 0) {
        error = key_to_pem(key, &pem);
    }
    if (error == 0) {
        error = file_write_new(path, pem.data, pem.size, 0600);
    }
    buffer_free(&pem);
    key_free(key);
    return error;
}

int identity_from_key(struct key *key, struct identity *ret_identity)
{
    struct identity identity = {.key = NULL};
    uint8_t hash[DIGEST_SHA256_SIZE];
    int error = key_spki_sha256(key, hash);
    if (error == 0) {
        error = key_id(key, identity.id);
    }
    if (error < 0) {
        return error;
    }
    text_base32(hash, sizeof(hash), identity.pin);
    identity.key = key_ref(key);
    *ret_identity = identity;
    return 0;
}

static int load(const char *path, struct identity *ret_identity)
{
    struct key *key = NULL;
    int error = read_key(path, &key);
    if (error == 0 && !key_is_private(key)) {
        error = ERROR_SYNTAX;
    }
    if (error == 0) {
        error = identity_from_key(key, ret_identity);
    }
    key_free(key);
    return error;
}

int identity_read(const char *folder, struct identity *ret_identity)
{
    char path[PATH_CAPACITY];
    if (!text_format(path, sizeof(path), "%s/identity.pem", folder)) {
        return ERROR_LIMIT;
    }
    return load(path, ret_identity);
}

int identity_open(const char *folder, struct identity *ret_identity, bool *ret_made)
{
    char path[PATH_CAPACITY];
    if (!text_format(path, sizeof(path), "%s/identity.pem", folder)) {
        return ERROR_LIMIT;
    }
    bool made = false;
    int error = load(path, ret_identity);
    if (error == ERROR_NOT_FOUND) {
        error = make_key(path);
        made = error == 0;
        if (error == 0 || error == ERROR_EXISTS) {
            error = load(path, ret_identity);
        }
    }
    if (error == 0 && ret_made != NULL) {
        *ret_made = made;
    }
    return error;
}

void identity_free(struct identity *identity)
{
    key_free(identity->key);
    identity->key = NULL;
}
